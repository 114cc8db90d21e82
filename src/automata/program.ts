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
import { cross } from './crossing.ts'
import type { SequenceTable } from './pair-map.ts'
import { createExecutor, type Executor } from './executor.ts'
import { DEAD } from './heads.ts'
import { createMatcher, type Match } from './scan.ts'
import { parseTables, type Tables } from './tables.ts'

import { tokenTrie } from './token-trie.ts'
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

const i32 = (data: Int32Array, shape: readonly number[]): Tensor => ({ dtype: 'I32', shape, data })

function bundleTensors(bundles: SequenceTable): Record<string, Tensor> {
  const offset = Int32Array.from({ length: bundles.count + 1 }, (_, i) =>
    i === 0 ? 0 : bundles.to(i - 1),
  )
  const state = bundles.data.slice(0, offset.at(-1))
  return {
    bundle_offset: i32(offset, [offset.length]),
    bundle_state: i32(state, [state.length]),
  }
}

/** Crosses an automaton with a vocabulary. Deterministic: equal inputs give an equal digest. */
export function compileTokenProgram(automaton: Automaton, vocabulary: Vocabulary): TokenProgram {
  const trie = tokenTrie(vocabulary, automaton.classes)
  const crossing = cross(automaton, trie)
  const dead = crossing.count
  const count = dead + 1
  const width = vocabulary.size
  const x = trie.extended
  const rows = crossing.base.length
  // One more row, all dead: once in `dead`, a row stays there in every executor.
  const base = new Int32Array((rows + 1) * x).fill(dead)
  crossing.base.forEach((row, r) => {
    for (let t = 0; t < x; t++) if (row[t]! >= 0) base[r * x + t] = row[t]!
  })
  for (const token of trie.never) for (let r = 0; r < rows; r++) base[r * x + token] = dead
  const reference = new Uint8Array(count).fill(rows)
  reference.set(crossing.reference)
  const exceptions = crossing.exceptionToken.length
  const key = new Float64Array(exceptions)
  for (let s = 0; s < dead; s++) {
    for (let e = crossing.exceptionFrom[s]!; e < crossing.exceptionFrom[s + 1]!; e++) {
      key[e] = s * x + crossing.exceptionToken[e]!
    }
  }
  const broken = new Int32Array(count).fill(dead)
  for (let s = 0; s < dead; s++) {
    if (crossing.broken[s] !== DEAD) broken[s] = Math.max(crossing.broken[s]!, -1)
  }
  const denySet = new Int32Array(count).fill(-2)
  denySet.set(crossing.denySet)
  const sets = crossing.setParent.length
  const conts = trie.continuing.length
  const blob = writeBlob(
    {
      format: FORMAT,
      vocabulary: vocabulary.digest,
      automaton: automaton.digest,
      logits_width: String(width),
      virtual: String(x - width),
      states: String(count),
      carries: String(trie.carries),
      references: String(rows + 1),
      start: String(crossing.start * trie.carries),
      dead: String(dead),
      ...(automaton.open > 0 && { open: String(automaton.open) }),
    },
    {
      exception_key: { dtype: 'I64', shape: [exceptions], data: key },
      deny_offset: { dtype: 'I64', shape: [sets + 1], data: Float64Array.from(crossing.setFrom) },
      base: i32(base, [rows + 1, x]),
      alias: i32(trie.alias, [x]),
      exception_next: i32(crossing.exceptionNext, [exceptions]),
      deny_set: i32(denySet, [count]),
      deny_parent: i32(crossing.setParent, [sets]),
      deny_token: i32(crossing.setToken, [crossing.setToken.length]),
      broken: i32(broken, [count]),
      cont_token: i32(trie.continuing, [conts]),
      joint: i32(trie.joint, [trie.carries, conts]),
      tail: { dtype: 'I16', shape: [width], data: trie.tail },
      joint_tail: { dtype: 'I16', shape: [trie.carries, conts], data: trie.jointTail },
      reference: { dtype: 'U8', shape: [count], data: reference },
      ...(automaton.open > 0 && bundleTensors(crossing.bundles)),
    },
  )
  return parseTokenProgram(blob)
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
