/**
 * Text to token ids and back. Ids become bytes first: a token may end in the middle of a character,
 * so text exists only where the bytes of several tokens are put together.
 */
import { Tokenizer as Encoder } from '@huggingface/tokenizers'
import type { ModelFolder } from './model-file.ts'

/** What an id is; the numbers are those of VocabularyChunk.kinds. */
export const KIND = { text: 0, control: 1, unused: 2, end: 3 } as const

const NOTHING = new Uint8Array(0)

export class Tokenizer {
  readonly size: number
  /** One of KIND for every id. */
  readonly kinds: Uint8Array
  readonly #encoder: Encoder
  readonly #bytes: Uint8Array[]

  constructor(folder: ModelFolder) {
    this.#encoder = new Encoder(folder.tokenizer, folder.tokenizerConfig)
    this.size = folder.shape.vocabularySize
    this.kinds = new Uint8Array(this.size).fill(KIND.unused)
    this.#bytes = Array.from({ length: this.size }, () => NOTHING)
    const document = folder.tokenizer as TokenizerDocument
    const spelled = toByteTable()
    for (const [piece, id] of Object.entries(document.model.vocab)) {
      this.#set(
        id,
        KIND.text,
        Uint8Array.from([...piece], (char) => spelled.get(char) ?? 63),
      )
    }
    for (const added of document.added_tokens) {
      const bytes = new TextEncoder().encode(added.content)
      this.#set(added.id, added.special ? KIND.control : KIND.text, bytes)
    }
    for (const id of [folder.shape.endTokenId, ...folder.shape.stopTokenIds]) {
      this.kinds[id] = KIND.end
    }
  }

  #set(id: number, kind: number, bytes: Uint8Array): void {
    if (id >= this.size) return
    this.kinds[id] = kind
    this.#bytes[id] = bytes
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
    return this.kinds[id] === KIND.text
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
