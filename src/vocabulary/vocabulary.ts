/**
 * A vocabulary: what each token id of an engine stands for, as bytes.
 *
 * It is as wide as the logits (which may exceed the tokenizer), immutable, and known everywhere by
 * its digest. Only text tokens have bytes; every other kind has none.
 */
import { createHash } from 'node:crypto'
import { GuardError, invariant } from '../model/errors.ts'

/** 0 text, 1 control, 2 unused or padding, 3 end of text. */
export type TokenKind = 0 | 1 | 2 | 3

export const TEXT = 0
export const CONTROL = 1
export const UNUSED = 2
export const END = 3

export type Vocabulary = {
  /** Entries of a logits row, 1 to 262 144. */
  readonly size: number
  readonly kinds: Uint8Array
  /** `data[offsets[id] .. offsets[id + 1]]` are the bytes of token `id`; size + 1 entries. */
  readonly offsets: Uint32Array
  readonly data: Uint8Array
  /** Hex SHA-256; docs/protocol.md, "Vocabulary digest". */
  readonly digest: string
}

export const MAX_VOCABULARY = 262_144
/** Bytes of all tokens together. */
export const MAX_VOCABULARY_BYTES = 32 * 1024 * 1024

const fail = (message: string): GuardError => new GuardError('vocabulary_invalid', message)

/** Bytes as stored: never longer than the vocabulary's data, never copied. */
export function tokenBytes(v: Vocabulary, id: number): Uint8Array {
  invariant(Number.isInteger(id) && id >= 0 && id < v.size, `token ${id} of ${v.size}`)
  return v.data.subarray(v.offsets[id]!, v.offsets[id + 1]!)
}

function toLittleEndian(values: Uint32Array): Uint8Array {
  const out = new Uint8Array(values.length * 4)
  const view = new DataView(out.buffer)
  for (let i = 0; i < values.length; i++) view.setUint32(i * 4, values[i]!, true)
  return out
}

function digestOf(kinds: Uint8Array, offsets: Uint32Array, data: Uint8Array): string {
  const lengths = new Uint32Array(kinds.length)
  for (let i = 0; i < lengths.length; i++) lengths[i] = offsets[i + 1]! - offsets[i]!
  return createHash('sha256')
    .update('checkstream-vocabulary/1\n')
    .update(toLittleEndian(Uint32Array.of(kinds.length)))
    .update(kinds)
    .update(toLittleEndian(lengths))
    .update(data)
    .digest('hex')
}

function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > MAX_VOCABULARY) {
    throw fail(`vocabulary: expected 1 to ${MAX_VOCABULARY} entries, got ${width}`)
  }
}

const KINDS = { control: CONTROL, unused: UNUSED, end: END } as const

/**
 * Builds a vocabulary from tokens in id order; ids from `tokens.length` to `width` are padding. A
 * text token without bytes is unused: it cannot spell anything.
 */
export function createVocabulary(
  tokens: readonly (Uint8Array | 'control' | 'unused' | 'end')[],
  width: number,
): Vocabulary {
  checkWidth(width)
  if (tokens.length > width) {
    throw fail(`vocabulary: expected at most ${width} tokens (logits width), got ${tokens.length}`)
  }
  const kinds = new Uint8Array(width).fill(UNUSED)
  const offsets = new Uint32Array(width + 1)
  let total = 0
  for (let id = 0; id < width; id++) {
    const token = tokens[id] ?? 'unused'
    if (typeof token === 'string') kinds[id] = KINDS[token]
    else if (token.length > 0) {
      kinds[id] = TEXT
      total += token.length
    }
    offsets[id + 1] = total
  }
  if (total > MAX_VOCABULARY_BYTES) {
    throw fail(`vocabulary: expected at most ${MAX_VOCABULARY_BYTES} bytes, got ${total}`)
  }
  const data = new Uint8Array(total)
  tokens.forEach((token, id) => {
    if (typeof token !== 'string') data.set(token, offsets[id])
  })
  return { size: width, kinds, offsets, data, digest: digestOf(kinds, offsets, data) }
}

/** One piece as it travels (VocabularyChunk of the protocol, without digest and total). */
export type VocabularyPiece = {
  readonly firstId: number
  readonly kinds: Uint8Array
  readonly lengths: readonly number[] | Uint32Array
  readonly data: Uint8Array
}

export interface VocabularyAssembler {
  /** Takes the next piece; pieces come in order of id, without gaps. Throws `vocabulary_invalid`. */
  add(piece: VocabularyPiece): void
  /** True once every id has come. */
  readonly isComplete: boolean
  /** The vocabulary; throws when ids are missing or the digest is another. */
  done(): Vocabulary
}

/** Puts a vocabulary together from pieces; holds at most MAX_VOCABULARY_BYTES. */
export function createVocabularyAssembler(digest: string, total: number): VocabularyAssembler {
  checkWidth(total)
  const kinds = new Uint8Array(total)
  const offsets = new Uint32Array(total + 1)
  const parts: Uint8Array[] = []
  let next = 0
  let bytes = 0
  const add = (piece: VocabularyPiece): void => {
    const count = piece.kinds.length
    if (piece.firstId !== next) throw fail(`chunk.first_id: expected ${next}, got ${piece.firstId}`)
    if (count === 0) throw fail('chunk.kinds: expected at least one entry, got none')
    if (next + count > total) throw fail(`chunk: expected ${total} entries, got ${next + count}`)
    if (piece.lengths.length !== count) {
      throw fail(`chunk.lengths: expected ${count} entries, got ${piece.lengths.length}`)
    }
    let sum = 0
    for (let i = 0; i < count; i++) {
      const kind = piece.kinds[i]!
      const length = piece.lengths[i]!
      if (kind > END) throw fail(`chunk.kinds[${i}]: expected 0 to 3, got ${kind}`)
      if ((kind === TEXT) !== length > 0) {
        throw fail(`chunk.lengths[${i}]: expected bytes for text tokens only, got ${length}`)
      }
      sum += length
      if (bytes + sum > MAX_VOCABULARY_BYTES) {
        throw fail(`vocabulary: expected at most ${MAX_VOCABULARY_BYTES} bytes, got more`)
      }
      offsets[next + i + 1] = bytes + sum
    }
    if (sum !== piece.data.length) {
      throw fail(`chunk.data: expected ${sum} bytes, got ${piece.data.length}`)
    }
    kinds.set(piece.kinds, next)
    parts.push(piece.data)
    next += count
    bytes += sum
  }
  const done = (): Vocabulary => {
    if (next !== total) throw fail(`vocabulary: expected ${total} entries, got ${next}`)
    const data = new Uint8Array(bytes)
    let at = 0
    for (const part of parts) {
      data.set(part, at)
      at += part.length
    }
    const got = digestOf(kinds, offsets, data)
    if (got !== digest) throw fail(`vocabulary digest: expected ${digest}, got ${got}`)
    return { size: total, kinds, offsets, data, digest }
  }
  return {
    add,
    done,
    get isComplete() {
      return next === total
    },
  }
}

/** Cuts a vocabulary into pieces of at most `maxBytes` (and always at least one token). */
export function toPieces(v: Vocabulary, maxBytes = 1_000_000): VocabularyPiece[] {
  const pieces: VocabularyPiece[] = []
  let from = 0
  while (from < v.size) {
    let to = from + 1
    let cost = 6 + v.offsets[to]! - v.offsets[from]!
    while (to < v.size) {
      cost += 6 + v.offsets[to + 1]! - v.offsets[to]!
      if (cost > maxBytes) break
      to++
    }
    const lengths = new Uint32Array(to - from)
    for (let id = from; id < to; id++) lengths[id - from] = v.offsets[id + 1]! - v.offsets[id]!
    pieces.push({
      firstId: from,
      kinds: v.kinds.subarray(from, to),
      lengths,
      data: v.data.subarray(v.offsets[from]!, v.offsets[to]!),
    })
    from = to
  }
  return pieces
}
