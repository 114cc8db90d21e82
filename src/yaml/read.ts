/**
 * YAML text → plain values with the place of each, or problems: what reads every YAML file. Hostile
 * text costs bounded time: its size, its nesting, what it is made of and what its aliases repeat are
 * bounded by BOUNDS, and past a bound it is refused there, before the rest is read.
 */
import { Composer, isAlias, isMap, isPair, isScalar, isSeq, LineCounter, Parser, visit } from 'yaml'
import { YAMLError } from 'yaml'
import type { CST, Document, Pair } from 'yaml'
import { BOUNDS, Refused, refuseBySize, refuseByTokens } from './bounds.ts'

/** Why a text is not read, and where. */
export type YamlProblem = {
  readonly code: 'yaml' | 'too-large'
  readonly message: string
} & Place
export type Place = { readonly line: number; readonly column: number }
export type Path = readonly (string | number)[]

export type YamlResult = {
  readonly value: unknown
  readonly problems: readonly YamlProblem[]
  /** Where the value at `path` begins, or its nearest parent that has a place. */
  readonly place: (path: Path) => Place
  /** Where the key at the end of `path` stands. */
  readonly keyPlace: (path: Path) => Place
}

const START: Place = { line: 1, column: 1 }

/** `noun` is what the text is called in messages: `policy file`. */
export function readYaml(source: string, noun: string): YamlResult {
  const refusal = refuseBySize(source, noun)
  if (refusal !== undefined) return nothing({ code: 'too-large', column: 1, ...refusal })
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems: YamlProblem[] = []
  const say = (offset: number, message: string): void => {
    problems.push({ code: 'yaml', message, ...place(offset) })
  }
  let document: Document.Parsed | undefined
  try {
    refuseByTokens(source, noun)
    const tokens = new Parser(lines.addNewLine).parse(source)
    document = compose({ source, noun, tokens }, (offset, message) => {
      say(offset, message)
      if (problems.length >= MAX_ERRORS) throw new Refused('yaml', offset, 'too many errors')
    })
  } catch (error) {
    if (!(error instanceof Refused)) {
      // The parser recurses into nested collections: text that is nested too deep ends here.
      return nothing(unreadable(error))
    }
    if (problems.length === 0) {
      const { code, offset, message } = error
      problems.push({ code, message, ...placeOf(source, offset) })
    }
  }
  if (document === undefined || problems.length > 0) {
    return { value: undefined, problems, place: () => START, keyPlace: () => START }
  }
  const { contents } = document
  for (const offset of repeatedKeys(document)) say(offset, 'Map keys must be unique')
  const repeated = refuseAliases(document)
  if (repeated !== undefined) say(repeated.offset, `aliases are refused: ${repeated.message}`)
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
    return nothing(unreadable(error))
  }
}

/** Errors that are told of a text; at the last one reading ends. */
const MAX_ERRORS = 20

function placeOf(source: string, offset: number): Place {
  const before = source.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

type Parsed = {
  readonly source: string
  readonly noun: string
  readonly tokens: Iterable<CST.Token>
}
type OnError = (offset: number, message: string) => void
type Source = number | readonly [number, number] | { readonly offset: number }

/** The document of the tokens; `refuse` hears each error, and may throw. */
function compose({ source, noun, tokens }: Parsed, refuse: OnError): Document.Parsed | undefined {
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
      refuse(next.range[0], `Source contains multiple documents; a ${noun} is one`)
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
      if (repeated > BOUNDS.repeated) {
        const message = `they repeat more than ${BOUNDS.repeated} values`
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

function nothing(p: YamlProblem): YamlResult {
  return { value: undefined, problems: [p], place: () => START, keyPlace: () => START }
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? message).slice(0, 300)

function unreadable(error: unknown): YamlProblem {
  const reason = firstLine(error instanceof Error ? error.message : String(error))
  return { code: 'yaml', message: `not readable as YAML: ${reason}`, ...START }
}
