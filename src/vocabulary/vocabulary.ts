/**
 * A vocabulary: what each token id of an engine stands for, as bytes.
 *
 * It is as wide as the logits (which may exceed the tokenizer), immutable, and known everywhere by
 * its digest. Only text tokens have bytes; every other kind has none. Control tokens have names, which
 * are no part of the text: automata and detectors never see them, recognisers of tool calls do.
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
  /** What control and end tokens are called, by id; empty from an engine that does not tell. */
  readonly names: ReadonlyMap<number, string>
  /** Hex SHA-256 over everything; docs/protocol.md, "Vocabulary digest". */
  readonly digest: string
  /** Hex SHA-256 over all but the names. */
  readonly textDigest: string
}

export const MAX_VOCABULARY = 262_144
/** Bytes of all tokens together. */
export const MAX_VOCABULARY_BYTES = 32 * 1024 * 1024

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const fail = (message: string): GuardError => new GuardError('vocabulary_invalid', message)

/** Bytes as stored: never longer than the vocabulary's data, never copied. */
export function tokenBytes(v: Vocabulary, id: number): Uint8Array {
  invariant(Number.isInteger(id) && id >= 0 && id < v.size, `token ${id} of ${v.size}`)
  return v.data.subarray(v.offsets[id]!, v.offsets[id + 1]!)
}

/** A token as an engine that skips no special tokens writes it: its name, or its text. */
export function spellToken(v: Vocabulary, id: number): string {
  return v.names.get(id) ?? (id < v.size ? decoder.decode(tokenBytes(v, id)) : '')
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

/** UTF-8 names in the order of ids, one for each control and end token; none when no token has one. */
export function listNames({ kinds, names }: Pick<Vocabulary, 'kinds' | 'names'>): Uint8Array[] {
  if (names.size === 0) return []
  const encoder = new TextEncoder()
  const out: Uint8Array[] = []
  for (const [id, kind] of kinds.entries()) {
    if (isNamed(kind)) out.push(encoder.encode(names.get(id) ?? ''))
  }
  return out
}

const isNamed = (kind: number): boolean => kind === CONTROL || kind === END

function withNames(v: Omit<Vocabulary, 'digest' | 'textDigest'>): Vocabulary {
  const textDigest = digestOf(v.kinds, v.offsets, v.data)
  const listed = listNames(v)
  if (listed.length === 0) return { ...v, digest: textDigest, textDigest }
  const hash = createHash('sha256')
    .update('checkstream-vocabulary/2\n')
    .update(Buffer.from(textDigest, 'hex'))
    .update(toLittleEndian(Uint32Array.from(listed, (name) => name.length)))
  for (const name of listed) hash.update(name)
  return { ...v, digest: hash.digest('hex'), textDigest }
}

function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > MAX_VOCABULARY) {
    throw fail(`vocabulary: expected 1 to ${MAX_VOCABULARY} entries, got ${width}`)
  }
}

const KINDS = { control: CONTROL, unused: UNUSED, end: END } as const

/**
 * Builds a vocabulary from tokens in id order; ids from `tokens.length` to `width` are padding. A
 * text token without bytes is unused: it cannot spell anything. `names`: of control and end tokens;
 * those of other ids are not kept.
 */
export function createVocabulary(
  tokens: readonly (Uint8Array | 'control' | 'unused' | 'end')[],
  width: number,
  names: ReadonlyMap<number, string> = new Map(),
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
  const kept = [...names].filter(([id, name]) => name !== '' && isNamed(kinds[id] ?? UNUSED))
  const known = new Map(kept.toSorted(([a], [b]) => a - b))
  return withNames({ size: width, kinds, offsets, data, names: known })
}

/** One piece as it travels (VocabularyChunk of the protocol, without digest and total). */
export type VocabularyPiece = {
  readonly firstId: number
  readonly kinds: Uint8Array
  readonly lengths: readonly number[] | Uint32Array
  readonly data: Uint8Array
  /** Names of the piece's control and end tokens, one after the other; one length a token, or none. */
  readonly nameLengths: readonly number[] | Uint32Array
  readonly names: Uint8Array
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
  const named = new Map<number, string>()
  let next = 0
  let bytes = 0
  let nameBytes = 0
  const addNames = ({ kinds: some, nameLengths, names }: VocabularyPiece): void => {
    const ids = [...some.keys()].filter((i) => isNamed(some[i]!)).map((i) => next + i)
    if (nameLengths.length !== 0 && nameLengths.length !== ids.length) {
      throw fail(`chunk.name_lengths: expected ${ids.length} entries, got ${nameLengths.length}`)
    }
    let sum = 0
    for (const [i, length] of nameLengths.entries()) {
      if (length > 0) named.set(ids[i]!, decoder.decode(names.subarray(sum, sum + length)))
      sum += length
    }
    if (sum !== names.length) throw fail(`chunk.names: expected ${sum} bytes, got ${names.length}`)
    nameBytes += sum
    if (nameBytes > MAX_VOCABULARY_BYTES) {
      throw fail(`vocabulary: expected at most ${MAX_VOCABULARY_BYTES} bytes of names, got more`)
    }
  }
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
    addNames(piece)
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
    const made = withNames({ size: total, kinds, offsets, data, names: named })
    if (made.digest !== digest) {
      throw fail(`vocabulary digest: expected ${digest}, got ${made.digest}`)
    }
    return made
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
  const listed = listNames(v)
  let from = 0
  let named = 0
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
    const kinds = v.kinds.subarray(from, to)
    const names =
      listed.length === 0 ? [] : listed.slice(named, named + kinds.filter(isNamed).length)
    named += names.length
    pieces.push({
      firstId: from,
      kinds,
      lengths,
      data: v.data.subarray(v.offsets[from]!, v.offsets[to]!),
      nameLengths: names.map((name) => name.length),
      names: Buffer.concat(names),
    })
    from = to
  }
  return pieces
}
