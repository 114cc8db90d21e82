/**
 * YAML text → plain values with the place of each, or problems. Hostile text costs bounded time: its
 * size, its nesting, what it is made of and what its aliases repeat are bounded by MAX, and past a
 * bound it is refused there, before the rest is read.
 */
import { Composer, CST, isMap, isPair, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml'
import { isAlias, visit, YAMLError } from 'yaml'
import type { Document, Pair } from 'yaml'
import type { Problem } from './problem.ts'
import { MAX } from '../schema/schema-words.ts'

export type Place = { readonly line: number; readonly column: number }
export type Path = readonly (string | number)[]

export type YamlResult = {
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** Where the value at `path` begins, or its nearest parent that has a place. */
  readonly place: (path: Path) => Place
  /** Where the key at the end of `path` stands. */
  readonly keyPlace: (path: Path) => Place
}

const START: Place = { line: 1, column: 1 }

export function readYaml(source: string, file: string): YamlResult {
  const refusal = refuseBySize(source, file)
  if (refusal !== undefined) return nothing(refusal)
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems: Problem[] = []
  const say = (code: Problem['code'], offset: number, message: string): void => {
    problems.push(problem(file, place(offset), code, message))
  }
  let document: Document.Parsed | undefined
  try {
    refuseByTokens(source)
    document = compose(source, new Parser(lines.addNewLine).parse(source), (offset, message) => {
      say('yaml', offset, message)
      if (problems.length >= MAX_ERRORS) throw new Refused('yaml', offset, 'too many errors')
    })
  } catch (error) {
    if (!(error instanceof Refused)) {
      // The parser recurses into nested collections: text that is nested too deep ends here.
      return nothing(problem(file, START, 'yaml', `not readable as YAML: ${reason(error)}`))
    }
    if (problems.length === 0) {
      problems.push(problem(file, placeOf(source, error.offset), error.code, error.message))
    }
  }
  if (document === undefined || problems.length > 0) {
    return { value: undefined, problems, place: () => START, keyPlace: () => START }
  }
  const { contents } = document
  for (const offset of repeatedKeys(document)) say('yaml', offset, 'Map keys must be unique')
  const repeated = refuseAliases(document)
  if (repeated !== undefined)
    say('yaml', repeated.offset, `aliases are refused: ${repeated.message}`)
  const nodeAt = (path: Path): Place => {
    for (let n = path.length; n >= 0; n--) {
      const node: unknown = n === 0 ? contents : document.getIn(path.slice(0, n), true)
      const offset = rangeOf(node)
      if (offset !== undefined) return place(offset)
    }
    return START
  }
  const keyAt = (path: Path): Place => {
    const parent = path.length < 2 ? contents : document.getIn(path.slice(0, -1), true)
    if (isMap(parent)) {
      const pair = parent.items.find((p: Pair) => isScalar(p.key) && p.key.value === path.at(-1))
      const offset = rangeOf(pair?.key)
      if (offset !== undefined) return place(offset)
    }
    return nodeAt(path)
  }
  if (problems.length > 0) return { value: undefined, problems, place: nodeAt, keyPlace: keyAt }
  try {
    const value: unknown = document.toJS({ maxAliasCount: -1 }) // they were counted
    return { value, problems: [], place: nodeAt, keyPlace: keyAt }
  } catch (error) {
    return nothing(problem(file, START, 'yaml', `not readable as YAML: ${reason(error)}`))
  }
}

function refuseBySize(source: string, file: string): Problem | undefined {
  const bytes = Buffer.byteLength(source)
  if (bytes > MAX.bytes) {
    const message = `a policy file has at most ${MAX.bytes} bytes, got ${bytes}`
    return problem(file, START, 'too-large', message)
  }
  const depth = nesting(source)
  if (depth.deepest <= MAX.depth) return undefined
  const message = `nested deeper than ${MAX.depth} levels`
  return problem(file, { line: depth.line, column: 1 }, 'too-large', message)
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
      if (open + dashes + indents.length > MAX.depth) return { deepest: MAX.depth + 1, line }
    }
    line++
  }
  return { deepest: 0, line: 1 }
}

/** Errors that are told of a text; at the last one reading ends. */
const MAX_ERRORS = 20

function placeOf(source: string, offset: number): Place {
  const before = source.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: 'yaml' | 'too-large'
  readonly offset: number

  constructor(code: 'yaml' | 'too-large', offset: number, message: string) {
    super(message)
    this.code = code
    this.offset = offset
  }
}

/** Ends at the first bound that is passed: far cheaper than to make nodes of what is refused. */
function refuseByTokens(source: string): void {
  let offset = 0
  const left = {
    directives: MAX.directives,
    tokens: MAX.tokens,
    values: MAX.values,
    anchors: MAX.anchors,
    aliases: MAX.aliases,
  }
  const spend = (what: keyof typeof left): void => {
    if (--left[what] >= 0) return
    throw new Refused('too-large', offset, `a policy file has at most ${MAX[what]} ${what}`)
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

type OnError = (offset: number, message: string) => void
type Source = number | readonly [number, number] | { readonly offset: number }

/** The document of the tokens; `refuse` hears each error, and may throw. */
function compose(
  source: string,
  tokens: Iterable<CST.Token>,
  refuse: OnError,
): Document.Parsed | undefined {
  const composer = new Composer({
    uniqueKeys: false, // it would compare every key with every other: see repeatedKeys
    version: '1.2',
    logLevel: 'error', // its warnings would go to the process, not into the problems
  })
  // It would keep them all, and a text of 1 MiB can have half a million.
  const onError = (at: Source, _: string, message: string, isWarning?: boolean): void => {
    if (isWarning !== true) refuse(offsetOf(at), firstLine(message))
  }
  Object.assign(composer, { onError })
  let document: Document.Parsed | undefined
  const take = (next: Document.Parsed): void => {
    const [error] = next.errors
    if (error instanceof YAMLError) refuse(error.pos[0], firstLine(error.message))
    if (document !== undefined) {
      refuse(next.range[0], 'Source contains multiple documents; a policy file is one')
    }
    document ??= next
  }
  for (const token of tokens) {
    // Told here: the composer would keep it to the end, with the others.
    if (token.type === 'error') refuse(token.offset, firstLine(token.message))
    else for (const next of composer.next(token)) take(next)
  }
  for (const next of composer.end(true, source.length)) take(next)
  return document
}

function offsetOf(at: Source): number {
  if (typeof at === 'number') return at
  return 'offset' in at ? at.offset : at[0]
}

/** Why what the aliases repeat is too much, or comes round to itself; the first place. */
function refuseAliases(
  document: Document.Parsed,
): { readonly offset: number; readonly message: string } | undefined {
  /** How many values each anchor stands for; undefined while it is open. */
  const sizes = new Map<string, number | undefined>()
  let repeated = 0
  let refusal: { offset: number; message: string } | undefined
  const sizeOf = (node: unknown): number => {
    if (refusal !== undefined) return 0
    if (isPair(node)) return sizeOf(node.key) + sizeOf(node.value)
    if (isAlias(node)) {
      const size = sizes.get(node.source)
      const offset = node.range?.[0] ?? 0
      if (size === undefined) {
        const isOpen = sizes.has(node.source)
        const message = isOpen
          ? `*${node.source} stands inside the value that it names`
          : `*${node.source} has no anchor before it`
        refusal = { offset, message }
        return 0
      }
      repeated += size
      if (repeated > MAX.repeated) {
        const message = `they repeat more than ${MAX.repeated} values`
        refusal = { offset, message }
      }
      return size
    }
    if (!isMap(node) && !isSeq(node)) {
      if (isScalar(node) && node.anchor !== undefined) sizes.set(node.anchor, 1)
      return 1
    }
    if (node.anchor !== undefined) sizes.set(node.anchor, undefined)
    const items: readonly unknown[] = node.items
    const size = items.reduce((sum: number, item) => sum + sizeOf(item), 1)
    if (node.anchor !== undefined) sizes.set(node.anchor, size)
    return size
  }
  sizeOf(document.contents)
  return refusal
}

/** Where keys stand that their map has already; the first 20. */
function repeatedKeys(document: Document.Parsed): readonly number[] {
  const found: number[] = []
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>()
      for (const { key } of map.items) {
        const value = isScalar(key) ? key.value : key
        if (seen.has(value)) found.push(rangeOf(key) ?? 0)
        seen.add(value)
        if (found.length >= MAX_ERRORS) return visit.BREAK
      }
      return undefined
    },
  })
  return found
}

function rangeOf(node: unknown): number | undefined {
  if (isScalar(node) || isMap(node) || isSeq(node)) return node.range?.[0]
  return undefined
}

function problem(file: string, at: Place, code: Problem['code'], message: string): Problem {
  return { severity: 'error', code, message, file, ...at }
}

function nothing(p: Problem): YamlResult {
  return { value: undefined, problems: [p], place: () => START, keyPlace: () => START }
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? message).slice(0, 300)
const reason = (error: unknown): string =>
  firstLine(error instanceof Error ? error.message : String(error))
