/**
 * Server-sent events as bytes: cuts a stream into frames and keeps every frame's own bytes.
 *
 * Push-style and cut-anywhere safe: LF, CRLF and CR may be mixed and split, UTF-8 too. A frame that
 * nobody edits is forwarded as it came. WHATWG HTML §9.2.6 (event stream interpretation).
 */

export type SseFrame = {
  /** The bytes as received, with the blank line that ends the frame. */
  readonly raw: Uint8Array
  /** Data lines joined with line feeds; undefined for comments and blank lines. */
  readonly data: string | undefined
  readonly event: string | undefined
}

export type SseParser = {
  push(chunk: Uint8Array): readonly SseFrame[]
  /** The stream has ended: the frame that only waited for the second half of its last line end. */
  flush(): readonly SseFrame[]
  /** What came after the last whole frame; empty when the stream ended cleanly. */
  end(): Uint8Array
  /** Bytes of the unfinished frame. */
  readonly pendingBytes: number
  /** A frame outgrew the bound: nothing more is parsed. */
  readonly overflowed: boolean
}

const LF = 10
const CR = 13
const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Frames of at most `maxFrameBytes`; at the bound the parser latches `overflowed` and drops the rest. */
export function createSseParser(maxFrameBytes: number): SseParser {
  return new Parser(maxFrameBytes)
}

class Parser implements SseParser {
  readonly #maxFrameBytes: number
  #pending: Uint8Array[] = []
  #lineEmpty = true
  #afterCr = false
  // The pending frame ends with CR at the end of a chunk: an LF that follows belongs to it.
  #isWhole = false
  pendingBytes = 0
  overflowed = false

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  push(chunk: Uint8Array): readonly SseFrame[] {
    const frames: SseFrame[] = []
    if (this.overflowed || chunk.length === 0) return frames
    let start = 0
    if (this.#isWhole) {
      this.#isWhole = false
      start = chunk[0] === LF ? 1 : 0
      this.#afterCr = false
      frames.push(parseFrame(this.#take(chunk.subarray(0, start))))
    }
    for (let i = start; i < chunk.length; i++) {
      const byte = chunk[i]
      if (byte !== LF && byte !== CR) {
        this.#lineEmpty = false
        this.#afterCr = false
        continue
      }
      // The LF of a CRLF belongs to the line end that its CR already made.
      if (byte === LF && this.#afterCr) {
        this.#afterCr = false
        continue
      }
      this.#afterCr = byte === CR
      if (!this.#lineEmpty) {
        this.#lineEmpty = true
        continue
      }
      if (this.#afterCr && i + 1 === chunk.length) {
        this.#isWhole = true
        break
      }
      if (this.#afterCr && chunk[i + 1] === LF) {
        i++
        this.#afterCr = false
      }
      if (this.pendingBytes + i + 1 - start > this.#maxFrameBytes) break
      frames.push(parseFrame(this.#take(chunk.subarray(start, i + 1))))
      start = i + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
    return frames
  }

  flush(): readonly SseFrame[] {
    if (!this.#isWhole) return []
    this.#isWhole = false
    return [parseFrame(this.end())]
  }

  end(): Uint8Array {
    return this.#take(new Uint8Array(0))
  }

  #keep(rest: Uint8Array): void {
    this.#pending.push(rest)
    this.pendingBytes += rest.length
    if (this.pendingBytes <= this.#maxFrameBytes) return
    this.overflowed = true
    this.#isWhole = false
    this.#pending = []
    this.pendingBytes = 0
  }

  #take(tail: Uint8Array): Uint8Array {
    if (this.#pending.length === 0) return tail
    const raw = Buffer.concat([...this.#pending, tail])
    this.#pending = []
    this.pendingBytes = 0
    return raw
  }
}

function parseFrame(raw: Uint8Array): SseFrame {
  // The one-line frame that nearly every provider sends: `data: {…}` and a blank line.
  if (isData(raw) && raw.indexOf(LF) === raw.length - 2 && !raw.includes(CR)) {
    // A Buffer decodes its own part faster than a TextDecoder decodes a view of it.
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
    const data = bytes.toString('utf8', raw[5] === 32 ? 6 : 5, raw.length - 2)
    return { raw, data, event: undefined }
  }
  let data: string | undefined
  let event: string | undefined
  for (const line of lines(raw)) {
    const [field, value] = splitLine(line)
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
    else if (field === 'event') event = value
  }
  return { raw, data, event }
}

/** Starts with `data:`. */
function isData(raw: Uint8Array): boolean {
  return raw[0] === 100 && raw[1] === 97 && raw[2] === 116 && raw[3] === 97 && raw[4] === 58
}

function lines(raw: Uint8Array): string[] {
  return decoder.decode(raw).split(/\r\n|\n|\r/)
}

/** `field: value`, one optional space after the colon; a line without a colon is a bare field name. */
function splitLine(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon < 0) return [line, '']
  const value = line.slice(colon + 1)
  return [line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value]
}

/** The same frame with other data: its event, id, retry and comment lines stay, in their order. */
export function replaceData(frame: SseFrame, data: string): Uint8Array {
  const out: string[] = []
  let written = false
  for (const line of lines(frame.raw)) {
    if (line === '') continue
    if (splitLine(line)[0] !== 'data') out.push(line)
    else if (!written) {
      written = true
      out.push(...data.split('\n').map((part) => `data: ${part}`))
    }
  }
  // The LF of a CRLF that was cut belongs to the frame before; it went without it.
  const first = frame.raw[0] === LF ? '\n' : ''
  return encoder.encode(`${first}${out.join('\n')}\n\n`)
}

/** A frame of our own. */
export function writeFrame(data: string, event?: string): Uint8Array {
  return encoder.encode(`${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`)
}

/** A comment: every client skips it. Line breaks would end it, so they become spaces. */
export function writeComment(text: string): Uint8Array {
  return encoder.encode(`: ${text.replaceAll(/[\r\n]/g, ' ')}\n\n`)
}
