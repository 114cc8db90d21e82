/**
 * Bans into an automaton: checked, folded, put into one graph, made deterministic.
 *
 * An automaton is immutable and shared; it serves token programs (`program.ts`) and plain text
 * (`scan.ts`) alike, so both follow one definition.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import { FOLDS, type Ban } from '../model/ban.ts'
import { compileClasses, type Classes, type Ranges } from './classes.ts'
import { foldMask } from './fold.ts'
import { Graph } from './graph.ts'
import { addPhrase, refuse, type Ids } from './phrase.ts'
import { Positions } from './positions.ts'
import { States } from './states.ts'
import { UNICODE_TABLES } from './unicode-data.ts'

export const MAX_BANS = 100_000
/** Fold masks in one automaton. */
const MAX_GROUPS = 24
const DEFAULT_MAX_STATES = 2_000_000

export interface Automaton {
  /** Hex SHA-256 of the bans, in order, and of the Unicode data that they were folded with. */
  readonly digest: string
  readonly stateCount: number
  readonly bans: readonly Ban[]
  readonly classes: Classes
  readonly positions: Positions
  readonly states: States
}

export type AutomatonOptions = {
  /** States of the whole automaton; past it the compile is refused. */
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
  const graph = new Graph()
  const letters = new Map<number, number>()
  const masks: number[] = []
  const predicates: Ranges[] = []
  const ids: Ids = {
    letter: (c) => {
      let id = letters.get(c)
      if (id === undefined) letters.set(c, (id = letters.size))
      return id
    },
    group: (mask) => {
      if (!masks.includes(mask)) masks.push(mask)
      return masks.indexOf(mask)
    },
  }
  bans.forEach((ban, index) => {
    if (ban.kind === 'regex') throw refuse(ban, 'regular expressions are not compiled yet')
    addPhrase(graph, ids, ban, index)
    if (masks.length > MAX_GROUPS) {
      throw refuse(ban, `expected at most ${MAX_GROUPS} different sets of folds, got more`)
    }
  })
  const uses = (test: (ban: Ban) => boolean): boolean => bans.some(test)
  const classes = compileClasses({
    letters,
    predicates,
    masks: masks.length > 0 ? masks : [foldMask([])],
    leet: uses((b) => b.folds.includes('leet')),
    spacing: uses((b) => b.folds.includes('spacing') || b.folds.includes('split')),
  })
  const positions = new Positions(graph, classes)
  const states = new States(positions, options.maxStates ?? DEFAULT_MAX_STATES)
  return {
    digest: digestOf(bans),
    stateCount: states.count,
    bans,
    classes,
    positions,
    states,
  }
}
