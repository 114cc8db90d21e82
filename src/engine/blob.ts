/**
 * Reads a token program's blob (docs/token-programs.md) and checks every index in it, so that
 * running the program can never read outside a table.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'

export type Blob = {
  /** Hex SHA-256 of the whole blob. */
  readonly digest: string
  readonly vocabulary: string
  readonly width: number
  /** Width and virtual tokens. */
  readonly extended: number
  readonly states: number
  readonly carries: number
  readonly start: number
  readonly dead: number
  readonly base: Int32Array
  readonly reference: Uint8Array
  readonly tail: Int16Array
  /** state * extended + token, sorted. As doubles, which hold them exactly and compare fast. */
  readonly exceptionKey: Float64Array
  readonly exceptionNext: Int32Array
  readonly denySet: Int32Array
  readonly denyParent: Int32Array
  readonly denyOffset: Float64Array
  readonly denyToken: Int32Array
  readonly broken: Int32Array
  readonly contToken: Int32Array
  readonly joint: Int32Array
  readonly jointTail: Int16Array
}

const FORMAT = 'checkstream-token-program/1'
/** Id of the set of every token. */
export const EVERY_TOKEN = -2

type Entry = {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

const invalid = (message: string): GuardError =>
  new GuardError('program_invalid', `program: ${message}`)

export function parseBlob(bytes: Uint8Array): Blob {
  const { header, data } = split(bytes)
  const meta = (header['__metadata__'] ?? {}) as Readonly<Record<string, string>>
  if (meta['format'] !== FORMAT) throw invalid(`expected format ${FORMAT}, got ${meta['format']}`)
  const number = (key: string): number => {
    const value = Number(meta[key] ?? Number.NaN)
    if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${key}: got ${meta[key]}`)
    return value
  }
  const [width, states, carries] = [number('logits_width'), number('states'), number('carries')]
  const extended = width + number('virtual')
  const references = number('references')
  const tensor = new Tensors(header as Readonly<Record<string, Entry>>, data)
  const contToken = tensor.i32('cont_token')
  const exceptionNext = tensor.i32('exception_next')
  const denyParent = tensor.i32('deny_parent')
  const blob = {
    digest: createHash('sha256').update(bytes).digest('hex'),
    vocabulary: meta['vocabulary'] ?? '',
    width,
    extended,
    states,
    carries,
    start: number('start'),
    dead: number('dead'),
    base: tensor.i32('base', references * extended),
    reference: tensor.u8('reference', states),
    tail: tensor.i16('tail', width),
    exceptionKey: tensor.i64('exception_key', exceptionNext.length),
    exceptionNext,
    denySet: tensor.i32('deny_set', states),
    denyParent,
    denyOffset: tensor.i64('deny_offset', denyParent.length + 1),
    denyToken: tensor.i32('deny_token'),
    broken: tensor.i32('broken', states),
    contToken,
    joint: tensor.i32('joint', carries * contToken.length),
    jointTail: tensor.i16('joint_tail', carries * contToken.length),
  }
  check(blob, references)
  return blob
}

function split(bytes: Uint8Array): { header: Readonly<Record<string, unknown>>; data: Uint8Array } {
  const size = bytes.length < 8 ? Infinity : Number(view(bytes).getBigUint64(0, true))
  if (8 + size > bytes.length) throw invalid(`cut off in its header (${bytes.length} bytes)`)
  try {
    const text = new TextDecoder().decode(bytes.subarray(8, 8 + size))
    const header = JSON.parse(text) as Readonly<Record<string, unknown>>
    return { header, data: bytes.subarray(8 + size) }
  } catch (error) {
    throw invalid(`header: ${GuardError.from(error, 'program_invalid').message}`)
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The tensors by name, copied out so that they are aligned and outlive the blob. */
class Tensors {
  readonly #header: Readonly<Record<string, Entry>>
  readonly #data: Uint8Array

  constructor(header: Readonly<Record<string, Entry>>, data: Uint8Array) {
    this.#header = header
    this.#data = data
  }

  #bytes(name: string, dtype: string, size: number, count: number | undefined): ArrayBuffer {
    const entry = this.#header[name]
    const [from, to] = entry?.data_offsets ?? [0, -1]
    const elements = entry?.shape?.reduce((a, b) => a * b, 1)
    const whole = entry?.dtype === dtype && elements !== undefined && to - from === elements * size
    if (
      !whole ||
      from < 0 ||
      to > this.#data.length ||
      (count !== undefined && elements !== count)
    ) {
      const wanted = count === undefined ? dtype : `${count} of ${dtype}`
      throw invalid(`${name}: expected ${wanted}, got ${JSON.stringify(entry)}`)
    }
    return this.#data.slice(from, to).buffer
  }

  u8(name: string, count?: number): Uint8Array {
    return new Uint8Array(this.#bytes(name, 'U8', 1, count))
  }

  i16(name: string, count?: number): Int16Array {
    return new Int16Array(this.#bytes(name, 'I16', 2, count))
  }

  i32(name: string, count?: number): Int32Array {
    return new Int32Array(this.#bytes(name, 'I32', 4, count))
  }

  i64(name: string, count?: number): Float64Array {
    return Float64Array.from(new BigInt64Array(this.#bytes(name, 'I64', 8, count)), Number)
  }
}

function check(blob: Blob, references: number): void {
  const { states, extended, carries, width } = blob
  const sets = blob.denyParent.length
  const within = (name: string, values: Iterable<number>, low: number, high: number): void => {
    for (const value of values) {
      if (value < low || value >= high)
        throw invalid(`${name}: ${value} is outside ${low}..${high}`)
    }
  }
  if (carries < 1 || states < 1) throw invalid('expected at least one state and one carry')
  within('start', [blob.start], 0, states * carries)
  within('dead', [blob.dead], 0, states)
  within('base', blob.base, 0, states)
  within('reference', blob.reference, 0, references)
  within('tail', blob.tail, 0, carries)
  within('exception_next', blob.exceptionNext, 0, states)
  within('exception_key', blob.exceptionKey, 0, states * extended)
  within('deny_set', blob.denySet, EVERY_TOKEN, sets)
  within('deny_parent', blob.denyParent, -1, sets)
  within('deny_offset', blob.denyOffset, 0, blob.denyToken.length + 1)
  within('deny_token', blob.denyToken, 0, extended)
  within('broken', blob.broken, 0, states)
  within('cont_token', blob.contToken, 0, width)
  within('joint', blob.joint, -1, extended)
  within('joint_tail', blob.jointTail, 0, carries)
  sorted('exception_key', blob.exceptionKey)
  sorted('cont_token', blob.contToken)
}

function sorted(name: string, values: Float64Array | Int32Array): void {
  for (let i = 1; i < values.length; i++) {
    if ((values[i] ?? 0) <= (values[i - 1] ?? 0)) throw invalid(`${name}: not sorted at ${i}`)
  }
}
