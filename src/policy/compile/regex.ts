/**
 * Regular expressions of policies → a tree. The dialect is what RE2 and Rust's regex have in common
 * with JavaScript: no back-references and no look-around, so that matching is linear in the text
 * whatever is written. What does not fit is refused with the part that does not.
 */
import { GuardError } from '../../model/errors.ts'

export type Range = readonly [number, number]
export type Assertion = 'word' | 'not_word' | 'start' | 'end'

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly ranges: readonly Range[]; readonly isNegated: boolean }
  | { readonly kind: 'seq'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'alt'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly of: RegexNode; readonly min: number; readonly max: number }
  | { readonly kind: 'assert'; readonly what: Assertion }

export type ParsedRegex = { readonly root: RegexNode; readonly isCaseInsensitive: boolean }

const MAX_REPEAT = 1_000
const MAX_DEPTH = 64

const DIGIT: readonly Range[] = [[48, 57]]
const WORD: readonly Range[] = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
  [0xaa, 0xaa],
  [0xb5, 0xb5],
  [0xba, 0xba],
  [0xc0, 0xd6],
  [0xd8, 0xf6],
  [0xf8, 0x2c1],
  [0x300, 0x374],
  [0x376, 0x37d],
  [0x386, 0x386],
  [0x388, 0x1fff],
  [0x2c00, 0x2dff],
  [0x3041, 0x30ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa7ff],
  [0xac00, 0xd7a3],
  [0xf900, 0xfdff],
  [0x20000, 0x3134f],
]
const SPACE: readonly Range[] = [
  [9, 13],
  [32, 32],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
]
const CLASSES: Readonly<Record<string, readonly Range[]>> = { d: DIGIT, w: WORD, s: SPACE }
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 }

const inRanges = (ranges: readonly Range[], c: number): boolean => {
  for (const [from, to] of ranges) if (c >= from && c <= to) return true
  return false
}
/** Does the set hold the code point? */
export const setHas = (
  set: { readonly ranges: readonly Range[]; readonly isNegated: boolean },
  c: number,
): boolean => inRanges(set.ranges, c) !== set.isNegated
export const isWordChar = (c: number): boolean => inRanges(WORD, c)

export function parseRegex(source: string): ParsedRegex {
  const parser = new RegexParser(source)
  const root = parser.parse()
  return { root, isCaseInsensitive: parser.isCaseInsensitive }
}

function complement(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0])
  const out: Range[] = []
  let from = 0
  for (const [a, b] of sorted) {
    if (a > from) out.push([from, a - 1])
    from = Math.max(from, b + 1)
  }
  if (from <= 0x10ffff) out.push([from, 0x10ffff])
  return out
}

class RegexParser {
  isCaseInsensitive = false
  readonly #chars: readonly string[]
  #at = 0
  #depth = 0
  #dotAll = false

  constructor(source: string) {
    this.#chars = [...source]
  }

  parse(): RegexNode {
    const root = this.#alternatives()
    if (this.#at < this.#chars.length) this.#refuse('an unmatched )')
    return root
  }

  #refuse(what: string): never {
    const near = this.#chars.slice(Math.max(0, this.#at - 8), this.#at + 8).join('')
    throw new GuardError('policy_invalid', `${what} at character ${this.#at + 1} (near ${near})`)
  }

  #peek(ahead = 0): string | undefined {
    return this.#chars[this.#at + ahead]
  }

  #alternatives(): RegexNode {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`groups nested deeper than ${MAX_DEPTH}`)
    const parts = [this.#sequence()]
    while (this.#peek() === '|') {
      this.#at++
      parts.push(this.#sequence())
    }
    this.#depth--
    return parts.length === 1 ? (parts[0] ?? { kind: 'empty' }) : { kind: 'alt', parts }
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = []
    for (let c = this.#peek(); c !== undefined && c !== '|' && c !== ')'; c = this.#peek()) {
      parts.push(this.#repeated(this.#atom(c)))
    }
    return parts.length === 1 ? (parts[0] ?? { kind: 'empty' }) : { kind: 'seq', parts }
  }

  #atom(c: string): RegexNode {
    this.#at++
    switch (c) {
      case '(':
        return this.#group()
      case '[':
        return this.#set()
      case '.':
        return { kind: 'set', ranges: this.#dotAll ? [] : [[10, 10]], isNegated: true }
      case '^':
        return { kind: 'assert', what: 'start' }
      case '$':
        return { kind: 'assert', what: 'end' }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        this.#at--
        return this.#refuse(`nothing to repeat before ${c}`)
      default:
        return one(c.codePointAt(0) ?? 0)
    }
  }

  #group(): RegexNode {
    if (this.#peek() === '?') {
      this.#at++
      const head = this.#chars.slice(this.#at, this.#at + 24).join('')
      if (/^(=|!|<=|<!)/.test(head)) this.#refuse('look-around is not supported')
      const named = /^P?<[A-Za-z_]\w*>/.exec(head)
      const flags = /^([is]*)(:|\))/.exec(head)
      if (named !== null) this.#at += named[0].length
      else if (flags !== null) {
        this.#at += flags[0].length
        if (flags[1]?.includes('i') === true) this.isCaseInsensitive = true
        if (flags[1]?.includes('s') === true) this.#dotAll = true
        if (flags[2] === ')') return { kind: 'empty' }
      } else this.#refuse('this kind of group is not supported')
    }
    const inner = this.#alternatives()
    if (this.#peek() !== ')') this.#refuse('a group that is not closed')
    this.#at++
    return inner
  }

  #repeated(node: RegexNode): RegexNode {
    let of = node
    for (;;) {
      const bounds = this.#quantifier()
      if (bounds === undefined) return of
      if (of.kind === 'assert') this.#refuse('a boundary cannot be repeated')
      of = { kind: 'repeat', of, min: bounds[0], max: bounds[1] }
      if (this.#peek() === '?')
        this.#at++ // lazy or greedy: the same set of matches
      else if (this.#peek() === '+') this.#refuse('possessive repetition is not supported')
    }
  }

  #quantifier(): readonly [number, number] | undefined {
    const c = this.#peek()
    if (c === '*' || c === '+' || c === '?') {
      this.#at++
      return c === '?' ? [0, 1] : [c === '*' ? 0 : 1, Infinity]
    }
    if (c !== '{') return undefined
    const found = /^\{(\d{1,5})(,(\d{0,5}))?\}/.exec(
      this.#chars.slice(this.#at, this.#at + 14).join(''),
    )
    if (found === null) return undefined
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])
    if (max < min) this.#refuse('a repetition with its bounds exchanged')
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Infinity)) {
      this.#refuse(`more than ${MAX_REPEAT} repetitions`)
    }
    this.#at += found[0].length
    return [min, max]
  }

  #escape(): RegexNode {
    const c = this.#peek()
    if (c === undefined) return this.#refuse('a \\ at the end')
    if (c === 'b' || c === 'B') {
      this.#at++
      return { kind: 'assert', what: c === 'b' ? 'word' : 'not_word' }
    }
    if (c === 'A' || c === 'z') {
      this.#at++
      return { kind: 'assert', what: c === 'A' ? 'start' : 'end' }
    }
    const ranges = this.#escapedClass()
    if (ranges !== undefined) return { kind: 'set', ranges, isNegated: false }
    return one(this.#escapedChar())
  }

  #escapedClass(): readonly Range[] | undefined {
    const c = this.#peek() ?? ''
    const ranges = CLASSES[c.toLowerCase()]
    if (ranges === undefined) return undefined
    this.#at++
    return c === c.toLowerCase() ? ranges : complement(ranges)
  }

  #escapedChar(): number {
    const c = this.#peek() ?? ''
    const rest = this.#chars.slice(this.#at, this.#at + 10).join('')
    const hex = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|[xu]\{([0-9a-fA-F]{1,6})\})/.exec(rest)
    if (hex !== null) {
      this.#at += hex[0].length
      return Number.parseInt(hex[1] ?? hex[2] ?? hex[3] ?? '0', 16)
    }
    const control = CONTROLS[c]
    if (control === undefined && /[A-Za-z0-9]/.test(c)) {
      this.#refuse(/\d|k/.test(c) ? 'back-references are not supported' : `\\${c} is not known`)
    }
    this.#at++
    return control ?? c.codePointAt(0) ?? 0
  }

  #set(): RegexNode {
    const isNegated = this.#peek() === '^'
    if (isNegated) this.#at++
    const ranges: Range[] = []
    let isFirst = true
    for (;;) {
      const c = this.#peek()
      if (c === undefined) return this.#refuse('a [ that is not closed')
      if (c === ']' && !isFirst) break
      isFirst = false
      ranges.push(...this.#setItem(c))
    }
    this.#at++
    return { kind: 'set', ranges, isNegated }
  }

  #setItem(c: string): readonly Range[] {
    if (c === '[' && this.#peek(1) === ':') this.#refuse('POSIX classes are not supported')
    if (c === '\\') {
      this.#at++
      const ranges = this.#escapedClass()
      if (ranges !== undefined) return ranges
    }
    const from = c === '\\' ? this.#setEscape() : this.#setChar(c)
    if (this.#peek() !== '-' || this.#peek(1) === ']' || this.#peek(1) === undefined) {
      return [[from, from]]
    }
    this.#at++
    const next = this.#peek() ?? ''
    if (next === '\\') this.#at++
    const to = next === '\\' ? this.#setEscape() : this.#setChar(next)
    if (to < from) this.#refuse('a range with its ends exchanged')
    return [[from, to]]
  }

  #setEscape(): number {
    if (this.#peek() === 'b') {
      this.#at++
      return 8
    }
    return this.#escapedChar()
  }

  #setChar(c: string): number {
    this.#at++
    return c.codePointAt(0) ?? 0
  }
}

const one = (c: number): RegexNode => ({ kind: 'set', ranges: [[c, c]], isNegated: false })
