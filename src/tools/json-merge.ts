/**
 * Two changes of the same JSON text as one: a rewrite that put safe values, and a redaction that took
 * spans out of strings (and, in numbers, digits). Where the rewrite changed a value, that value stands,
 * and so does one that policy had the engine say.
 */
import { type JsonEdit, type Path, duplicateKey, editJson, isJson } from './json-edit.ts'

/**
 * `rewritten` and `redacted` were made from `original`, and are valid JSON where it is; what is none (a
 * call that was cut off) is redacted as a text. `chosen`: values that are policy's own.
 */
export function withRedactions(
  original: string,
  rewritten: string,
  redacted: string,
  chosen: readonly string[] = [],
): string {
  if (redacted === original) return rewritten
  if (!isJson(original)) return redacted
  const edits: JsonEdit[] = []
  merge(
    [original, rewritten, redacted].map((text): unknown => JSON.parse(text)),
    [],
    { edits, chosen },
  )
  // Of a key that stands twice only the last one was compared; the others go.
  const isTwice = duplicateKey(rewritten) !== undefined
  const text = isTwice ? JSON.stringify(JSON.parse(rewritten)) : rewritten
  return edits.length === 0 ? text : editJson(text, edits)
}

type Merge = { readonly edits: JsonEdit[]; readonly chosen: readonly string[] }

function merge([was, now, clean]: readonly unknown[], path: Path, into: Merge): void {
  if (isSame(was, clean) || (typeof was === 'string' && into.chosen.includes(was))) return
  // Down to the single value: what stands beside it keeps its bytes.
  if (Array.isArray(was) && Array.isArray(now) && Array.isArray(clean)) {
    now.forEach((item, i) => merge([was[i], item, clean[i]], [...path, i], into))
  } else if (isObject(was) && isObject(now) && isObject(clean)) {
    mergeMembers([was, now, clean], path, into)
  } else if (isSame(was, now)) into.edits.push({ path, value: JSON.stringify(clean) })
}

type Members = Readonly<Record<string, unknown>>

/**
 * Redaction keeps the order of members, so a key that it changed is found by its place. Values under
 * such a key are written anew: there, numbers past double precision lose their form.
 */
function mergeMembers(
  [was, now, clean]: readonly [Members, Members, Members],
  path: Path,
  into: Merge,
): void {
  const names = Object.keys(clean)
  Object.keys(was).forEach((key, i) => {
    const name = names[i] ?? key
    if (!Object.hasOwn(now, key)) return
    if (name === key) return merge([was[key], now[key], clean[name]], [...path, key], into)
    into.edits.push({ path: [...path, key], value: undefined })
    // What was rewritten under a key that is redacted stays rewritten.
    const under: Merge = { edits: [], chosen: into.chosen }
    merge([was[key], now[key], clean[name]], [], under)
    const value = editJson(JSON.stringify(now[key]), under.edits)
    into.edits.push({ path: [...path, name], value })
  })
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
