/**
 * The tokens of a vocabulary as code points, in one trie; computed once per vocabulary.
 *
 * Nothing here depends on bans. Kept as long as the vocabulary object itself.
 */
import { CONTROL, END, TEXT, tokenBytes, type Vocabulary } from '../vocabulary/vocabulary.ts'
import { PairMap, SequenceTable } from './pair-map.ts'
import { decode, isContinuation, type Prefix } from './utf8.ts'

export type TokenTexts = {
  /** Code point trie, parents before children; node 0 is the root. */
  readonly nodeParent: Int32Array
  readonly nodeCodePoint: Int32Array
  /** Node of each token as read from no prefix; -1 for control and unused ids. */
  readonly tokenNode: Int32Array
  /** What each token leaves unfinished. */
  readonly tokenTail: Int32Array
  /** Ids that begin with a continuation byte, and all control ids; sorted. */
  readonly continuing: Int32Array
  /** Per continuing id: its leading continuation bytes (at most three are kept), 0 for control. */
  readonly heads: readonly Uint8Array[]
  /** Per continuing id and number of bytes taken off (1 to 3): what is left, as a text id. */
  readonly restText: readonly Int32Array[]
  readonly restTail: readonly Int32Array[]
  /** Code points of the texts. */
  readonly texts: SequenceTable
}

const cache = new WeakMap<Vocabulary, TokenTexts>()

export function tokenTexts(v: Vocabulary): TokenTexts {
  const known = cache.get(v)
  if (known !== undefined) return known
  const made = readTokens(v)
  cache.set(v, made)
  return made
}

function readTokens(v: Vocabulary): TokenTexts {
  const map = new PairMap(v.data.length / 4 + 64)
  const capacity = v.data.length + 1
  const parent = new Int32Array(capacity)
  const label = new Int32Array(capacity)
  let count = 1
  const tokenNode = new Int32Array(v.size).fill(-1)
  const tokenTail = new Int32Array(v.size)
  const continuing: number[] = []
  let node = 0
  const emit = (c: number): void => {
    let next = map.get(node, c)
    if (next < 0) {
      next = count++
      parent[next] = node
      label[next] = c
      map.add(node, c, next)
    }
    node = next
  }
  for (let id = 0; id < v.size; id++) {
    const kind = v.kinds[id]!
    if (kind === CONTROL || kind === END) continuing.push(id)
    if (kind !== TEXT) continue
    const bytes = tokenBytes(v, id)
    if (isContinuation(bytes[0]!)) continuing.push(id)
    node = 0
    tokenTail[id] = decode(bytes, 0, emit)
    tokenNode[id] = node
  }
  return {
    nodeParent: parent.slice(0, count),
    nodeCodePoint: label.slice(0, count),
    tokenNode,
    tokenTail,
    continuing: Int32Array.from(continuing),
    ...readRests(v, continuing),
  }
}

function readRests(
  v: Vocabulary,
  continuing: readonly number[],
): Pick<TokenTexts, 'heads' | 'restText' | 'restTail' | 'texts'> {
  const texts = new SequenceTable()
  const restText = [0, 1, 2, 3].map(() => new Int32Array(continuing.length).fill(-1))
  const restTail = [0, 1, 2, 3].map(() => new Int32Array(continuing.length))
  const heads = continuing.map((id, c) => {
    const bytes = tokenBytes(v, id)
    let length = 0
    while (length < 3 && length < bytes.length && isContinuation(bytes[length]!)) length++
    const buffer = new Int32Array(bytes.length)
    for (let taken = 1; taken <= length; taken++) {
      let size = 0
      const tail: Prefix = decode(bytes.subarray(taken), 0, (code) => {
        buffer[size++] = code
      })
      restText[taken]![c] = texts.intern(buffer, size)
      restTail[taken]![c] = tail
    }
    return bytes.subarray(0, length)
  })
  return { heads, restText, restTail, texts }
}
