/**
 * Folding: what a code point of the text may be read as.
 *
 * The definition that everything else follows: a set of folds maps a code point to a set of
 * strings (of code points). A text contains a phrase when one choice of strings, concatenated,
 * contains it. Adding a fold never removes a string that matched before.
 */
import { invariant } from '../model/errors.ts'
import type { Fold } from '../model/ban.ts'
import {
  CODE_POINTS,
  DECOMPOSABLE,
  IS_IGNORABLE,
  IS_MARK,
  caseFolding,
  confusablePrototypes,
  flags,
  isDroppedMark,
} from './unicode.ts'

/** Bits of a fold mask: the folds that act on single code points. */
export const CASE = 1
export const WIDTH = 2
export const MARKS = 4
export const CONFUSABLES = 8
export const ZERO_WIDTH = 16

const BITS: Partial<Record<Fold, number>> = {
  case: CASE,
  width: WIDTH,
  marks: MARKS,
  confusables: CONFUSABLES,
  zero_width: ZERO_WIDTH,
}

export function foldMask(folds: readonly Fold[]): number {
  return folds.reduce((mask, fold) => mask | (BITS[fold] ?? 0), 0)
}

export type Letters = readonly number[]

const MAX_ROUNDS = 8
/** Above this many readings of one code point the data is not what it was written for. */
const MAX_READINGS = 4096

const toLetters = (s: string): number[] => Array.from(s, (ch) => ch.codePointAt(0) ?? 0)

/** ASCII characters whose UTS #39 prototype is not themselves, by that prototype. */
function asciiLookalikes(): readonly (readonly [number, Letters])[] {
  return [...confusablePrototypes()].filter(([source]) => source < 0x80)
}

let lookalikes: readonly (readonly [number, Letters])[] | undefined

/**
 * Every string with the skeleton `prototype`: ASCII is never changed in the text, so a prototype is
 * led back to each ASCII spelling of it (`rn` also to `m`, `l` also to `1`, `I`, `|`).
 */
function spellings(prototype: Letters): Letters[] {
  lookalikes ??= asciiLookalikes()
  let open: { readonly at: number; readonly text: number[] }[] = [{ at: 0, text: [] }]
  const done: Letters[] = []
  while (open.length > 0) {
    const next: typeof open = []
    for (const { at, text } of open) {
      if (at === prototype.length) {
        done.push(text)
        continue
      }
      next.push({ at: at + 1, text: [...text, prototype[at]!] })
      for (const [ascii, skeleton] of lookalikes) {
        const fits = skeleton.every((c, i) => prototype[at + i] === c)
        if (fits) next.push({ at: at + skeleton.length, text: [...text, ascii] })
      }
    }
    open = next
  }
  return done
}

function caseVariants(c: number): number[] {
  const s = String.fromCodePoint(c)
  return [s.toLowerCase(), s.toUpperCase()].flatMap((v) => {
    const letters = toLetters(v)
    return letters.length === 1 && letters[0] !== c && letters[0]! >= 0x80 ? [letters[0]!] : []
  })
}

/** One round: the readings of a code point, not yet folded again. */
function readOnce(c: number, mask: number): Letters[] {
  const bits = flags()[c]!
  if ((mask & ZERO_WIDTH) !== 0 && (bits & IS_IGNORABLE) !== 0) return [[]]
  if ((mask & MARKS) !== 0 && isDroppedMark(c)) {
    // A mark that looks like something else (U+0D02 like o) is dropped, or read as that.
    const prototype = (mask & CONFUSABLES) === 0 ? undefined : confusablePrototypes().get(c)
    return prototype === undefined ? [[]] : [[], ...spellings(prototype)]
  }
  let plain: Letters = [c]
  if ((bits & DECOMPOSABLE) !== 0 && (mask & (WIDTH | MARKS)) !== 0) {
    const form = (mask & WIDTH) !== 0 ? 'NFKD' : 'NFD'
    plain = toLetters(String.fromCodePoint(c).normalize(form))
  }
  if ((mask & CASE) !== 0) plain = plain.flatMap((x) => caseFolding().get(x) ?? [x])
  if ((mask & CONFUSABLES) === 0 || c < 0x80) return [plain]
  const variants = (mask & CASE) !== 0 ? [c, ...caseVariants(c)] : [c]
  const found = variants.flatMap((v) => {
    const prototype = confusablePrototypes().get(v)
    return prototype === undefined ? [] : spellings(prototype)
  })
  return [plain, ...found]
}

const memo: Map<number, readonly Letters[]>[] = []

/**
 * Every reading of a code point under a fold mask; [[]] when it is dropped. Folding is repeated
 * until it settles: a prototype may be upper case, a decomposition may hold a look-alike. Only
 * settled strings are readings. Kept per process.
 */
export function readings(c: number, mask: number): readonly Letters[] {
  const cache = (memo[mask] ??= new Map<number, readonly Letters[]>())
  const known = cache.get(c)
  if (known !== undefined) return known
  const found = (mask & CONFUSABLES) === 0 ? [settle([c], mask)] : spreadLetter(c, mask)
  cache.set(c, found)
  return found
}

function spreadLetter(c: number, mask: number): readonly Letters[] {
  const once = readOnce(c, mask)
  const plain = once[0]!
  if (once.length > 1) return spread(c, mask)
  if (plain.length === 1 && plain[0] === c) return [plain]
  // No look-alike of its own (a Hangul syllable, a ligature): the product of its letters.
  return plain.reduce<readonly Letters[]>(
    (heads, letter) =>
      heads.flatMap((head) => readings(letter, mask).map((part) => [...head, ...part])),
    [[]],
  )
}

/** Without look-alikes every round gives one string. */
function settle(word: Letters, mask: number): Letters {
  let current = word
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = current.flatMap((letter) => readOnce(letter, mask)[0]!)
    if (next.length === current.length && next.every((x, i) => x === current[i])) return current
    current = next
  }
  throw new Error(`invariant: folding of U+${word[0]?.toString(16)} does not settle`)
}

function spread(c: number, mask: number): Letters[] {
  const seen = new Map<string, Letters>([[String(c), [c]]])
  const settled: Letters[] = []
  for (const word of seen.values()) {
    let isSettled = true
    let out: Letters[] = [[]]
    for (const letter of word) {
      const parts = readOnce(letter, mask)
      isSettled &&= parts[0]!.length === 1 && parts[0]![0] === letter
      out = out.flatMap((head) => parts.map((part) => [...head, ...part]))
    }
    if (isSettled) settled.push(word)
    for (const w of out) seen.set(w.join(), seen.get(w.join()) ?? w)
    invariant(seen.size <= MAX_READINGS, `too many readings of U+${c.toString(16)}`)
  }
  return settled
}

const folded: (Uint32Array | undefined)[] = []

/** Every code point that some fold of the mask reads as anything but itself; sorted. */
export function foldedCodePoints(mask: number): Uint32Array {
  const known = folded[mask]
  if (known !== undefined) return known
  const found = new Set<number>()
  const table = flags()
  const dropped =
    ((mask & ZERO_WIDTH) !== 0 ? IS_IGNORABLE : 0) | ((mask & MARKS) !== 0 ? IS_MARK : 0)
  const wanted = dropped | ((mask & (WIDTH | MARKS)) !== 0 ? DECOMPOSABLE : 0)
  if (wanted !== 0)
    for (let c = 0; c < CODE_POINTS; c++) if ((table[c]! & wanted) !== 0) found.add(c)
  if ((mask & MARKS) !== 0) found.add(0x640)
  if ((mask & CASE) !== 0) for (const c of caseFolding().keys()) found.add(c)
  if ((mask & CONFUSABLES) !== 0) {
    for (const c of confusablePrototypes().keys()) {
      if (c < 0x80) continue
      found.add(c)
      if ((mask & CASE) !== 0) for (const v of caseVariants(c)) found.add(v)
    }
  }
  const list = Uint32Array.from(found).sort()
  folded[mask] = list
  return list
}
