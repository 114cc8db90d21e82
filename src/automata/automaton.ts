/**
 * Bans into an automaton: checked, folded, put into one graph, made deterministic.
 *
 * An automaton is immutable and shared; it serves token programs (`program.ts`) and plain text
 * (`scan.ts`) alike, so both follow one definition.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import { FOLDS, type Ban } from '../model/ban.ts'
import { build } from './build.ts'
import type { Classes } from './classes.ts'
import { explore, type AutomatonOptions } from './explore.ts'
import { refuse } from './phrase.ts'
import type { Positions } from './positions.ts'
import { bitsAfter, wordGroupsOf, type States } from './states.ts'
import { UNICODE_TABLES } from './unicode-data.ts'

export const MAX_BANS = 100_000
export interface Automaton {
  /** Hex SHA-256 of the bans, in order, and of the Unicode data that they were folded with. */
  readonly digest: string
  /** States, or with `open` the matches that can be open. */
  readonly stateCount: number
  /** 0: a state is all that is open. Else so many states at most hold together, one for each match. */
  readonly open: number
  readonly bans: readonly Ban[]
  readonly classes: Classes
  readonly positions: Positions
  readonly states: States
}

/** What scanning text needs of an automaton: no states, so it is made in a fraction of the time. */
export type ScanMachine = Pick<Automaton, 'bans' | 'classes' | 'positions'> & {
  readonly states: Pick<States, 'wordGroups' | 'bitsAfter'>
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
  const machine = explore(parts.positions, bans, options)
  const stateCount = machine.open === 0 ? machine.states.count : machine.states.heads.count
  return { digest: digestOf(bans), stateCount, bans, ...machine, ...parts }
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
