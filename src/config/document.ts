/**
 * A YAML text → plain data with the place of every key. Refuses what is not one plain document:
 * more than 1 MiB, duplicate keys, alias bombs, several documents, excessive nesting.
 */
import { LineCounter, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { GuardError } from '../model/errors.ts'

export const MAX_DOCUMENT_BYTES = 1024 * 1024
const MAX_ALIASES = 100
const MAX_DEPTH = 64

export type SourceDocument = {
  /** Shown in messages. */
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
  /** `line:column` of the key at a path, or of its nearest parent that is there. */
  placeOf(path: readonly PropertyKey[]): string
}

export function parseDocumentText(text: string, name: string): SourceDocument {
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_DOCUMENT_BYTES) {
    throw invalid(`${name}: expected at most ${MAX_DOCUMENT_BYTES} bytes, got ${bytes}`)
  }
  checkDepth(text, name)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const first = document.errors[0]
  if (first !== undefined) throw invalid(`${name}:${placeAt(lines, first.pos[0])} ${first.message}`)
  return {
    name,
    data: toData(document, name),
    placeOf: (path) => placeAt(lines, offsetOf(document, path)),
  }
}

const invalid = (message: string): GuardError => new GuardError('config_invalid', message)

function placeAt(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `${line}:${col}`
}

function toData(document: Document, name: string): Readonly<Record<string, unknown>> {
  if (document.contents === null) return {}
  if (!isMap(document.contents)) throw invalid(`${name}:1:1 expected keys and values at the top`)
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as Record<string, unknown>
  } catch (error) {
    throw new GuardError('config_invalid', `${name}: ${String(error)}`, { cause: error })
  }
}

/** Flow collections nested too deep are refused before the recursive parser sees them. */
function checkDepth(text: string, name: string): void {
  let open = 0
  for (const char of text) {
    if (char === '[' || char === '{') open++
    else if ((char === ']' || char === '}') && open > 0) open--
    if (open > MAX_DEPTH) throw invalid(`${name}: expected at most ${MAX_DEPTH} levels of brackets`)
  }
  const deepest = /^(?:[ \t]*(?:- )){65}/m
  if (deepest.test(text)) throw invalid(`${name}: expected at most ${MAX_DEPTH} levels of lists`)
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (pair === undefined) return offset
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset
      node = pair.value
    } else if (isSeq(node) && typeof key === 'number') {
      node = node.items[key]
      const range = (node as { range?: readonly number[] } | undefined)?.range
      offset = range?.[0] ?? offset
    } else return offset
  }
  return offset
}
