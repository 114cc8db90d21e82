/**
 * Tokenizer files to vocabularies: token id → the bytes it writes.
 *
 * Three formats: Hugging Face `tokenizer.json` (byte-level BPE; BPE or Unigram with byte fallback),
 * tiktoken rank files, SentencePiece models. A running engine's vocabulary comes from the engine
 * itself; this is for the embedded engine, the command line, tests and benches.
 */
import { GuardError } from '../model/errors.ts'
import { readSentencePieces } from './sentencepiece.ts'
import { createVocabulary, MAX_VOCABULARY, type Vocabulary } from './vocabulary.ts'

export type TokenizerOptions = {
  /** Entries of a logits row; default: what the tokenizer needs. */
  readonly width?: number
  /** Ids that end a text; default: the well-known names. */
  readonly endTokenIds?: readonly number[]
  /** Control tokens that the file does not hold (tiktoken): content → id. */
  readonly special?: Readonly<Record<string, number>>
}

type Token = Uint8Array | 'control' | 'unused' | 'end'

const END_NAMES = new Set([
  '</s>',
  '<eos>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<|im_end|>',
  '<end_of_turn>',
  '<|return|>',
  '<|end|>',
])
/** Placeholders that no model was trained on: Llama-3, Gemma, Mistral, harmony, Phi, Qwen. */
const PLACEHOLDER =
  /^(?:<\|?(?:reserved|extra|unused|dummy)[^>]*>|\[(?:control|unused)_?\d+\]|<SPECIAL_\d+>)$/i

const fail = (message: string): GuardError => new GuardError('vocabulary_invalid', message)
const utf8 = new TextEncoder()

/** Reads a tokenizer file of any of the three formats, told apart by its first bytes. */
export function toVocabulary(file: Uint8Array, options: TokenizerOptions = {}): Vocabulary {
  let first = 0
  while (file[first] === 0x20 || file[first] === 0x0a) first++
  // A SentencePiece model begins with field 1, which is the byte 0x0a and a length.
  if (file[first] === 0x7b) return fromJson(file, options)
  return file[0] === 0x0a ? fromSentencePiece(file, options) : fromTiktoken(file, options)
}

class Tokens {
  readonly list: Token[] = []
  readonly #names = new Map<number, string>()
  readonly #ends: ReadonlySet<number> | undefined

  constructor(options: TokenizerOptions) {
    this.#ends = options.endTokenIds === undefined ? undefined : new Set(options.endTokenIds)
    for (const [content, id] of Object.entries(options.special ?? {})) this.control(id, content)
  }

  text(id: number, bytes: Uint8Array): void {
    this.#put(id, this.#ends?.has(id) === true ? 'end' : bytes)
  }

  control(id: number, content: string): void {
    const isEnd = this.#ends === undefined ? END_NAMES.has(content) : this.#ends.has(id)
    this.#names.set(id, content)
    this.#put(id, isEnd ? 'end' : PLACEHOLDER.test(content) ? 'unused' : 'control')
  }

  unused(id: number): void {
    this.#put(id, 'unused')
  }

  #put(id: number, token: Token): void {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_VOCABULARY) {
      throw fail(`token id: expected 0 to ${MAX_VOCABULARY - 1}, got ${id}`)
    }
    while (this.list.length < id) this.list.push('unused')
    this.list[id] = token
  }

  done(options: TokenizerOptions): Vocabulary {
    return createVocabulary(this.list, options.width ?? this.list.length, this.#names)
  }
}

const isPrintable = (b: number): boolean =>
  (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae

/** GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on. */
function byteOfCharacter(): ReadonlyMap<number, number> {
  const map = new Map<number, number>()
  let next = 0x100
  for (let b = 0; b < 256; b++) map.set(isPrintable(b) ? b : next++, b)
  return map
}

const BYTE_OF = byteOfCharacter()

function byteLevel(piece: string): Uint8Array {
  const out: number[] = []
  for (const ch of piece) {
    const byte = BYTE_OF.get(ch.codePointAt(0)!)
    if (byte === undefined) out.push(...utf8.encode(ch))
    else out.push(byte)
  }
  return Uint8Array.from(out)
}

/** SentencePiece: `▁` is a space, `<0xNN>` a byte. */
function spaced(piece: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(piece)
  if (byte !== null) return Uint8Array.of(parseInt(byte[1]!, 16))
  return utf8.encode(piece.replaceAll('\u2581', ' '))
}

type Json = Readonly<Record<string, unknown>>
const isRecord = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x)

/** True when the part, or one of a sequence of parts, has the type. */
function hasType(part: unknown, type: string): boolean {
  if (!isRecord(part)) return false
  if (part['type'] === type) return true
  const nested = part['decoders'] ?? part['pretokenizers']
  return Array.isArray(nested) && nested.some((p) => hasType(p, type))
}

function vocabEntries(model: Json): (readonly [string, number])[] {
  const vocab = model['vocab']
  if (isRecord(vocab)) {
    return Object.entries(vocab).map(([piece, id]) => {
      if (typeof id !== 'number')
        throw fail(`model.vocab[${JSON.stringify(piece)}]: expected an id`)
      return [piece, id] as const
    })
  }
  if (!Array.isArray(vocab)) throw fail('model.vocab: expected an object or a list')
  return vocab.map((entry: unknown, id) => {
    const piece: unknown = Array.isArray(entry) ? entry[0] : undefined
    if (typeof piece !== 'string') throw fail(`model.vocab[${id}]: expected [piece, score]`)
    return [piece, id] as const
  })
}

function fromJson(file: Uint8Array, options: TokenizerOptions): Vocabulary {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(file))
  } catch (cause) {
    throw new GuardError('vocabulary_invalid', 'tokenizer.json: expected JSON', { cause })
  }
  if (isRecord(json) && Object.values(json).every((id) => typeof id === 'number')) {
    // GPT-2's own `encoder.json` (`vocab.json` elsewhere): nothing but pieces and ids.
    json = { model: { vocab: json }, decoder: { type: 'ByteLevel' } }
  }
  if (!isRecord(json) || !isRecord(json['model'])) throw fail('tokenizer.json: expected a model')
  const model = json['model']
  if (model['type'] === 'WordPiece' || model['type'] === 'WordLevel') {
    throw fail(`model.type: expected BPE or Unigram, got ${String(model['type'])}`)
  }
  const isByteLevel =
    hasType(json['decoder'], 'ByteLevel') || hasType(json['pre_tokenizer'], 'ByteLevel')
  const tokens = new Tokens(options)
  for (const [piece, id] of vocabEntries(model)) {
    if (END_NAMES.has(piece)) tokens.control(id, piece)
    else tokens.text(id, isByteLevel ? byteLevel(piece) : spaced(piece))
  }
  const added = json['added_tokens']
  for (const token of Array.isArray(added) ? (added as unknown[]) : []) {
    if (!isRecord(token)) continue
    const { id, content, special } = token
    if (typeof id !== 'number' || typeof content !== 'string') {
      throw fail('added_tokens: expected an id and a content in every entry')
    }
    if (special === true) tokens.control(id, content)
    else tokens.text(id, utf8.encode(content))
  }
  return tokens.done(options)
}

function fromTiktoken(file: Uint8Array, options: TokenizerOptions): Vocabulary {
  const tokens = new Tokens(options)
  const lines = new TextDecoder().decode(file).split('\n')
  lines.forEach((line, i) => {
    if (line.trim() === '') return
    const match = /^([A-Za-z0-9+/]+=*) (\d+)\r?$/.exec(line)
    if (match === null) throw fail(`tiktoken file, line ${i + 1}: expected base64 and a rank`)
    tokens.text(Number(match[2]), new Uint8Array(Buffer.from(match[1]!, 'base64')))
  })
  if (tokens.list.length === 0) throw fail('tiktoken file: expected at least one line')
  return tokens.done(options)
}

function fromSentencePiece(file: Uint8Array, options: TokenizerOptions): Vocabulary {
  const tokens = new Tokens(options)
  readSentencePieces(file).forEach(({ piece, type }, id) => {
    if (type === 'control' || type === 'unknown') tokens.control(id, piece)
    else if (type === 'unused') tokens.unused(id)
    else tokens.text(id, spaced(piece))
  })
  return tokens.done(options)
}
