/**
 * The pieces of a SentencePiece model: field 1 of sentencepiece_model.proto's ModelProto.
 *
 * Reads just enough protobuf; every length is checked against the file.
 */
import { GuardError } from '../model/errors.ts'

export type PieceType = 'normal' | 'unknown' | 'control' | 'user' | 'unused' | 'byte'
export type Piece = { readonly piece: string; readonly type: PieceType }

const TYPES: readonly PieceType[] = [
  'normal',
  'normal',
  'unknown',
  'control',
  'user',
  'unused',
  'byte',
]
const fail = (what: string): GuardError =>
  new GuardError('vocabulary_invalid', `SentencePiece model: ${what}`)

type Field = { readonly number: number; readonly value: number; readonly bytes: Uint8Array }

function* fields(data: Uint8Array): Generator<Field> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = data[at++]
      if (byte === undefined) throw fail('it ends inside a number')
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw fail('a number is longer than nine bytes')
  }
  const take = (length: number): Uint8Array => {
    if (length > data.length - at) throw fail('it ends inside a field')
    at += length
    return data.subarray(at - length, at)
  }
  while (at < data.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    const wire = key % 8
    if (wire === 0) yield { number, value: varint(), bytes: data.subarray(0, 0) }
    else if (wire === 1) yield { number, value: 0, bytes: take(8) }
    else if (wire === 2) yield { number, value: 0, bytes: take(varint()) }
    else if (wire === 5) yield { number, value: 0, bytes: take(4) }
    else throw fail(`wire type ${wire} is not known`)
  }
}

export function readSentencePieces(file: Uint8Array): Piece[] {
  const out: Piece[] = []
  for (const field of fields(file)) {
    if (field.number !== 1) continue
    let piece = ''
    let type: PieceType = 'normal'
    for (const { number, value, bytes } of fields(field.bytes)) {
      if (number === 1) piece = new TextDecoder().decode(bytes)
      if (number === 3) type = TYPES[value] ?? 'normal'
    }
    out.push({ piece, type })
  }
  if (out.length === 0) throw fail('it holds no pieces')
  return out
}
