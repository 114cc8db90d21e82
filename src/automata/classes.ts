/**
 * Letters and classes: how the 1.1 million code points shrink to the few that bans can tell apart.
 *
 * A letter type is what one folded letter means to the bans (which letter of theirs it is, does it
 * join words, is it a separator). A class is what a code point of the text means: for every fold
 * mask in use, the set of strings of letter types that it may be read as.
 */
import { invariant } from '../model/errors.ts'
import { foldedCodePoints, readings } from './fold.ts'
import { IS_LETTER, IS_SPACE, IS_UNSPACED, IS_WORD, flags } from './unicode.ts'

/** Sorted, disjoint code point ranges [from, to). */
export type Ranges = readonly (readonly [number, number])[]

export type LetterType = {
  /** Id in the bans' alphabet, or -1. */
  readonly letter: number
  readonly joins: boolean
  /** One of space . - _ */
  readonly isSeparator: boolean
  /** A separator, or white space of any kind. */
  readonly isSpace: boolean
  readonly isLetter: boolean
  /** Letters that it stands for under the fold `leet`. */
  readonly leet: readonly number[]
  /** Predicates of regular expressions that hold for it. */
  readonly predicates: readonly number[]
}

const SEPARATORS = [0x20, 0x2e, 0x2d, 0x5f]
const LEET: readonly (readonly [string, string])[] = [
  ['0', 'o'],
  ['1', 'li'],
  ['3', 'e'],
  ['4', 'a'],
  ['5', 's'],
  ['7', 't'],
  ['@', 'a'],
  ['$', 's'],
]

/** Strings of letter types; readings of one class under one mask. */
export type TypeStrings = readonly (readonly number[])[]

export type Classes = {
  readonly types: readonly LetterType[]
  /** Class of every code point. */
  readonly classOf: Uint16Array
  readonly count: number
  /** `readings[group][class]` */
  readonly readings: readonly (readonly TypeStrings[])[]
  /** The class of control tokens: nothing, or the end of this text and the start of another. */
  readonly control: number
  /** Class of a code point that no ban knows and that joins nothing: U+FFFD. */
  readonly broken: number
}

export type Alphabet = {
  /** Code point → letter id, dense from 0. */
  readonly letters: ReadonlyMap<number, number>
  readonly predicates: readonly Ranges[]
  /** Fold masks in use; a group is an index into them. */
  readonly masks: readonly number[]
  /** False when no ban uses `leet`: digits are then no letters. */
  readonly leet: boolean
  /** False when no ban has gaps or spaces of its own to fold. */
  readonly spacing: boolean
}

/** True for a class that is read as nothing whatever the ban; control is told apart from it. */
export function isVanishing(classes: Classes, cls: number): boolean {
  if (cls === classes.control) return false
  return classes.readings.every(({ [cls]: strings }) => {
    return strings!.length === 1 && strings![0]!.length === 0
  })
}

/** True for a class of which a run reads as one: a single letter that no ban knows. */
export function isIdle(classes: Classes, cls: number): boolean {
  return classes.readings.every(({ [cls]: strings }) => {
    const only = strings!.length === 1 && strings![0]!.length === 1 ? strings![0]![0]! : -1
    return only >= 0 && isInert(classes.types[only]!)
  })
}

class TypeTable {
  readonly list: LetterType[] = []
  readonly #ids = new Map<string, number>()

  id(type: LetterType): number {
    const key = `${type.letter}|${type.joins}|${type.isSeparator}|${type.isSpace}|${type.isLetter}|${type.leet.join()}|${type.predicates.join()}`
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.list.length
      this.list.push(type)
      this.#ids.set(key, id)
    }
    return id
  }
}

function typesOfCodePoints(alphabet: Alphabet, types: TypeTable): Uint16Array {
  const bits = flags()
  const plain = new Uint16Array(256)
  for (let b = 0; b < 256; b++) {
    plain[b] = types.id({
      letter: -1,
      joins: (b & (IS_WORD | IS_UNSPACED)) === IS_WORD,
      isSeparator: false,
      isSpace: alphabet.spacing && (b & IS_SPACE) !== 0,
      // Whether a letter was real matters only where a digit can stand for one.
      isLetter: alphabet.leet && (b & IS_LETTER) !== 0,
      leet: [],
      predicates: [],
    })
  }
  const table = new Uint16Array(bits.length)
  for (let c = 0; c < table.length; c++) table[c] = plain[bits[c]!]!
  alphabet.predicates.forEach((ranges, predicate) => {
    const refined = new Map<number, number>()
    for (const [from, to] of ranges) {
      for (let c = from; c < to; c++) {
        const old = table[c]!
        let id = refined.get(old)
        if (id === undefined) {
          const type = types.list[old]!
          id = types.id({ ...type, predicates: [...type.predicates, predicate] })
          refined.set(old, id)
        }
        table[c] = id
      }
    }
  })
  const change = (c: number, to: (type: LetterType) => LetterType): void => {
    table[c] = types.id(to(types.list[table[c]!]!))
  }
  for (const [c, letter] of alphabet.letters) change(c, (type) => ({ ...type, letter }))
  if (alphabet.spacing) {
    for (const c of SEPARATORS) change(c, (t) => ({ ...t, isSeparator: true, isSpace: true }))
  }
  if (alphabet.leet) {
    for (const [digit, letters] of LEET) {
      const leet = [...letters].flatMap((l) => alphabet.letters.get(l.codePointAt(0)!) ?? [])
      if (leet.length > 0) change(digit.codePointAt(0)!, (type) => ({ ...type, leet }))
    }
  }
  return table
}

/** True when no ban can match the type: it only separates or joins. */
function isInert(type: LetterType): boolean {
  return type.letter < 0 && type.leet.length === 0 && type.predicates.length === 0 && !type.isSpace
}

/** Drops what cannot matter: runs of one inert type, and a joining inert reading beside others. */
function reduce(
  strings: readonly (readonly number[])[],
  types: readonly LetterType[],
): TypeStrings {
  const seen = new Map<string, readonly number[]>()
  for (const string of strings) {
    const short = string.filter((t, i) => i === 0 || t !== string[i - 1] || !isInert(types[t]!))
    seen.set(short.join(), short)
  }
  if (seen.size > 1) {
    for (const [key, string] of seen) {
      const only = string.length === 1 ? types[string[0]!]! : undefined
      if (only !== undefined && only.joins && isInert(only) && seen.size > 1) seen.delete(key)
    }
  }
  return [...seen.keys()].sort().map((key) => seen.get(key)!)
}

/** Alphabets whose classes are kept: lists of usual phrases share one, and with it a token trie. */
const KEPT = 8
const kept = new Map<string, Classes>()

/** Equal alphabets give the same object, while it is kept. */
export function compileClasses(alphabet: Alphabet): Classes {
  const { letters, predicates, masks, leet, spacing } = alphabet
  const key = JSON.stringify([[...letters], predicates, masks, leet, spacing])
  const classes = kept.get(key) ?? makeClasses(alphabet)
  kept.delete(key)
  kept.set(key, classes)
  const oldest = kept.keys().next()
  if (kept.size > KEPT && oldest.done !== true) kept.delete(oldest.value)
  return classes
}

function makeClasses(alphabet: Alphabet): Classes {
  const table = new TypeTable()
  const typeOf = typesOfCodePoints(alphabet, table)
  // The first classes are the code points that are read as themselves under every mask.
  const perGroup: TypeStrings[][] = alphabet.masks.map(() => table.list.map((_, t) => [[t]]))
  const classOf = typeOf.slice()
  const ids = new Map<string, number>()
  let count = table.list.length
  table.list.forEach((_, t) => ids.set(alphabet.masks.map(() => String(t)).join('|'), t))
  const folded = new Set<number>()
  for (const mask of alphabet.masks) for (const c of foldedCodePoints(mask)) folded.add(c)
  const cache = new Map<string, TypeStrings>()
  for (const c of folded) {
    const sets = alphabet.masks.map((mask) => {
      const strings = readings(c, mask).map((word) => word.map((letter) => typeOf[letter]!))
      const key = strings.join(';')
      let reduced = cache.get(key)
      if (reduced === undefined) cache.set(key, (reduced = reduce(strings, table.list)))
      return reduced
    })
    const key = sets.map((set) => set.join(';')).join('|')
    let id = ids.get(key)
    if (id === undefined) {
      id = count++
      ids.set(key, id)
      sets.forEach((set, group) => perGroup[group]!.push(set))
    }
    classOf[c] = id
  }
  invariant(count < 0xffff, `${count} classes of code points`)
  perGroup.forEach((group) => group.push([[]]))
  return {
    types: table.list,
    classOf,
    count: count + 1,
    readings: perGroup,
    control: count,
    broken: classOf[0xfffd]!,
  }
}
