/**
 * Maps the JSON values of an answer, in a stream or whole, without touching any byte of a value
 * that the mapper leaves alone. Pure; bytes may be cut anywhere.
 */

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
}

/** A transform that answers at once. */
export type PlainTransform = Omit<ByteTransform, 'end'> & { end(): Pieces }

export const MAX_FRAME_BYTES = 8 * 1024 * 1024
const LF = 10
const CR = 13

/**
 * Server-sent events. `wants` looks at an event's raw text and says whether it is worth parsing.
 * An event longer than MAX_FRAME_BYTES is dropped with everything after it: nothing may hide in it.
 */
export function createFrameMapper(map: MapValue, wants: (text: string) => boolean): PlainTransform {
  let held: Uint8Array[] = []
  let heldBytes = 0
  let broken = false
  const decoder = new TextDecoder()
  const take = (last: Uint8Array): Uint8Array => {
    const whole = held.length === 0 ? last : Buffer.concat([...held, last])
    held = []
    heldBytes = 0
    return whole
  }
  const line = (bytes: Uint8Array): Uint8Array => {
    if (!startsWithData(bytes)) return bytes
    const text = decoder.decode(bytes)
    return wants(text) ? mapLine(text, bytes, map) : bytes
  }
  return {
    push(chunk) {
      const out: Uint8Array[] = []
      let from = 0
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
        out.push(line(take(chunk.subarray(from, at + 1))))
        from = at + 1
      }
      const rest = chunk.subarray(from)
      if (rest.length > 0) held.push(rest)
      heldBytes += rest.length
      if (heldBytes > MAX_FRAME_BYTES) {
        broken = true
        held = []
        heldBytes = 0
      }
      return out
    },
    end() {
      return heldBytes === 0 ? [] : [line(take(new Uint8Array(0)))]
    },
    get done() {
      return broken
    },
  }
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
  const through = (chunks: Pieces): Uint8Array[] =>
    chunks.flatMap((chunk) => (second.done === true ? [] : [...second.push(chunk)]))
  return {
    push: (chunk) => through(first.push(chunk)),
    async end() {
      const before = through(first.end())
      return [...before, ...(await second.end())]
    },
    connect: (write) => second.connect?.(write),
    get done() {
      return second.done === true || first.done === true
    },
  }
}

export const UNCHANGED: PlainTransform = { push: (chunk) => [chunk], end: () => [] }

const DATA = Buffer.from('data:')
const startsWithData = (bytes: Uint8Array): boolean =>
  bytes.length > DATA.length && DATA.every((byte, index) => bytes[index] === byte)

function mapLine(text: string, bytes: Uint8Array, map: MapValue): Uint8Array {
  const value = parseObject(text.slice(DATA.length))
  if (value === undefined) return bytes
  const mapped = map(value)
  if (mapped === value) return bytes
  const ending = bytes.at(-2) === CR ? '\r\n' : bytes.at(-1) === LF ? '\n' : ''
  return Buffer.from(`data: ${JSON.stringify(mapped)}${ending}`)
}

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
