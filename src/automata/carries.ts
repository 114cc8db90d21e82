/**
 * Carries: the beginnings of characters, as far as bans can tell them apart.
 *
 * Two prefixes are the same carry when the same bytes complete them to the same classes. Found from
 * the bottom: blocks of 64 code points first, then their parents, equal ones given one id.
 */
import { CODE_POINTS } from './unicode.ts'
import { SequenceTable } from './pair-map.ts'
import type { Prefix } from './utf8.ts'

/** A node of the shared tree of UTF-8: what the next continuation byte leads to. */
export interface CarryTree {
  /** Node of a prefix. */
  node(prefix: Prefix): number
  /** Bytes that are missing. */
  missing(node: number): number
  /** By the low six bits of the next byte: a class when one byte is missing, else a node; -1: not UTF-8. */
  next(node: number, bits: number): number
}

const BLOCK = 64

/** The tree for a table of classes. */
export function createCarryTree(classOf: Uint16Array): CarryTree {
  const table = new SequenceTable()
  const scratch = new Int32Array(BLOCK + 1)
  const uniform = new Map<number, number>()
  const blocks = new Int32Array(CODE_POINTS / BLOCK)
  for (let b = 0; b < blocks.length; b++) {
    const from = b * BLOCK
    const first = classOf[from]!
    let isUniform = true
    for (let i = 1; isUniform && i < BLOCK; i++) isUniform = classOf[from + i] === first
    const known = isUniform ? uniform.get(first) : undefined
    if (known !== undefined) {
      blocks[b] = known
      continue
    }
    scratch[0] = 1
    for (let i = 0; i < BLOCK; i++) scratch[i + 1] = classOf[from + i]!
    blocks[b] = table.intern(scratch, BLOCK + 1)
    if (isUniform) uniform.set(first, blocks[b]!)
  }
  const parents = (level: number, children: Int32Array, isValid: (i: number) => boolean) => {
    const out = new Int32Array(children.length / BLOCK)
    for (let p = 0; p < out.length; p++) {
      scratch[0] = level
      for (let i = 0; i < BLOCK; i++) {
        const child = p * BLOCK + i
        scratch[i + 1] = isValid(child) ? children[child]! : -1
      }
      out[p] = table.intern(scratch, BLOCK + 1)
    }
    return out
  }
  // Three-byte forms start at U+0800 and leave out the surrogates; four-byte forms start at U+10000.
  const threes = parents(
    2,
    blocks.subarray(0, 0x10000 / BLOCK),
    (b) => b >= 0x20 && !(b >= 0x360 && b < 0x380),
  )
  const planes = new Int32Array(5 * BLOCK).fill(-1)
  const twos = parents(2, blocks, () => true)
  planes.set(twos, 0)
  const fours = parents(3, planes, (p) => p >= 0x10 && p < 0x110)
  const node = (prefix: Prefix): number => {
    const length = prefix > 0xffffff ? 3 : prefix > 0xffff ? 2 : 1
    const byte = (i: number): number => (prefix >>> ((length - 1 - i) * 8)) & 0xff
    const lead = byte(0)
    let at =
      lead < 0xe0 ? blocks[lead & 0x1f]! : lead < 0xf0 ? threes[lead & 0x0f]! : fours[lead & 7]!
    for (let i = 1; i < length; i++) at = table.data[table.from(at) + 1 + (byte(i) & 0x3f)]!
    return at
  }
  return {
    node,
    missing: (n) => table.data[table.from(n)]!,
    next: (n, bits) => table.data[table.from(n) + 1 + bits]!,
  }
}
