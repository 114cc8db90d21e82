/** Reads a zod schema as a tree of keys: for environment names, provenance, and what is told of mistakes. */
import { z } from 'zod'
import { suggestion } from '../model/nearest.ts'
import { tellIssue, unfoldUnion } from '../model/mistakes.ts'

/** What stands under `default`, `prefault`, `transform` and the like. */
export function unwrap(schema: unknown): unknown {
  let inner = schema
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) inner = inner.def.innerType
    else if (inner instanceof z.ZodOptional) inner = inner.def.innerType
    else if (inner instanceof z.ZodPipe) inner = inner.def.in
    else return inner
  }
}

/** The keys of an object schema, or none. */
export function keysOf(schema: unknown): readonly string[] {
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

/** The schema at a path, or undefined where the path leaves the known keys. */
export function schemaAt(schema: unknown, path: readonly PropertyKey[]): unknown {
  let inner: unknown = unwrap(schema)
  for (const key of path) {
    if (inner instanceof z.ZodObject) inner = unwrap(inner.shape[String(key)])
    else if (inner instanceof z.ZodArray) inner = unwrap(inner.def.element)
    else if (inner instanceof z.ZodRecord) inner = unwrap(inner.def.valueType)
    else return undefined
  }
  return inner
}

/** Every leaf's path, in the order of the document. */
export function leavesOf(schema: unknown, at: readonly string[] = []): readonly string[][] {
  const inner = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return [[...at]]
  return Object.entries(inner.shape).flatMap(([key, child]) => leavesOf(child, [...at, key]))
}

export type LeafKind = 'text' | 'list' | 'scalar'

/** How a leaf is read from an environment variable or a flag. */
export function leafKind(schema: unknown): LeafKind {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodArray) return 'list'
  return inner instanceof z.ZodString || inner instanceof z.ZodEnum ? 'text' : 'scalar'
}

/** Mistakes of one file that are told: the place of each is looked for from the beginning. */
const MAX_TOLD = 20

/**
 * One line a mistake of a `safeParse` with `reportInput`: its place as `placeOf` tells it, what was
 * wanted and what came, and the nearest known name.
 */
export function describeMistakes(
  error: z.ZodError,
  schema: unknown,
  placeOf: (path: readonly PropertyKey[]) => string,
): string {
  const issues = error.issues.slice(0, MAX_TOLD).flatMap(unfoldUnion)
  const lines = issues.flatMap((issue) => {
    const dotted = issue.path.join('.')
    if (issue.code === 'unrecognized_keys') {
      const known = keysOf(schemaAt(schema, issue.path))
      return issue.keys.slice(0, MAX_TOLD).map((key) => {
        const name = dotted === '' ? key : `${dotted}.${key}`
        return `${placeOf([...issue.path, key])} ${name}: unknown key${suggestion(key, known)}`
      })
    }
    return [`${placeOf(issue.path)} ${dotted}: ${tellIssue(issue)}`]
  })
  return lines.slice(0, MAX_TOLD).join('\n')
}
