/**
 * From text back to tokens, for rules that name words: which tokens are a word, and some tokens that
 * spell a text. Built at the first question, so a policy that never asks costs nothing.
 */
import type { SafeWords, TokenSet } from '../model/directive.ts'

type Vocabulary = {
  readonly size: number
  readonly kinds: Uint8Array
  readonly offsets: Uint32Array
  readonly data: Uint8Array
  readonly names?: ReadonlyMap<number, string> | undefined
}

export type TokenLookup = {
  /** Control tokens that are called so; none where the engine does not tell their names. */
  readonly named: (name: string) => readonly number[]
  /** Tokens whose whole text is `text`, white space at the ends aside. */
  readonly tokensOf: (text: string) => readonly number[]
  /**
   * Tokens that spell `text`, the longest first at every place: not what the model's tokenizer would
   * choose, but the same bytes. Empty when the vocabulary cannot spell it.
   */
  readonly encode: (text: string) => readonly number[]
  /**
   * Tokens after which one of the texts may still be spelled, or is: their bytes begin the text, or the
   * text begins their bytes. `skip`: bytes of every text that are spelled already.
   */
  readonly towards: (texts: readonly string[], skip: number) => readonly number[]
  /** Tokens that spell one of the texts to its end, whatever they go on with. */
  readonly completing: (texts: readonly string[], skip: number) => readonly number[]
  /**
   * Everything but the safe tokens is denied; the end of the text is always possible. A token that
   * holds a part of a character is not safe by `characters`. The same object for the same `words`.
   */
  readonly safe: (words: SafeWords) => TokenSet
  /** Builds what the questions need; some hundred milliseconds for a large vocabulary, once. */
  readonly prepare: () => void
}

const TEXT = 0
const END = 3

export function createTokenLookup(vocabulary: Vocabulary): TokenLookup {
  let words: ReadonlyMap<string, readonly number[]> | undefined
  let pieces: Pieces | undefined
  let order: Sorted | undefined
  let names: ReadonlyMap<string, readonly number[]> | undefined
  const sorted = (): Sorted => (order ??= sortTexts(vocabulary))
  const tokensOf = (text: string): readonly number[] =>
    (words ??= indexWords(vocabulary)).get(text.trim()) ?? []
  const encode = (text: string): readonly number[] =>
    spell(Buffer.from(text), (pieces ??= indexPieces(vocabulary)))
  const sets = new WeakMap<SafeWords, TokenSet>()
  return {
    named: (name) => (names ??= indexNames(vocabulary)).get(name) ?? [],
    tokensOf,
    encode,
    safe: (written) => {
      const known = sets.get(written)
      if (known !== undefined) return known
      const named = written.words.flatMap((word) => {
        const whole = tokensOf(word)
        return whole.length > 0 ? whole : [...encode(word), ...encode(` ${word}`)]
      })
      const made = tokensOfCharacters(written.characters, vocabulary)
      const all = [...written.tokens, ...named, ...made, ...endsOf(vocabulary)]
      const set = { tokens: [...new Set(all)].sort((a, b) => a - b), invert: true }
      sets.set(written, set)
      return set
    },
    towards: (texts, skip) => {
      const rests = texts.map((text) => latin(Buffer.from(text)).slice(skip))
      const found = rests.flatMap((rest) => [
        ...prefixesOf(rest, sorted()),
        ...beginningWith(rest, sorted()),
      ])
      return [...new Set(found)]
    },
    completing: (texts, skip) => {
      const rests = texts.map((text) => latin(Buffer.from(text)).slice(skip))
      return [...new Set(rests.flatMap((rest) => beginningWith(rest, sorted())))]
    },
    prepare: () => {
      pieces ??= indexPieces(vocabulary)
      sorted()
    },
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

function* endsOf({ size, kinds }: Vocabulary): Generator<number> {
  for (let id = 0; id < size; id++) if (kinds[id] === END) yield id
}

function tokensOfCharacters(characters: string, vocabulary: Vocabulary): readonly number[] {
  if (characters === '') return []
  const known = new Set(Array.from(characters, (one) => latin(Buffer.from(one))))
  const found: number[] = []
  for (const [id, bytes] of textTokens(vocabulary)) {
    if (bytes.length > 0 && isMadeOf(latin(bytes), known)) found.push(id)
  }
  return found
}

/** UTF-8 says how long a character is in its first byte; a part of one is in no set of whole ones. */
function isMadeOf(text: string, known: ReadonlySet<string>): boolean {
  for (let at = 0; at < text.length;) {
    const lead = text.charCodeAt(at)
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    if (!known.has(text.slice(at, at + length))) return false
    at += length
  }
  return true
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

function indexNames({ names }: Vocabulary): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>()
  for (const [id, name] of names ?? []) found.set(name, [...(found.get(name) ?? []), id])
  return found
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

/** Texts of tokens in the order of their bytes, with their ids. */
type Sorted = { readonly texts: readonly string[]; readonly ids: Uint32Array }

function sortTexts(vocabulary: Vocabulary): Sorted {
  const all: (readonly [string, number])[] = []
  for (const [id, bytes] of textTokens(vocabulary)) all.push([latin(bytes), id])
  all.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return { texts: all.map(([text]) => text), ids: Uint32Array.from(all, ([, id]) => id) }
}

/** The first place whose text is not below `text`. */
function placeOf(text: string, { texts }: Sorted): number {
  let low = 0
  let high = texts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((texts[middle] ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

/** Tokens that are a beginning of `rest`, shorter than it. */
function prefixesOf(rest: string, sorted: Sorted): number[] {
  const found: number[] = []
  for (let length = 1; length < Math.min(rest.length, MAX_PIECE + 1); length++) {
    const text = rest.slice(0, length)
    for (let at = placeOf(text, sorted); sorted.texts[at] === text; at++) {
      found.push(sorted.ids[at] ?? 0)
    }
  }
  return found
}

/** Tokens that `rest` is a beginning of, or all of. */
function beginningWith(rest: string, sorted: Sorted): number[] {
  if (rest === '') return []
  const found: number[] = []
  for (let at = placeOf(rest, sorted); sorted.texts[at]?.startsWith(rest) === true; at++) {
    found.push(sorted.ids[at] ?? 0)
  }
  return found
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
