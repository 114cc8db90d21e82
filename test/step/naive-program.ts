/**
 * A token program made the obvious way, for small vocabularies: Aho–Corasick over bytes, every state
 * tried with every token. Bans are exact substrings (ASCII case folded on request). It needs no
 * carries, because it walks bytes. For tests of the step plane; the real compiler is in automata.
 */
import { createHash } from 'node:crypto'
import type { Ban } from '../../src/model/ban.ts'
import type { ProgramImage } from '../../src/model/engine.ts'
import type { LoadedProgram } from '../../src/programs/program-book.ts'
import type { Vocabulary } from './fakes.ts'

type Automaton = { readonly rows: Int32Array[]; readonly dead: number }

function compileBytes(bans: readonly Ban[]): Automaton {
  const rows = [new Int32Array(256).fill(-1)]
  const ends = new Set<number>()
  for (const ban of bans) {
    let at = 0
    for (const byte of Buffer.from(fold(ban))) {
      if ((rows[at]?.[byte] ?? -1) < 0) {
        rows.push(new Int32Array(256).fill(-1))
        rows[at]?.set([rows.length - 1], byte)
      }
      at = rows[at]?.[byte] ?? 0
    }
    ends.add(at)
  }
  const fail = new Int32Array(rows.length)
  const queue = [0]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const row = rows[at] ?? new Int32Array(256)
    for (let byte = 0; byte < 256; byte++) {
      const target = row[byte] ?? -1
      const other = at === 0 ? 0 : (rows[fail[at] ?? 0]?.[byte] ?? 0)
      if (target < 0) row[byte] = other
      else {
        fail[target] = other
        if (ends.has(other)) ends.add(target)
        queue.push(target)
      }
    }
  }
  const dead = rows.length
  for (const row of rows) row.forEach((to, byte) => ends.has(to) && (row[byte] = dead))
  if (bans.some((ban) => ban.folds.includes('case'))) {
    for (const row of rows) for (let b = 65; b <= 90; b++) row[b] = row[b + 32] ?? 0
  }
  rows.push(new Int32Array(256).fill(dead))
  return { rows, dead }
}

const fold = (ban: Ban): string => (ban.folds.includes('case') ? ban.text.toLowerCase() : ban.text)

function read({ rows }: Automaton, state: number, bytes: Iterable<number>): number {
  let at = state
  for (const byte of bytes) at = rows[at]?.[byte] ?? 0
  return at
}

/** The blob of docs/token-programs.md: one reference, no carries, no parents. */
export function naiveProgram(
  bans: readonly Ban[],
  vocabulary: Vocabulary,
): { readonly image: ProgramImage; readonly walk: LoadedProgram } {
  const automaton = compileBytes(bans)
  const { rows, dead } = automaton
  const { size, data, offsets } = vocabulary
  const bytes = (t: number) => data.subarray(offsets[t] ?? 0, offsets[t + 1] ?? 0)
  const table = rows.map((_, s) =>
    Int32Array.from({ length: size }, (_t, t) => read(automaton, s, bytes(t))),
  )
  const base = table[0] ?? new Int32Array()
  const keys: bigint[] = []
  const nexts: number[] = []
  const denied: number[][] = []
  table.forEach((row, s) => {
    const deny: number[] = []
    row.forEach((to, t) => {
      if (s !== dead && to === dead) deny.push(t)
      if (to === base[t]) return
      keys.push(BigInt(s) * BigInt(size) + BigInt(t))
      nexts.push(to)
    })
    denied.push(deny)
  })
  const conts = Array.from({ length: size }, (_, t) => t).filter(
    (t) => ((bytes(t)[0] ?? 0) & 0xc0) === 0x80,
  )
  const ends = [0]
  for (const deny of denied.slice(0, dead)) ends.push((ends.at(-1) ?? 0) + deny.length)
  const tensors: Record<string, [string, number[], ArrayBufferView]> = {
    base: ['I32', [1, size], base],
    exception_key: ['I64', [keys.length], BigInt64Array.from(keys)],
    deny_offset: ['I64', [ends.length], BigInt64Array.from(ends.map(BigInt))],
    exception_next: ['I32', [nexts.length], Int32Array.from(nexts)],
    deny_set: ['I32', [dead + 1], Int32Array.from([...denied.slice(0, dead).keys(), -2])],
    deny_parent: ['I32', [dead], new Int32Array(dead).fill(-1)],
    deny_token: ['I32', [ends.at(-1) ?? 0], Int32Array.from(denied.slice(0, dead).flat())],
    broken: [
      'I32',
      [dead + 1],
      Int32Array.from(rows, (_, s) => read(automaton, s, [0xef, 0xbf, 0xbd])),
    ],
    cont_token: ['I32', [conts.length], Int32Array.from(conts)],
    joint: ['I32', [1, conts.length], new Int32Array(conts.length).fill(-1)],
    joint_tail: ['I16', [1, conts.length], new Int16Array(conts.length)],
    tail: ['I16', [size], new Int16Array(size)],
    reference: ['U8', [dead + 1], new Uint8Array(dead + 1)],
  }
  const blob = safetensors(tensors, {
    format: 'checkstream-token-program/1',
    vocabulary: vocabulary.digest,
    logits_width: String(size),
    virtual: '0',
    states: String(dead + 1),
    carries: '1',
    references: '1',
    start: '0',
    dead: String(dead),
    automaton: createHash('sha256').update(JSON.stringify(bans)).digest('hex'),
  })
  const digest = createHash('sha256').update(blob).digest('hex')
  const walk = {
    digest,
    start: 0,
    next: (state: number, token: number) => table[state]?.[token] ?? dead,
    isDead: (state: number) => state === dead,
  }
  return { image: { digest, blob }, walk }
}

function safetensors(
  tensors: Readonly<Record<string, [string, number[], ArrayBufferView]>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  const parts: Uint8Array[] = []
  let at = 0
  // Wide types first, so that every tensor is aligned.
  for (const [name, [dtype, shape, view]] of Object.entries(tensors).toSorted(
    (a, b) => width(b[1][0]) - width(a[1][0]),
  )) {
    header[name] = { dtype, shape, data_offsets: [at, at + view.byteLength] }
    parts.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    at += view.byteLength
  }
  let json = JSON.stringify(header)
  json = json.padEnd(Math.ceil(json.length / 8) * 8)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, Buffer.from(json), ...parts])
}

const width = (dtype: string): number => Number(/\d+/.exec(dtype)?.[0] ?? 8)
