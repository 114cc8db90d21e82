/**
 * Properties and mappings of code points, decoded once from unicode-data.ts.
 *
 * The one rule: nothing here knows about folds or bans. Decoding takes a few milliseconds and
 * happens on first use; the tables live as long as the process (1.1 MB of flags).
 */
import {
  CASE_FOLDING,
  DECOMPOSES,
  DIGIT,
  IGNORABLE,
  LETTER,
  MARK,
  PROTOTYPES,
  SPACE,
  UNSPACED,
  WORD,
} from './unicode-data.ts'

export const CODE_POINTS = 0x110000
export const REPLACEMENT = 0xfffd

/** Bits of `flags()[codePoint]`. */
export const IS_WORD = 1
export const IS_UNSPACED = 2
export const IS_IGNORABLE = 4
export const IS_MARK = 8
export const IS_SPACE = 16
export const IS_LETTER = 32
export const IS_DIGIT = 64
export const DECOMPOSABLE = 128

const TATWEEL = 0x640

function eachRange(table: string, visit: (from: number, to: number) => void): void {
  let at = 0
  for (const pair of table.split(' ')) {
    const [gap, length] = pair.split('.')
    const from = at + parseInt(gap ?? '0', 36)
    at = from + parseInt(length ?? '0', 36)
    visit(from, at)
  }
}

function decodeMappings(table: string): Map<number, readonly number[]> {
  const out = new Map<number, readonly number[]>()
  let source = 0
  for (const entry of table.split(' ')) {
    const [gap = 0, ...target] = entry.split('.').map((n) => parseInt(n, 36))
    source += gap
    out.set(source, target)
  }
  return out
}

let flagTable: Uint8Array | undefined

/** Property bits of every code point; shared, not to be written. */
export function flags(): Uint8Array {
  if (flagTable !== undefined) return flagTable
  const table = new Uint8Array(CODE_POINTS)
  const bits: readonly (readonly [string, number])[] = [
    [WORD, IS_WORD],
    [UNSPACED, IS_UNSPACED],
    [IGNORABLE, IS_IGNORABLE],
    [MARK, IS_MARK],
    [SPACE, IS_SPACE],
    [LETTER, IS_LETTER],
    [DIGIT, IS_DIGIT],
    [DECOMPOSES, DECOMPOSABLE],
  ]
  for (const [ranges, bit] of bits) {
    eachRange(ranges, (from, to) => {
      for (let c = from; c < to; c++) table[c]! |= bit
    })
  }
  flagTable = table
  return table
}

/** A character that holds a word together: \w of UTS #18, but not of a script without spaces. */
export function isJoining(codePoint: number): boolean {
  return (flags()[codePoint]! & (IS_WORD | IS_UNSPACED)) === IS_WORD
}

/** Dropped by the fold `marks`. */
export function isDroppedMark(codePoint: number): boolean {
  return (flags()[codePoint]! & IS_MARK) !== 0 || codePoint === TATWEEL
}

let folding: Map<number, readonly number[]> | undefined
/** Full case folding (CaseFolding.txt, C and F). */
export function caseFolding(): ReadonlyMap<number, readonly number[]> {
  folding ??= decodeMappings(CASE_FOLDING)
  return folding
}

let prototypes: Map<number, readonly number[]> | undefined
/** Prototypes of UTS #39, those of ASCII characters included. */
export function confusablePrototypes(): ReadonlyMap<number, readonly number[]> {
  prototypes ??= decodeMappings(PROTOTYPES)
  return prototypes
}
