/**
 * How the positions of bans become states: lists of all that is open, while there are few of them,
 * else one state for each open match.
 *
 * Lists are the faster to execute. They multiply where one character reads in many ways (`marks`
 * and `confusables`) and gaps are free (`spacing`, `split`): the list of 403 phrases under every
 * fold has a million of them, and 13 000 matches.
 */
import type { Ban, Fold } from '../model/ban.ts'
import { GuardError } from '../model/errors.ts'
import { build } from './build.ts'
import { Heads } from './heads.ts'
import { refuse } from './phrase.ts'
import type { Positions } from './positions.ts'
import { largestRepeat } from './regex.ts'
import { States } from './states.ts'

/** Budget of the whole: so many states, and so many more for every place in the bans' graph. */
const BASE_STATES = 100_000
const STATES_PER_NODE = 64
const MAX_STATES = 8_000_000
/** Budget of lists, where the bans are phrases. */
const BASE_LISTS = 4_000
const LISTS_PER_NODE = 5
/** Matches open at once that a program of matches is made for, and so many more for repeats. */
const OPEN = 24
const MAX_OPEN = 96
/** Bans that are tried alone to find the one to blame. */
const MAX_SUSPECTS = 50

export type AutomatonOptions = {
  /** States at most (default 100 000 and 64 per place); past it the compile is refused. */
  readonly maxStates?: number
  /** States that are lists, at most (default 4 000 and 5 per place, more for expressions). */
  readonly maxLists?: number
}

export type Machine = { readonly states: States; readonly open: number }

export function explore(
  positions: Positions,
  bans: readonly Ban[],
  options: AutomatonOptions,
): Machine {
  const places = positions.graph.nodeCount
  const limit = options.maxStates ?? Math.min(MAX_STATES, BASE_STATES + STATES_PER_NODE * places)
  const expressions = bans.filter((ban) => ban.kind === 'regex')
  const lists = expressions.length > 0 ? limit : BASE_LISTS + LISTS_PER_NODE * places
  try {
    const heads = new Heads(positions, limit)
    const plain = new States(heads, Math.min(limit, options.maxLists ?? lists))
    if (plain.explore()) return { states: plain, open: 0 }
    const states = new States(heads, limit)
    states.exploreHeads()
    return { states, open: openAtMost(bans, expressions, limit) }
  } catch (error) {
    if (!(error instanceof GuardError)) throw error
    throw blame(bans, limit) ?? error
  }
}

/** Matches that can be open at once: counted for expressions, estimated from above for phrases. */
function openAtMost(bans: readonly Ban[], expressions: readonly Ban[], limit: number): number {
  const repeats = bans.reduce((most, ban) => Math.max(most, repeatsOf(ban.text)), 0)
  let open = OPEN + (bans.length > expressions.length ? repeats : 0)
  if (expressions.length > 0) {
    const alone = new States(new Heads(build(expressions).positions, limit), limit)
    if (!alone.explore()) throw blame(expressions, limit) ?? tooMany(limit)
    const depth = new Int32Array(alone.count)
    for (let s = 0; s < depth.length; s++) depth[s] = alone.headsOf(s).length
    open += depth.reduce((most, n) => Math.max(most, n), 0)
  }
  if (open > MAX_OPEN) {
    const ban = bans.find(({ text }) => repeatsOf(text) > OPEN) ?? expressions[0] ?? bans[0]!
    throw refuse(ban, `explodes: ${open} matches of it can be open at once, with these folds`)
  }
  return open
}

/** How often a phrase can begin anew inside itself, at most at one place: ha-ha-ha twice. */
function repeatsOf(phrase: string): number {
  const text = phrase.toLowerCase().replace(/\s/gu, '')
  const border = new Int32Array(text.length)
  const chain = new Int32Array(text.length)
  let most = 0
  for (let i = 1, k = 0; i < text.length; i++) {
    while (k > 0 && text[i] !== text[k]) k = border[k - 1]!
    if (text[i] === text[k]) k++
    border[i] = k
    chain[i] = k === 0 ? 0 : chain[k - 1]! + 1
    most = Math.max(most, chain[i]!)
  }
  return most
}

const tooMany = (limit: number): GuardError =>
  new GuardError(
    'policy_invalid',
    `bans: expected at most ${limit} automaton states, got more; use fewer bans or fewer folds`,
  )

/** The ban that breaks the budget alone, or the one that takes most of it, and what of it does. */
function blame(bans: readonly Ban[], limit: number): GuardError | undefined {
  const alone = Math.min(limit, BASE_STATES)
  const expressions = bans.filter((ban) => ban.kind === 'regex').slice(0, MAX_SUSPECTS)
  for (const ban of expressions) {
    if (sizeOf([ban], alone) < alone) continue
    const part = JSON.stringify(largestRepeat(ban.text))
    return refuse(ban, `explodes: more than ${alone} states; the part is ${part}`)
  }
  const suspects = bans
    .filter((ban) => ban.kind === 'phrase')
    .toSorted((a, b) => b.folds.length * b.text.length - a.folds.length * a.text.length)
    .slice(0, MAX_SUSPECTS)
  let worst: Ban | undefined
  let most = 0
  for (const ban of suspects) {
    const size = sizeOf([ban], alone)
    if (size <= most) continue
    most = size
    worst = ban
  }
  if (worst === undefined) return undefined
  const size = most >= alone ? `more than ${alone}` : String(most)
  const fold = dearest(worst, alone)
  const whose = fold === undefined ? '' : `, most of them by its fold ${fold}`
  return refuse(
    worst,
    `explodes: ${size} states of at most ${limit} for all bans are for this one${whose}`,
  )
}

/** The fold without which a ban has the fewest states. */
function dearest(ban: Ban, limit: number): Fold | undefined {
  let least = Infinity
  let found: Fold | undefined
  for (const fold of ban.folds) {
    const size = sizeOf([{ ...ban, folds: ban.folds.filter((f) => f !== fold) }], limit)
    if (size >= least) continue
    least = size
    found = fold
  }
  return found
}

function sizeOf(bans: readonly Ban[], limit: number): number {
  try {
    const states = new States(new Heads(build(bans).positions, limit), limit)
    if (bans[0]?.kind === 'regex') return states.explore() ? states.count : limit
    states.exploreHeads()
    return states.heads.count
  } catch (error) {
    if (error instanceof GuardError) return limit
    throw error
  }
}
