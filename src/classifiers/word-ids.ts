/**
 * A text's words as token ids, by a tokenizer that is asked for one word at a time and remembered.
 *
 * Ids are those of the whole text for tokenizers that split at white space first; test/data/
 * classifiers/tokens.jsonl holds what the training side gets. At its bound the memory is emptied.
 */
import { emojiNamer, type EmojiNames } from './text.ts'
import { wordsOf, type TokenWord } from './windows.ts'

/** Ids of a text, with the tokenizer's marks around it when `special`. */
export type Encode = (text: string, special: boolean) => readonly number[]

const MAX_KNOWN = 50_000
/** No tokenizer makes one id of more; a longer run without white space is not a word. */
const MAX_WORD = 2000

export class WordIds {
  /** What stands before and after every window, [CLS] and [SEP] in BERT. */
  readonly prefix: readonly number[]
  readonly suffix: readonly number[]
  readonly #encode: Encode
  readonly #name: (word: string) => string
  readonly #known = new Map<string, readonly number[]>()

  constructor(encode: Encode, names: EmojiNames) {
    this.#encode = encode
    this.#name = emojiNamer(names)
    const bare = encode('a', false)
    const whole = encode('a', true)
    const found = whole.findIndex((_, i) => bare.every((id, k) => whole[i + k] === id))
    const at = Math.max(0, found)
    this.prefix = whole.slice(0, at)
    this.suffix = whole.slice(at + bare.length)
  }

  of(text: string): TokenWord[] {
    return wordsOf(text).map(({ word, start, end }) => ({
      ids: this.#idsOf(word, start === 0),
      start,
      end,
    }))
  }

  #idsOf(word: string, first: boolean): readonly number[] {
    const key = first ? `\n${word}` : word
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const named = this.#name(word.slice(0, MAX_WORD))
    const ids = named === '' ? [] : this.#encode(first ? named : ` ${named}`, false)
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(key, ids)
    return ids
  }
}
