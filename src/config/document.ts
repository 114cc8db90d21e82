/** A YAML text of the configuration → plain data with the place of every key. */
import { GuardError } from '../model/errors.ts'
import { BOUNDS } from '../yaml/bounds.ts'
import { readYaml } from '../yaml/read.ts'
import type { Path } from '../yaml/read.ts'

export const MAX_DOCUMENT_BYTES = BOUNDS.bytes

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
  const { value, problems, keyPlace } = readYaml(text, 'configuration file')
  const [first] = problems
  if (first !== undefined) throw invalid(`${name}:${first.line}:${first.column} ${first.message}`)
  const data: unknown = value ?? {}
  if (!isMap(data)) throw invalid(`${name}:1:1 expected keys and values at the top`)
  return {
    name,
    data,
    placeOf(path) {
      const there = present(data, path)
      if (there.length === 0) return '1:1'
      const { line, column } = keyPlace(there)
      return `${line}:${column}`
    },
  }
}

const invalid = (message: string): GuardError => new GuardError('config_invalid', message)

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As much of the path as is there. */
function present(data: unknown, path: readonly PropertyKey[]): Path {
  const found: (string | number)[] = []
  let at = data
  for (const key of path) {
    if (typeof key === 'symbol' || typeof at !== 'object' || at === null) break
    if (!Object.hasOwn(at, key)) break
    found.push(key)
    at = (at as Readonly<Record<string | number, unknown>>)[key]
  }
  return found
}
