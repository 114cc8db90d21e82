/**
 * From text back to tokens, for rules that name words: which tokens are a word, and some tokens that
 * spell a text. Built at the first question, so a policy that never asks costs nothing.
 */
type Vocabulary = {
  readonly size: number
  readonly kinds: Uint8Array
  readonly offsets: Uint32Array
  readonly data: Uint8Array
}

export type TokenLookup = {
  /** Tokens whose whole text is `text`, white space at the ends aside. */
  readonly tokensOf: (text: string) => readonly number[]
  /**
   * Tokens that spell `text`, the longest first at every place: not what the model's tokenizer would
   * choose, but the same bytes. Empty when the vocabulary cannot spell it.
   */
  readonly encode: (text: string) => readonly number[]
}

const TEXT = 0

export function createTokenLookup(vocabulary: Vocabulary): TokenLookup {
  let words: ReadonlyMap<string, readonly number[]> | undefined
  let pieces: Pieces | undefined
  return {
    tokensOf: (text) => (words ??= indexWords(vocabulary)).get(text.trim()) ?? [],
    encode: (text) => spell(Buffer.from(text), (pieces ??= indexPieces(vocabulary))),
  }
}

type Pieces = { readonly ids: ReadonlyMap<string, number>; readonly longest: number }

/** Bytes as a string of the same length: a key that no two byte sequences share. */
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

function* textTokens({ size, kinds, offsets, data }: Vocabulary): Generator<[number, Uint8Array]> {
  for (let id = 0; id < size; id++) {
    if (kinds[id] === TEXT) yield [id, data.subarray(offsets[id], offsets[id + 1])]
  }
}

function indexWords(vocabulary: Vocabulary): ReadonlyMap<string, readonly number[]> {
  const words = new Map<string, number[]>()
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for (const [id, bytes] of textTokens(vocabulary)) {
    const word = decoder.decode(bytes).trim()
    const known = words.get(word)
    if (known === undefined) words.set(word, [id])
    else known.push(id)
  }
  return words
}

function indexPieces(vocabulary: Vocabulary): Pieces {
  const ids = new Map<string, number>()
  let longest = 0
  for (const [id, bytes] of textTokens(vocabulary)) {
    const key = latin(bytes)
    if (ids.has(key)) continue
    ids.set(key, id)
    longest = Math.max(longest, bytes.length)
  }
  return { ids, longest: Math.min(longest, MAX_PIECE) }
}

/** Tokens of blanks may be hundreds of bytes long; no word is. */
const MAX_PIECE = 64

function spell(bytes: Uint8Array, { ids, longest }: Pieces): readonly number[] {
  const out: number[] = []
  for (let at = 0; at < bytes.length;) {
    let length = Math.min(longest, bytes.length - at)
    let id: number | undefined
    for (; length > 0; length--) {
      id = ids.get(latin(bytes.subarray(at, at + length)))
      if (id !== undefined) break
    }
    if (id === undefined) return []
    out.push(id)
    at += length
  }
  return out
}
