/**
 * Maps the JSON values of an answer, in a stream or whole, without touching any byte of a value
 * that the mapper leaves alone. Pure; bytes may be cut anywhere.
 */
import { createSseParser, replaceData } from '../stream/sse.ts'
import type { SseFrame } from '../stream/sse.ts'

/** Returns the same object to leave the value's bytes as they are. */
export type MapValue = (value: Record<string, unknown>) => Record<string, unknown>

type Pieces = readonly Uint8Array[]

/** A push part of the response path: bytes in, bytes out. */
export interface ByteTransform {
  push(chunk: Uint8Array): Pieces
  /** The body has ended. A promise when something still waits for a verdict; it must be bounded. */
  end(): Pieces | Promise<Pieces>
  /** Nothing more is wanted: the upstream may be cancelled. */
  readonly done?: boolean
  /** Called once, before the first push: what becomes free between pushes goes to `write`. */
  connect?(write: (pieces: Pieces) => void): void
  /** Called once when the exchange is over, also where the body has not ended. */
  close?(): void
}

/** A transform that answers at once. */
export type PlainTransform = Omit<ByteTransform, 'end'> & { end(): Pieces }

export const MAX_FRAME_BYTES = 8 * 1024 * 1024
const FRAME_END = Buffer.from('\n\n')
const LF = 10

/**
 * Server-sent events. `wants` looks at an event's data, or at several events as they came, and says
 * whether they are worth parsing; it looks for ASCII only.
 * An event longer than MAX_FRAME_BYTES is dropped with everything after it: nothing may hide in it.
 */
export function createFrameMapper(map: MapValue, wants: (data: string) => boolean): PlainTransform {
  return new FrameMapper(map, wants)
}

class FrameMapper implements PlainTransform {
  readonly #map: MapValue
  readonly #wants: (data: string) => boolean
  readonly #parser = createSseParser(MAX_FRAME_BYTES)

  constructor(map: MapValue, wants: (data: string) => boolean) {
    this.#map = map
    this.#wants = wants
  }

  push(chunk: Uint8Array): Pieces {
    // Whole frames with nothing to map: most chunks, and not worth taking apart.
    if (this.#parser.pendingBytes === 0 && endsFrame(chunk) && !this.#wants(latin1(chunk))) {
      return [chunk]
    }
    return this.#parser.push(chunk).map((frame) => this.#mapped(frame))
  }

  end(): Pieces {
    const rest = this.#parser.end()
    if (rest.length === 0) return []
    // Clients that read line by line take an event without its blank line for whole.
    const frames = createSseParser(2 * MAX_FRAME_BYTES).push(Buffer.concat([rest, FRAME_END]))
    const out = frames.map((frame) => this.#mapped(frame))
    return frames.every((frame, i) => out[i] === frame.raw) ? [rest] : out
  }

  get done(): boolean {
    return this.#parser.overflowed
  }

  #mapped(frame: SseFrame): Uint8Array {
    if (frame.data === undefined || !this.#wants(frame.data)) return frame.raw
    const value = parseObject(frame.data)
    if (value === undefined) return frame.raw
    const next = this.#map(value)
    return next === value ? frame.raw : replaceData(frame, JSON.stringify(next))
  }
}

/** Ends with a blank line, so that a parser without rest has none after it either. */
const endsFrame = (chunk: Uint8Array): boolean => chunk.at(-1) === LF && chunk.at(-2) === LF

function latin1(chunk: Uint8Array): string {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')
}

/** A whole JSON body: parsed once, at its end. Past `maxBytes` it passes as it is. */
export function createBodyMapper(map: MapValue, maxBytes: number): PlainTransform {
  let held: Uint8Array[] = []
  let bytes = 0
  let passing = false
  return {
    push(chunk) {
      if (passing) return [chunk]
      held.push(chunk)
      bytes += chunk.length
      if (bytes <= maxBytes) return []
      passing = true
      const all = held
      held = []
      return all
    },
    end() {
      const whole = Buffer.concat(held)
      held = []
      if (whole.length === 0) return []
      const value = parseObject(whole.toString('utf8'))
      if (value === undefined) return [whole]
      const mapped = map(value)
      return [mapped === value ? whole : Buffer.from(JSON.stringify(mapped))]
    },
  }
}

/** Runs `first`, then `second` over what it gives. */
export function chain(first: PlainTransform, second: ByteTransform): ByteTransform {
  return new Chain(first, second)
}

class Chain implements ByteTransform {
  readonly #first: PlainTransform
  readonly #second: ByteTransform

  constructor(first: PlainTransform, second: ByteTransform) {
    this.#first = first
    this.#second = second
  }

  push(chunk: Uint8Array): Pieces {
    return this.#through(this.#first.push(chunk))
  }

  async end(): Promise<Pieces> {
    const before = this.#through(this.#first.end())
    return [...before, ...(await this.#second.end())]
  }

  connect(write: (pieces: Pieces) => void): void {
    this.#second.connect?.(write)
  }

  close(): void {
    this.#second.close?.()
  }

  get done(): boolean {
    return this.#second.done === true || this.#first.done === true
  }

  #through(chunks: Pieces): Pieces {
    const second = this.#second
    const [only] = chunks
    if (chunks.length === 1 && only !== undefined)
      return second.done === true ? [] : second.push(only)
    return chunks.flatMap((chunk) => (second.done === true ? [] : [...second.push(chunk)]))
  }
}

export const UNCHANGED: PlainTransform = { push: (chunk) => [chunk], end: () => [] }

/** An object, or undefined for anything else: `[DONE]`, an array, text that is not JSON. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined // not JSON: passes as it came, the stream plane judges it
  }
}
