/**
 * Token programs: an automaton crossed with a vocabulary, as an engine executes it.
 *
 * docs/token-programs.md is the contract; this file writes it, checks it, and is the reference
 * executor that the sidecar itself uses.
 */
import { createHash } from 'node:crypto'
import { TEXT, tokenBytes, type Vocabulary } from '../vocabulary/vocabulary.ts'
import type { Automaton, ScanMachine } from './automaton.ts'
import { writeBlob, type Tensor } from './blob.ts'
import { cross, type Crossing } from './crossing.ts'
import type { SequenceTable } from './pair-map.ts'
import { createExecutor, type Executor } from './executor.ts'
import { DEAD } from './heads.ts'
import { createMatcher, type Match } from './scan.ts'
import { parseTables, type Tables } from './tables.ts'
import { tokenTrie, type TokenTrie } from './token-trie.ts'
import { REPLACEMENT } from './unicode.ts'
import { decode, type Prefix } from './utf8.ts'

export interface TokenProgram extends Executor {
  /** Hex SHA-256 of the blob. */
  readonly digest: string
  readonly blob: Uint8Array
  /** Before the first token. */
  readonly start: number
  readonly stateCount: number
  readonly carryCount: number
  readonly logitsWidth: number
  readonly vocabularyDigest: string
  readonly automatonDigest: string
}

export const FORMAT = 'checkstream-token-program/1'

function toProgram(tables: Tables, blob: Uint8Array, digest: string): TokenProgram {
  return {
    ...createExecutor(tables),
    digest,
    blob,
    start: tables.start,
    stateCount: tables.states,
    carryCount: tables.carries,
    logitsWidth: tables.width,
    vocabularyDigest: tables.vocabulary,
    automatonDigest: tables.automaton,
  }
}

/** Checks a blob completely and makes it runnable. Throws `program_invalid`. */
export function parseTokenProgram(blob: Uint8Array): TokenProgram {
  return toProgram(parseTables(blob), blob, createHash('sha256').update(blob).digest('hex'))
}

/**
 * The same for a blob that a thread of this process compiled and checked: no value is looked at
 * again, because whoever loads it serves streams meanwhile.
 */
export function adoptTokenProgram(blob: Uint8Array, digest: string): TokenProgram {
  return toProgram(parseTables(blob, true), blob, digest)
}

/** Crosses an automaton with a vocabulary. Deterministic: equal inputs give an equal digest. */
export function compileTokenProgram(automaton: Automaton, vocabulary: Vocabulary): TokenProgram {
  const trie = tokenTrie(vocabulary, automaton.classes)
  const tables = toTables(automaton, vocabulary, trie, cross(automaton, trie))
  const blob = writeTables(tables)
  // Not read back: every value was made here, and the tests parse what this writes.
  return toProgram(tables, blob, createHash('sha256').update(blob).digest('hex'))
}

function toTables(
  automaton: Automaton,
  vocabulary: Vocabulary,
  trie: TokenTrie,
  crossing: Crossing,
): Tables {
  const dead = crossing.count
  const states = dead + 1
  const x = trie.extended
  const rows = crossing.base.length
  // One more row, all dead: once in `dead`, a row stays there in every executor.
  const base = new Int32Array((rows + 1) * x).fill(dead)
  crossing.base.forEach((row, r) => {
    const to = base.subarray(r * x, (r + 1) * x)
    for (let t = 0; t < x; t++) if (row[t]! >= 0) to[t] = row[t]!
    for (const token of trie.never) to[token] = dead
  })
  const reference = new Uint8Array(states).fill(rows)
  reference.set(crossing.reference)
  const exceptionFrom = new Uint32Array(states + 1).fill(crossing.exceptionToken.length)
  exceptionFrom.set(crossing.exceptionFrom)
  const broken = new Int32Array(states).fill(dead)
  for (let s = 0; s < dead; s++) {
    if (crossing.broken[s] !== DEAD) broken[s] = Math.max(crossing.broken[s]!, -1)
  }
  const denySet = new Int32Array(states).fill(-2)
  denySet.set(crossing.denySet)
  return {
    width: vocabulary.size,
    extended: x,
    states,
    carries: trie.carries,
    start: crossing.start * trie.carries,
    dead,
    vocabulary: vocabulary.digest,
    automaton: automaton.digest,
    base,
    reference,
    alias: trie.alias,
    tail: trie.tail,
    exceptionFrom,
    exceptionToken: crossing.exceptionToken,
    exceptionNext: crossing.exceptionNext,
    denySet,
    denyParent: crossing.setParent,
    denyOffset: Float64Array.from(crossing.setFrom),
    denyToken: crossing.setToken,
    broken,
    continuing: trie.continuing,
    joint: trie.joint,
    jointTail: trie.jointTail,
    open: automaton.open,
    ...toBundles(crossing.bundles),
  }
}

function toBundles(table: SequenceTable): Pick<Tables, 'bundleOffset' | 'bundleState'> {
  const bundleOffset = new Int32Array(table.count + 1)
  for (let b = 0; b < table.count; b++) bundleOffset[b + 1] = table.to(b)
  return { bundleOffset, bundleState: table.data.slice(0, bundleOffset.at(-1)) }
}

const i32 = (data: Int32Array, shape: readonly number[]): Tensor => ({ dtype: 'I32', shape, data })

function writeTables(t: Tables): Uint8Array {
  const exceptions = t.exceptionToken.length
  const key = new Float64Array(exceptions)
  for (let s = 0; s < t.states; s++) {
    const to = t.exceptionFrom[s + 1]!
    for (let e = t.exceptionFrom[s]!; e < to; e++) key[e] = s * t.extended + t.exceptionToken[e]!
  }
  const references = t.base.length / t.extended
  const sets = t.denyParent.length
  const conts = t.continuing.length
  return writeBlob(
    {
      format: FORMAT,
      vocabulary: t.vocabulary,
      automaton: t.automaton,
      logits_width: String(t.width),
      virtual: String(t.extended - t.width),
      states: String(t.states),
      carries: String(t.carries),
      references: String(references),
      start: String(t.start),
      dead: String(t.dead),
      ...(t.open > 0 && { open: String(t.open) }),
    },
    {
      exception_key: { dtype: 'I64', shape: [exceptions], data: key },
      deny_offset: { dtype: 'I64', shape: [sets + 1], data: t.denyOffset },
      base: i32(t.base, [references, t.extended]),
      alias: i32(t.alias, [t.extended]),
      exception_next: i32(t.exceptionNext, [exceptions]),
      deny_set: i32(t.denySet, [t.states]),
      deny_parent: i32(t.denyParent, [sets]),
      deny_token: i32(t.denyToken, [t.denyToken.length]),
      broken: i32(t.broken, [t.states]),
      cont_token: i32(t.continuing, [conts]),
      joint: i32(t.joint, [t.carries, conts]),
      tail: { dtype: 'I16', shape: [t.width], data: t.tail },
      joint_tail: { dtype: 'I16', shape: [t.carries, conts], data: t.jointTail },
      reference: { dtype: 'U8', shape: [t.states], data: t.reference },
      ...(t.open > 0 && {
        bundle_offset: i32(t.bundleOffset, [t.bundleOffset.length]),
        bundle_state: i32(t.bundleState, [t.bundleState.length]),
      }),
    },
  )
}

/**
 * The bans that `token` would complete after `history`, by id: to explain a denial. Walks the whole
 * history; empty when the token is denied for no ban (an unused id) or not denied at all.
 */
export function bansCompletedBy(
  automaton: ScanMachine,
  vocabulary: Vocabulary,
  history: readonly number[],
  token: number,
): readonly string[] {
  const { classes } = automaton
  const matcher = createMatcher(automaton)
  let out: Match[] = []
  let prefix: Prefix = 0
  const read = (cls: number): void => matcher.read(cls, 0, 0, out)
  for (const id of [...history, token]) {
    out = []
    if (vocabulary.kinds[id] === TEXT) {
      const emit = (c: number): void => read(classes.classOf[c]!)
      prefix = decode(tokenBytes(vocabulary, id), prefix, emit)
      continue
    }
    if (prefix !== 0) read(classes.classOf[REPLACEMENT]!)
    prefix = 0
    read(classes.control)
  }
  return [...new Set(out.map((match) => match.ban))]
}
