/**
 * Bans into an automaton: checked, folded, put into one graph, made deterministic.
 *
 * An automaton is immutable and shared; it serves token programs (`program.ts`) and plain text
 * (`scan.ts`) alike, so both follow one definition.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import { FOLDS, type Ban, type Fold } from '../model/ban.ts'
import { compileClasses, type Classes, type Ranges } from './classes.ts'
import { foldMask } from './fold.ts'
import { Graph } from './graph.ts'
import { addPhrase, refuse } from './phrase.ts'
import { Positions } from './positions.ts'
import { largestRepeat } from './regex.ts'
import { addRegex, type RegexIds } from './regex-graph.ts'
import { bitsAfter, States, wordGroupsOf } from './states.ts'
import { UNICODE_TABLES } from './unicode-data.ts'

export const MAX_BANS = 100_000
/** Fold masks in one automaton. */
const MAX_GROUPS = 24
const USUAL = "abcdefghijklmnopqrstuvwxyz0123456789 '-.&"
/** Default budget: so many states, and so many more for every place in the bans' graph. */
const BASE_STATES = 100_000
const STATES_PER_NODE = 64
const MAX_STATES = 8_000_000
/** Regular expressions that are tried alone to find the one to blame. */
const MAX_SUSPECTS = 50

export interface Automaton {
  /** Hex SHA-256 of the bans, in order, and of the Unicode data that they were folded with. */
  readonly digest: string
  readonly stateCount: number
  readonly bans: readonly Ban[]
  readonly classes: Classes
  readonly positions: Positions
  readonly states: States
}

/** What scanning text needs of an automaton: no states, so it is made in a fraction of the time. */
export type ScanMachine = Pick<Automaton, 'bans' | 'classes' | 'positions'> & {
  readonly states: Pick<States, 'wordGroups' | 'bitsAfter'>
}

export type AutomatonOptions = {
  /** States of the whole automaton (default 100 000 and 64 per place); past it the compile is refused. */
  readonly maxStates?: number
}

function checkBans(bans: readonly Ban[]): void {
  if (bans.length > MAX_BANS) {
    throw new GuardError('policy_invalid', `bans: expected at most ${MAX_BANS}, got ${bans.length}`)
  }
  const ids = new Set<string>()
  for (const ban of bans) {
    if (ids.has(ban.id)) throw refuse(ban, 'its id is used twice')
    ids.add(ban.id)
    const unknown = ban.folds.find((fold) => !FOLDS.includes(fold))
    if (unknown !== undefined) {
      throw refuse(ban, `folds: expected ${FOLDS.join(', ')}; got ${JSON.stringify(unknown)}`)
    }
  }
}

function digestOf(bans: readonly Ban[]): string {
  const hash = createHash('sha256').update(`checkstream-automaton/1\n${UNICODE_TABLES}\n`)
  const lines = bans.map((b) =>
    JSON.stringify([b.id, b.kind, b.text, b.match, [...b.folds].sort(), b.pending]),
  )
  return hash.update(lines.join('\n')).digest('hex')
}

/**
 * Compiles bans. Throws `policy_invalid` with the ban's place and id and the reason: a phrase that
 * is empty, folds away to nothing or is white space only; a regular expression outside the subset
 * or past its budget; more states than `maxStates`.
 */
export function compileAutomaton(bans: readonly Ban[], options: AutomatonOptions = {}): Automaton {
  checkBans(bans)
  const parts = build(bans)
  const budget = Math.min(
    MAX_STATES,
    BASE_STATES + STATES_PER_NODE * parts.positions.graph.nodeCount,
  )
  const limit = options.maxStates ?? budget
  let states: States
  try {
    states = new States(parts.positions, limit)
  } catch (error) {
    throw blame(bans, limit) ?? error
  }
  return { digest: digestOf(bans), stateCount: states.count, bans, states, ...parts }
}

/**
 * Bans for scanning text only. Throws `policy_invalid` as `compileAutomaton` does, except for states:
 * there are none. A step costs at most one visit of each open position.
 */
export function compileScanMachine(bans: readonly Ban[]): ScanMachine {
  checkBans(bans)
  return toScanMachine({ bans, ...build(bans) })
}

export function toScanMachine(
  parts: Pick<Automaton, 'bans' | 'classes' | 'positions'>,
): ScanMachine {
  const { classes, positions } = parts
  const wordGroups = wordGroupsOf(positions)
  return {
    ...parts,
    states: { wordGroups, bitsAfter: (bits, cls) => bitsAfter(classes, wordGroups, bits, cls) },
  }
}

/** The regular expression that breaks the budget alone, if there is one. */
function blame(bans: readonly Ban[], limit: number): GuardError | undefined {
  const suspects = bans.filter((ban) => ban.kind === 'regex').slice(0, MAX_SUSPECTS)
  for (const ban of suspects) {
    const alone = Math.min(limit, BASE_STATES)
    if (fits(build([ban]).positions, alone)) continue
    const part = JSON.stringify(largestRepeat(ban.text))
    return refuse(ban, `explodes: more than ${alone} states; the part is ${part}`)
  }
  return undefined
}

function fits(positions: Positions, maxStates: number): boolean {
  try {
    return new States(positions, maxStates).count <= maxStates
  } catch (error) {
    if (error instanceof GuardError) return false
    throw error
  }
}

function build(bans: readonly Ban[]): Pick<Automaton, 'classes' | 'positions'> {
  const graph = new Graph()
  // The usual letters always have the same ids, so that lists of usual phrases share their classes.
  const letters = new Map([...USUAL].map((ch, id) => [ch.codePointAt(0)!, id]))
  const masks: number[] = []
  const predicates: Ranges[] = []
  const predicateIds = new Map<string, number>()
  const ids: RegexIds = {
    predicate: (ranges) => {
      const key = ranges.join(';')
      const known = predicateIds.get(key)
      if (known !== undefined) return known
      predicateIds.set(key, predicates.length)
      return predicates.push(ranges) - 1
    },
    letter: (c) => {
      let id = letters.get(c)
      if (id === undefined) letters.set(c, (id = letters.size))
      return id
    },
    group: (mask) => (masks.includes(mask) ? masks.indexOf(mask) : masks.push(mask) - 1),
  }
  bans.forEach((ban, index) => {
    if (ban.kind === 'regex') addRegex(graph, ids, ban, index)
    else addPhrase(graph, ids, ban, index)
    if (masks.length > MAX_GROUPS) {
      throw refuse(ban, `expected at most ${MAX_GROUPS} different sets of folds, got more`)
    }
  })
  const uses = (fold: Fold): boolean => bans.some((ban) => ban.folds.includes(fold))
  const classes = compileClasses({
    letters,
    predicates,
    masks: masks.length > 0 ? masks : [foldMask([])],
    leet: uses('leet'),
    spacing: uses('spacing') || uses('split'),
  })
  return { classes, positions: new Positions(graph, classes) }
}
