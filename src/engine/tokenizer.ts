/**
 * Text to token ids and back. Ids become bytes first: a token may end in the middle of a character,
 * so text exists only where the bytes of several tokens are put together.
 */
import { Tokenizer as Encoder } from '@huggingface/tokenizers'
import { createVocabulary, TEXT, type Vocabulary } from '../vocabulary/vocabulary.ts'
import type { ModelFolder } from './model-file.ts'

const NOTHING = new Uint8Array(0)

export class Tokenizer {
  /** What the sidecar is told: special tokens have no bytes there, but names. */
  readonly vocabulary: Vocabulary
  readonly #encoder: Encoder
  readonly #bytes: Uint8Array[]

  constructor(folder: ModelFolder) {
    this.#encoder = new Encoder(folder.tokenizer, folder.tokenizerConfig)
    const { vocabularySize, endTokenId, stopTokenIds } = folder.shape
    const document = folder.tokenizer as TokenizerDocument
    const spelled = toByteTable()
    this.#bytes = Array.from({ length: vocabularySize }, () => NOTHING)
    for (const [piece, id] of Object.entries(document.model.vocab)) {
      if (id >= vocabularySize) continue
      this.#bytes[id] = Uint8Array.from([...piece], (char) => spelled.get(char) ?? 63)
    }
    const told: (Uint8Array | 'control' | 'unused' | 'end')[] = this.#bytes.slice()
    const names = new Map<number, string>()
    for (const added of document.added_tokens) {
      if (added.id >= vocabularySize) continue
      const bytes = new TextEncoder().encode(added.content)
      this.#bytes[added.id] = bytes
      told[added.id] = added.special ? 'control' : bytes
      names.set(added.id, added.content)
    }
    for (const id of [endTokenId, ...stopTokenIds]) told[id] = 'end'
    this.vocabulary = createVocabulary(told, vocabularySize, names)
  }

  /** Special tokens that are spelled out in the text are recognised. */
  encode(text: string): number[] {
    return this.#encoder.encode(text, { add_special_tokens: false }).ids
  }

  /** The bytes that the id spells; special tokens too. Empty for an id that no token has. */
  bytes(id: number): Uint8Array {
    return this.#bytes[id] ?? NOTHING
  }

  /** Whether the id adds to the text that a client sees. */
  isText(id: number): boolean {
    return this.vocabulary.kinds[id] === TEXT
  }

  /** One token alone, for logprobs: an unfinished character reads as U+FFFD. */
  text(id: number): string {
    return new TextDecoder().decode(this.bytes(id))
  }
}

type TokenizerDocument = {
  readonly model: { readonly vocab: Record<string, number> }
  readonly added_tokens: readonly {
    readonly id: number
    readonly content: string
    readonly special: boolean
  }[]
}

/** GPT-2's spelling of bytes: printable ones as themselves, the others from U+0100 on. */
function toByteTable(): Map<string, number> {
  const table = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const own = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    table.set(String.fromCodePoint(own ? byte : next++), byte)
  }
  return table
}
