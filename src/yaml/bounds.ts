/**
 * What a YAML text may cost, told before anything is made of it: its size, its nesting, and what it is
 * made of. Past a bound it is refused there, before the rest is read.
 */
import { CST, Lexer } from 'yaml'

/** Bounds of one text; past one it is refused with the place and the bound. */
export const BOUNDS = {
  bytes: 1024 * 1024,
  /** What a file is made of: words, marks, blanks and ends of lines. */
  tokens: 120_000,
  /** Maps, lists and scalars, keys included. */
  values: 80_000,
  /** Lines that begin with %; no file of ours needs one. */
  directives: 16,
  anchors: 1_000,
  aliases: 1_000,
  /** Values that aliases repeat, counted as often as they do. */
  repeated: 10_000,
  depth: 64,
} as const

export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: 'yaml' | 'too-large'
  readonly offset: number

  constructor(code: 'yaml' | 'too-large', offset: number, message: string) {
    super(message)
    this.code = code
    this.offset = offset
  }
}

/** Why the text is too large or nests too deep to be looked at; `noun` is what it is called. */
export function refuseBySize(
  source: string,
  noun: string,
): { readonly line: number; readonly message: string } | undefined {
  const bytes = Buffer.byteLength(source)
  if (bytes > BOUNDS.bytes) {
    const message = `a ${noun} has at most ${BOUNDS.bytes} bytes, got ${bytes}`
    return { line: 1, message }
  }
  const depth = nesting(source)
  if (depth.deepest <= BOUNDS.depth) return undefined
  return { line: depth.line, message: `nested deeper than ${BOUNDS.depth} levels` }
}

/**
 * An upper bound of how deep the text nests, without parsing it: flow brackets and `- - -` runs on
 * one line, and growing indentation. Brackets inside quotes count too, which only a text with 64
 * unclosed ones on a line would notice.
 */
function nesting(source: string): { deepest: number; line: number } {
  let open = 0
  let line = 1
  const indents: number[] = []
  for (const row of source.split('\n')) {
    const content = row.search(/\S/)
    if (content >= 0) {
      while (indents.length > 0 && (indents.at(-1) ?? 0) >= content) indents.pop()
      indents.push(content)
    }
    let dashes = 0
    for (let i = Math.max(content, 0); i < row.length; i++) {
      const c = row[i]
      if (c === '[' || c === '{') open++
      else if ((c === ']' || c === '}') && open > 0) open--
      else if ((c === '-' || c === '?' || c === ':') && /\s|$/.test(row[i + 1] ?? '')) dashes++
      if (open + dashes + indents.length > BOUNDS.depth) return { deepest: BOUNDS.depth + 1, line }
    }
    line++
  }
  return { deepest: 0, line: 1 }
}

/** Ends at the first bound that is passed: far cheaper than to make nodes of what is refused. */
export function refuseByTokens(source: string, noun: string): void {
  let offset = 0
  const left = {
    directives: BOUNDS.directives,
    tokens: BOUNDS.tokens,
    values: BOUNDS.values,
    anchors: BOUNDS.anchors,
    aliases: BOUNDS.aliases,
  }
  const spend = (what: keyof typeof left): void => {
    if (--left[what] >= 0) return
    throw new Refused('too-large', offset, `a ${noun} has at most ${BOUNDS[what]} ${what}`)
  }
  let isText = false
  for (const lexeme of new Lexer().lex(source)) {
    spend('tokens')
    // After its mark comes a text as it stands, whatever it begins with.
    const type: string | null = isText ? null : CST.tokenType(lexeme)
    isText = type === 'scalar'
    if (type !== null && VALUES.has(type)) spend('values')
    else if (type === 'anchor') spend('anchors')
    else if (type === 'alias') spend('aliases')
    else if (type === 'directive-line') spend('directives')
    if (type === 'double-quoted-scalar') refuseEscapes(lexeme, offset)
    // The marks that the lexer writes between values are not in the text.
    if (!MARKS.has(lexeme)) offset += lexeme.length
  }
}

const VALUES: ReadonlySet<string> = new Set([
  'scalar',
  'single-quoted-scalar',
  'double-quoted-scalar',
  'flow-map-start',
  'flow-seq-start',
  'seq-item-ind',
  'map-value-ind',
])
const MARKS: ReadonlySet<string> = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR])

const ESCAPE = /\\(?:(["/\\ \t\r\n0abefnrtvNLP_]|x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})|)/gi

/** One text may hold half a million of them, and each would be an error of its own. */
function refuseEscapes(lexeme: string, offset: number): void {
  if (!lexeme.includes('\\')) return
  for (const found of lexeme.matchAll(ESCAPE)) {
    if (found[1] !== undefined) continue
    const got = lexeme.slice(found.index, found.index + 2)
    throw new Refused('yaml', offset + found.index, `Invalid escape sequence ${got}`)
  }
}
