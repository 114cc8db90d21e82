/**
 * The text of one row, kept as bytes: tokens may end in the middle of a character, so only bytes can
 * be appended and taken back exactly. The string is decoded when somebody asks, and only the new part.
 *
 * Bound: `maxBytes`; past it bytes are counted but not kept, and `isCut` says so.
 */

/** Token id to bytes, as src/vocabulary lays it out: token t is data[offsets[t] .. offsets[t + 1]]. */
export type TokenBytes = {
  readonly size: number
  readonly offsets: Uint32Array
  readonly data: Uint8Array
  /** What control tokens are called, by id; they have no bytes. */
  readonly names?: ReadonlyMap<number, string>
}

const FIRST_BYTES = 256
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const REPLACEMENT = Uint8Array.of(0xef, 0xbf, 0xbd)

export class RowText {
  readonly #maxBytes: number
  #bytes = new Uint8Array(FIRST_BYTES)
  #length = 0
  #decoded = ''
  #decodedBytes = 0
  #isCut = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes so far: what `truncate` takes. */
  get length(): number {
    return this.#length
  }

  /** Bytes at the end that begin a character, as of when the text was asked for last; valid until the next append. */
  openTail(): Uint8Array {
    return this.#bytes.subarray(this.#decodedBytes, this.#length)
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** Appends the bytes of a token; a control token has none. */
  append(vocabulary: TokenBytes, token: number): void {
    const { offsets, data } = vocabulary
    const start = offsets[token] ?? 0
    const end = offsets[token + 1] ?? start
    const length = this.#length + end - start
    if (length > this.#bytes.length && !this.#grow(length)) return
    const bytes = this.#bytes
    // Tokens are a few bytes long: a loop beats a view and a copy.
    for (let from = start, to = this.#length; from < end; from++, to++) bytes[to] = data[from] ?? 0
    this.#length = length
  }

  /** U+FFFD: text is missing here, so what stands before and after does not touch. */
  appendHole(): void {
    const length = this.#length + REPLACEMENT.length
    if (length > this.#bytes.length && !this.#grow(length)) return
    this.#bytes.set(REPLACEMENT, this.#length)
    this.#length = length
  }

  truncate(length: number): void {
    if (length < this.#length) this.#length = length
    if (length < this.#decodedBytes) {
      this.#decoded = ''
      this.#decodedBytes = 0
    }
  }

  /** Everything that is complete: an unfinished character at the end is not there yet. */
  toString(): string {
    const end = completeEnd(this.#bytes, this.#decodedBytes, this.#length)
    if (end > this.#decodedBytes) {
      this.#decoded += decoder.decode(this.#bytes.subarray(this.#decodedBytes, end))
      this.#decodedBytes = end
    }
    return this.#decoded
  }

  /** UTF-16 units of the whole characters in the first `length` bytes. */
  unitsAt(length: number): number {
    const whole = this.toString()
    const from = completeEnd(this.#bytes, 0, length)
    if (from >= this.#decodedBytes) return whole.length
    return whole.length - decoder.decode(this.#bytes.subarray(from, this.#decodedBytes)).length
  }

  /** The bytes since `from`; valid until the next append. */
  bytesFrom(from: number): Uint8Array {
    return this.#bytes.subarray(Math.min(from, this.#length), this.#length)
  }

  #grow(length: number): boolean {
    if (length > this.#maxBytes) {
      this.#isCut = true
      return false
    }
    const bytes = new Uint8Array(Math.min(Math.max(2 * this.#bytes.length, length), this.#maxBytes))
    bytes.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = bytes
    return true
  }
}

/**
 * Where the last complete character ends: at most three bytes before `end`, when these are the
 * beginning of a character that further bytes could complete (Unicode 15, table 3-7).
 */
export function completeEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let back = 1; back <= 3 && end - back >= start; back++) {
    const byte = bytes[end - back] ?? 0
    if (byte < 0x80) return end
    if (byte >= 0xc0) {
      const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      const isOpen =
        byte >= 0xc2 &&
        byte <= 0xf4 &&
        back < wanted &&
        secondFits(byte, bytes[end - back + 1], back)
      return isOpen ? end - back : end
    }
  }
  return end
}

/** A second byte that cannot follow makes the first a broken character at once. */
function secondFits(lead: number, second: number | undefined, back: number): boolean {
  if (back < 2 || second === undefined) return true
  if (lead === 0xe0) return second >= 0xa0
  if (lead === 0xed) return second <= 0x9f
  if (lead === 0xf0) return second >= 0x90
  if (lead === 0xf4) return second <= 0x8f
  return true
}
