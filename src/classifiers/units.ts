/**
 * Cuts a byte stream into units and hashes them: what the streaming scorer reads.
 *
 * A unit is white space followed by a run of one class (letters, apostrophes and all non-ASCII
 * bytes; digits; others), at most 16 bytes. The cut depends on the bytes alone, never on how they
 * arrived, so every tokenizer gives the same units. The training side is training/units.py; both
 * pass test/data/classifiers/units.jsonl.
 */

export const MAX_UNIT = 16
export const BUCKETS = 1 << 16
/** Feature slots of a unit: whole, shape, at most 16 trigrams and 15 four-grams; 0 is padding. */
export const SLOTS = 34

const SPACE = 0
const LETTER = 1
const DIGIT = 2
const OTHER = 3

const CLASS = Uint8Array.from({ length: 256 }, (_, b) => {
  if ((b >= 9 && b <= 13) || b === 32) return SPACE
  if (b >= 48 && b <= 57) return DIGIT
  const letter = (b >= 65 && b <= 90) || (b >= 97 && b <= 122) || b >= 128 || b === 39
  return letter ? LETTER : OTHER
})

const classOf = (byte: number): number => CLASS[byte] ?? OTHER
const isUpper = (byte: number): boolean => byte >= 65 && byte <= 90

/** The unit that is still open, and the class of its run. Plain data, so that a snapshot is a copy. */
export type OpenUnit = { readonly bytes: Uint8Array; length: number; kind: number }

export function openUnit(): OpenUnit {
  return { bytes: new Uint8Array(MAX_UNIT), length: 0, kind: SPACE }
}

/** True when `byte` cannot join the open unit; the caller closes it first. */
export function endsUnit(unit: OpenUnit, byte: number): boolean {
  if (unit.length === 0) return false
  return unit.length >= MAX_UNIT || (unit.kind !== SPACE && classOf(byte) !== unit.kind)
}

export function pushByte(unit: OpenUnit, byte: number): void {
  unit.bytes[unit.length++] = byte
  if (unit.kind === SPACE) unit.kind = classOf(byte)
}

export function clearUnit(unit: OpenUnit): void {
  unit.length = 0
  unit.kind = SPACE
}

/** All units of complete bytes. */
export function cutUnits(data: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = []
  const open = openUnit()
  for (const byte of data) {
    if (endsUnit(open, byte)) {
      units.push(open.bytes.slice(0, open.length))
      clearUnit(open)
    }
    pushByte(open, byte)
  }
  if (open.length > 0) units.push(open.bytes.slice(0, open.length))
  return units
}

const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** FNV-1a with a seed, folded into 1..BUCKETS−1. */
function bucket(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let h = FNV_BASIS ^ seed
  for (let i = from; i < to; i++) h = Math.imul(h ^ (bytes[i] ?? 0), FNV_PRIME)
  return (((h ^ (h >>> 15)) >>> 0) % (BUCKETS - 1)) + 1
}

/** Bits: space before, line break inside, first letter upper, all upper, class of the run. */
function shapeOf(bytes: Uint8Array, length: number): number {
  let start = 0
  let breaks = 0
  let uppers = 0
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] ?? 0
    if (start === i && classOf(byte) === SPACE) start++
    if (byte === 10) breaks = 2
    if (isUpper(byte)) uppers++
  }
  const bits = (start > 0 ? 1 : 0) | breaks
  if (start === length) return bits
  const first = bytes[start] ?? 0
  const all = length - start > 1 && uppers === length - start ? 8 : 0
  return bits | (isUpper(first) ? 4 : 0) | all | (classOf(first) << 4)
}

const marked = new Uint8Array(MAX_UNIT + 2)
const one = new Uint8Array(1)

/**
 * Writes the SLOTS bucket numbers of a unit to `out` at `at`, the unused ones as 0 at the end, and
 * gives how many are used. Allocates nothing.
 */
export function writeFeatures(
  bytes: Uint8Array,
  length: number,
  out: Int32Array,
  at: number,
): number {
  let size = 1
  marked[0] = 2
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] ?? 0
    const folded = isUpper(byte) ? byte + 32 : classOf(byte) === SPACE ? 32 : byte
    if (size > 1 || folded !== 32) marked[size++] = folded
  }
  one[0] = shapeOf(bytes, length)
  const end = at + SLOTS
  let slot = at
  out[slot++] = bucket(marked, 1, size, 1)
  out[slot++] = bucket(one, 0, 1, 2)
  marked[size++] = 3
  for (let i = 0; i + 3 <= size && slot < end; i++) out[slot++] = bucket(marked, i, i + 3, 3)
  for (let i = 0; i + 4 <= size && slot < end; i++) out[slot++] = bucket(marked, i, i + 4, 4)
  out.fill(0, slot, end)
  return slot - at
}
