/** Reads a zod schema as a tree of keys: for environment names, nearest names and provenance. */
import { z } from 'zod'

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
