/**
 * The subset of regular expressions that can be banned: everything in it is bounded.
 *
 * Literals, `.`, classes, `\d \w \s` and their opposites (Unicode), groups, `|`, `?`, `{m}`,
 * `{m,n}` with n ≤ 64. Refused with the offending part: `*`, `+`, `{m,}`, back-references,
 * look-around, anchors. `\b` may stand at both ends and means `match: word`.
 */
import type { Ranges } from './classes.ts'

export type Regex =
  | { readonly kind: 'literal'; readonly codePoint: number }
  /** Characters (folded as literals are), ranges and escapes; matched against folded letters. */
  | { readonly kind: 'set'; readonly items: readonly SetItem[]; readonly isNegated: boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Regex[] }
  | { readonly kind: 'either'; readonly options: readonly Regex[] }
  | {
      readonly kind: 'repeat'
      readonly part: Regex
      readonly least: number
      readonly most: number
      /** As written, for messages. */
      readonly source: string
    }

export type SetItem =
  | { readonly kind: 'range'; readonly from: number; readonly to: number }
  | { readonly kind: 'escape'; readonly name: string }

export const MAX_REPEAT = 64
const MAX_DEPTH = 32

export type ParsedRegex = { readonly root: Regex; readonly isWord: boolean }

/** Parses a source; `refuse` makes the error, told the reason. */
export function parseRegex(source: string, refuse: (reason: string) => Error): ParsedRegex {
  const opens = source.startsWith('\\b')
  const closes = /(?:^|[^\\])(?:\\\\)*\\b$/.test(source) && source.length > 2
  if (opens !== closes) throw refuse('expected \\b at both ends or at none')
  const body = opens ? source.slice(2, -2) : source
  if (body === '') throw refuse('expected a regular expression, got an empty one')
  return { root: new Parser(body, refuse).parse(), isWord: opens }
}

const ESCAPES: Record<string, number> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, 0: 0 }
const SETS = 'dDwWsS'

class Parser {
  readonly #chars: readonly string[]
  readonly #refuse: (reason: string) => Error
  #at = 0
  #depth = 0

  constructor(source: string, refuse: (reason: string) => Error) {
    this.#chars = [...source]
    this.#refuse = refuse
  }

  parse(): Regex {
    const root = this.#either()
    if (this.#at < this.#chars.length) throw this.#fail('a closing bracket without an opening one')
    return root
  }

  #fail(what: string): Error {
    return this.#refuse(`${what}, at character ${this.#at + 1}`)
  }

  #peek(): string | undefined {
    return this.#chars[this.#at]
  }

  #take(): string {
    const ch = this.#chars[this.#at]
    if (ch === undefined) throw this.#fail('it ends too early')
    this.#at++
    return ch
  }

  #either(): Regex {
    if (++this.#depth > MAX_DEPTH) throw this.#fail(`expected at most ${MAX_DEPTH} nested groups`)
    const options = [this.#sequence()]
    while (this.#peek() === '|') {
      this.#at++
      options.push(this.#sequence())
    }
    this.#depth--
    return options.length === 1 ? options[0]! : { kind: 'either', options }
  }

  #sequence(): Regex {
    const parts: Regex[] = []
    for (let ch = this.#peek(); ch !== undefined && ch !== '|' && ch !== ')'; ch = this.#peek()) {
      const from = this.#at
      const atom = this.#atom()
      parts.push(this.#repeated(atom, from))
    }
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  #repeated(part: Regex, from: number): Regex {
    const source = (): string => this.#chars.slice(from, this.#at).join('')
    const ch = this.#peek()
    if (ch === '*' || ch === '+') {
      this.#at++
      throw this.#fail(`${JSON.stringify(source())} is unbounded: use {${ch === '*' ? 0 : 1},n}`)
    }
    let least = 0
    let most = 1
    if (ch === '{') {
      this.#at++
      ;[least, most] = this.#bounds(source)
    } else if (ch === '?') this.#at++
    else return part
    if (this.#peek() === '?') this.#at++
    else if ('*+{'.includes(this.#peek() ?? ' ')) {
      throw this.#fail(`${JSON.stringify(source())} is repeated twice: use a group`)
    }
    return { kind: 'repeat', part, least, most, source: source() }
  }

  #bounds(source: () => string): [number, number] {
    let text = ''
    while (this.#peek() !== '}' && text.length < 12) text += this.#take()
    this.#take()
    const match = /^(\d+)(,(\d*))?$/.exec(text)
    if (match === null) throw this.#fail(`${JSON.stringify(source())}: expected {m} or {m,n}`)
    if (match[3] === '') throw this.#fail(`${JSON.stringify(source())} is unbounded: use {m,n}`)
    const least = Number(match[1])
    const most = Number(match[3] ?? match[1])
    if (most > MAX_REPEAT || least > most || most === 0) {
      throw this.#fail(`${JSON.stringify(source())}: expected 1 to ${MAX_REPEAT} repeats`)
    }
    return [least, most]
  }

  #atom(): Regex {
    const ch = this.#take()
    if (ch === '(') return this.#group()
    if (ch === '[') return this.#set()
    if (ch === '.') {
      const items = [0x0a, 0x0d].map((c): SetItem => ({ kind: 'range', from: c, to: c + 1 }))
      return { kind: 'set', items, isNegated: true }
    }
    if (ch === '^' || ch === '$') throw this.#fail(`the anchor ${ch} has no meaning in a stream`)
    if ('*+?{'.includes(ch)) throw this.#fail(`nothing before ${JSON.stringify(ch)} to repeat`)
    if (ch !== '\\') return { kind: 'literal', codePoint: ch.codePointAt(0)! }
    const item = this.#escape(false)
    if (item.kind === 'range') return { kind: 'literal', codePoint: item.from }
    return { kind: 'set', items: [item], isNegated: false }
  }

  #group(): Regex {
    if (this.#peek() === '?') {
      this.#at++
      const kind = this.#take()
      if (kind !== ':') throw this.#fail(`(?${kind} is not supported: only (?: and plain groups`)
    }
    const inner = this.#either()
    if (this.#peek() !== ')') throw this.#fail('a group is not closed')
    this.#at++
    return inner
  }

  #escape(isInSet: boolean): SetItem {
    const ch = this.#take()
    if (SETS.includes(ch)) return { kind: 'escape', name: ch }
    if (ch === 'b' && !isInSet) throw this.#fail('\\b may stand at both ends only')
    if (/[1-9]/.test(ch)) throw this.#fail('back-references are not supported')
    let c = ESCAPES[ch]
    if (ch === 'x' || ch === 'u') {
      const digits =
        ch === 'x' ? this.#hex(2) : this.#peek() === '{' ? this.#braced() : this.#hex(4)
      c = parseInt(digits, 16)
    } else if (c === undefined) {
      if (/[A-Za-z0-9]/.test(ch)) throw this.#fail(`the escape \\${ch} is not supported`)
      c = ch.codePointAt(0)!
    }
    if (!(c <= 0x10ffff) || (c >= 0xd800 && c < 0xe000)) throw this.#fail('not a character')
    return { kind: 'range', from: c, to: c + 1 }
  }

  #hex(count: number): string {
    let digits = ''
    for (let i = 0; i < count; i++) digits += this.#take()
    if (!/^[0-9a-fA-F]+$/.test(digits)) throw this.#fail(`expected ${count} hexadecimal digits`)
    return digits
  }

  #braced(): string {
    this.#take()
    let digits = ''
    while (this.#peek() !== '}' && digits.length < 7) digits += this.#take()
    this.#take()
    if (!/^[0-9a-fA-F]{1,6}$/.test(digits)) throw this.#fail('expected a code point in \\u{…}')
    return digits
  }

  #set(): Regex {
    const isNegated = this.#peek() === '^'
    if (isNegated) this.#at++
    const items: SetItem[] = []
    while (this.#peek() !== ']') {
      const from = this.#member()
      if (from.kind === 'range' && this.#peek() === '-' && this.#chars[this.#at + 1] !== ']') {
        this.#at++
        const to = this.#member()
        if (to.kind !== 'range' || to.from < from.from) throw this.#fail('a range runs backwards')
        items.push({ kind: 'range', from: from.from, to: to.to })
      } else items.push(from)
    }
    this.#at++
    if (items.length === 0) throw this.#fail('expected a character in [ ], got none')
    return { kind: 'set', items, isNegated }
  }

  #member(): SetItem {
    const ch = this.#take()
    if (ch === '\\') return this.#escape(true)
    const c = ch.codePointAt(0)!
    return { kind: 'range', from: c, to: c + 1 }
  }
}

/** Sorted and merged. */
export function toRanges(items: readonly (readonly [number, number])[]): Ranges {
  const out: [number, number][] = []
  for (const [from, to] of [...items].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else out.push([from, to])
  }
  return out
}

/** The part of a source that is repeated most often, for a message; the source itself if none is. */
export function largestRepeat(source: string): string {
  let most = 1
  let part = source
  const visit = (node: Regex): void => {
    if (node.kind === 'sequence') node.parts.forEach(visit)
    else if (node.kind === 'either') node.options.forEach(visit)
    else if (node.kind === 'repeat') {
      if (node.most > most) {
        most = node.most
        part = node.source
      }
      visit(node.part)
    }
  }
  visit(parseRegex(source, (reason) => new Error(reason)).root)
  return part
}
