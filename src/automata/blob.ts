/**
 * The safetensors layout of a token program: written once, read with suspicion.
 *
 * 8 bytes little-endian header length, a JSON header, raw little-endian tensors. The host must be
 * little-endian, as every platform of Node is that we know of.
 */
import { GuardError } from '../model/errors.ts'

export type Dtype = 'U8' | 'I16' | 'I32' | 'I64'
/** I64 tensors are held as doubles: every value of ours is below 2^53. */
export type Tensor = {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly data: Uint8Array | Int16Array | Int32Array | Float64Array
}

const BYTES: Record<Dtype, number> = { U8: 1, I16: 2, I32: 4, I64: 8 }
export const MAX_PROGRAM_BYTES = 256 * 1024 * 1024
const MAX_HEADER = 64 * 1024

const fail = (message: string): GuardError => new GuardError('program_invalid', message)

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** Tensors are laid out widest elements first, so that each is aligned without gaps. */
export function writeBlob(
  metadata: Readonly<Record<string, string>>,
  tensors: Readonly<Record<string, Tensor>>,
): Uint8Array {
  const entries = Object.entries(tensors).sort((a, b) => BYTES[b[1].dtype] - BYTES[a[1].dtype])
  let at = 0
  const header: Record<string, unknown> = { __metadata__: metadata }
  for (const [name, { dtype, shape }] of entries) {
    const end = at + elements(shape) * BYTES[dtype]
    header[name] = { dtype, shape, data_offsets: [at, end] }
    at = end
  }
  let json = JSON.stringify(header)
  json = json.padEnd(Math.ceil(json.length / 8) * 8)
  const out = new Uint8Array(8 + json.length + at)
  const view = new DataView(out.buffer)
  view.setUint32(0, json.length, true)
  out.set(new TextEncoder().encode(json), 8)
  let offset = 8 + json.length
  for (const [, { dtype, data }] of entries) {
    if (dtype === 'I64') writeLongs(out, offset, data)
    else out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
    offset += data.length * BYTES[dtype]
  }
  return out
}

function writeLongs(out: Uint8Array, offset: number, data: ArrayLike<number>): void {
  const words = new Uint32Array(out.buffer, offset, data.length * 2)
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    words[i * 2] = value % 0x100000000
    words[i * 2 + 1] = Math.floor(value / 0x100000000)
  }
}

export type Blob = {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, Tensor>
}

type Header = { readonly dtype: Dtype; readonly shape: readonly number[]; readonly offset: number }

/** Reads the layout; checks every offset against the bytes that are there. */
export function readBlob(blob: Uint8Array): Blob {
  if (blob.length < 8) throw fail(`program: expected at least 8 bytes, got ${blob.length}`)
  if (blob.length > MAX_PROGRAM_BYTES) {
    throw fail(`program: expected at most ${MAX_PROGRAM_BYTES} bytes, got ${blob.length}`)
  }
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
  const size = view.getUint32(0, true)
  if (view.getUint32(4, true) !== 0 || size > MAX_HEADER || 8 + size > blob.length) {
    throw fail(`program header: expected at most ${MAX_HEADER} bytes inside the file, got ${size}`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(blob.subarray(8, 8 + size)),
    )
  } catch (cause) {
    throw new GuardError('program_invalid', 'program header: expected JSON', { cause })
  }
  if (!isRecord(parsed)) throw fail('program header: expected an object')
  const metadata: Record<string, string> = {}
  const given = parsed['__metadata__']
  if (isRecord(given)) {
    for (const [key, value] of Object.entries(given)) {
      if (typeof value === 'string') metadata[key] = value
    }
  }
  const body = blob.subarray(8 + size)
  const tensors = new Map<string, Tensor>()
  for (const [name, entry] of Object.entries(parsed)) {
    if (name !== '__metadata__') tensors.set(name, readTensor(name, readHeader(name, entry), body))
  }
  return { metadata, tensors }
}

const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x)
const isCount = (x: unknown): x is number =>
  typeof x === 'number' && Number.isSafeInteger(x) && x >= 0

function readHeader(name: string, entry: unknown): Header {
  if (!isRecord(entry)) throw fail(`program tensor ${name}: expected an object`)
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>
  if (dtype !== 'U8' && dtype !== 'I16' && dtype !== 'I32' && dtype !== 'I64') {
    throw fail(`program tensor ${name}: expected dtype U8, I16, I32 or I64`)
  }
  if (!Array.isArray(shape) || shape.length > 2 || !shape.every(isCount)) {
    throw fail(`program tensor ${name}: expected a shape of at most two sizes`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`program tensor ${name}: expected two offsets`)
  }
  const [from = 0, to = 0] = offsets as number[]
  const bytes = elements(shape) * BYTES[dtype]
  if (to - from !== bytes) {
    throw fail(`program tensor ${name}: expected ${bytes} bytes, got ${to - from}`)
  }
  return { dtype, shape, offset: from }
}

function readTensor(name: string, header: Header, body: Uint8Array): Tensor {
  const count = elements(header.shape)
  const end = header.offset + count * BYTES[header.dtype]
  if (end > body.length) {
    throw fail(`program tensor ${name}: expected ${end} bytes of data, got ${body.length}`)
  }
  // Copied, so that the tensor is aligned wherever the file lies in its buffer.
  const bytes = body.slice(header.offset, end)
  const { dtype, shape } = header
  if (dtype === 'U8') return { dtype, shape, data: bytes }
  if (dtype === 'I16') return { dtype, shape, data: new Int16Array(bytes.buffer) }
  if (dtype === 'I32') return { dtype, shape, data: new Int32Array(bytes.buffer) }
  const words = new Uint32Array(bytes.buffer)
  const data = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const high = words[i * 2 + 1]!
    if (high > 0x1fffff) throw fail(`program tensor ${name}[${i}]: expected a value below 2^53`)
    data[i] = high * 0x100000000 + words[i * 2]!
  }
  return { dtype, shape, data }
}
