/**
 * YAML text → plain values with the place of each, or problems. Hostile text costs bounded time:
 * size, nesting, aliases and duplicate keys are refused before anything is expanded.
 */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, Pair } from 'yaml'
import type { Problem } from './problem.ts'
import { MAX } from './schema-words.ts'

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
  let document: Document.Parsed
  try {
    document = parseDocument(source, {
      lineCounter: lines,
      uniqueKeys: false, // the parser compares every key with every other: see repeatedKeys
      version: '1.2',
      logLevel: 'error', // its warnings would go to the process, not into the problems
    })
  } catch (error) {
    // The parser recurses into nested collections: text that is nested too deep ends here.
    return nothing(problem(file, START, 'yaml', `not readable as YAML: ${reason(error)}`))
  }
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems = document.errors
    .slice(0, 20)
    .map((e) => problem(file, place(e.pos[0]), 'yaml', firstLine(e.message)))
  if (problems.length === 0) {
    for (const offset of repeatedKeys(document)) {
      problems.push(problem(file, place(offset), 'yaml', 'Map keys must be unique'))
    }
  }
  const nodeAt = (path: Path): Place => {
    for (let n = path.length; n >= 0; n--) {
      const node: unknown = n === 0 ? document.contents : document.getIn(path.slice(0, n), true)
      const offset = rangeOf(node)
      if (offset !== undefined) return place(offset)
    }
    return START
  }
  const keyAt = (path: Path): Place => {
    const parent = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true)
    if (isMap(parent)) {
      const pair = parent.items.find((p: Pair) => isScalar(p.key) && p.key.value === path.at(-1))
      const offset = rangeOf(pair?.key)
      if (offset !== undefined) return place(offset)
    }
    return nodeAt(path)
  }
  if (problems.length > 0) return { value: undefined, problems, place: nodeAt, keyPlace: keyAt }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX.aliases })
    return { value, problems: [], place: nodeAt, keyPlace: keyAt }
  } catch (error) {
    return nothing(problem(file, START, 'yaml', `aliases are refused: ${reason(error)}`))
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
        if (found.length >= MAX_REPEATED) return visit.BREAK
      }
      return undefined
    },
  })
  return found
}

const MAX_REPEATED = 20

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
