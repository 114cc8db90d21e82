/**
 * Where redactions do not reach in rewritten JSON arguments: values that the rewrite put in the place of
 * others, and those that are policy's own. The same reading as `withRedactions`, by place in the text.
 */
import { isJson, skipSpace, skipString, skipValue } from './json-edit.ts'

export type Kept = 'chosen' | 'replaced'
/** What keeps the whole span [start, end) of the original as it is; undefined: some of it is redacted. */
export type KeptAt = (start: number, end: number) => Kept | undefined

/** A value or a key of the original, without its quotes. */
type Part = { readonly start: number; readonly end: number; readonly kept: Kept | undefined }

/** The place in the rewritten text that answers to where the reading stands. */
type Level = { readonly isObject: boolean; readonly now: unknown; key: string | number }

const MISSING = Symbol('missing')

/** The second text was made from the first. In what is no JSON nothing is kept. */
export function keptValues(
  original: string,
  rewritten: string,
  chosen: readonly string[] = [],
): KeptAt {
  const parts = isJson(original) ? partsOf(original, JSON.parse(rewritten), chosen) : []
  return (start, end) => {
    let kept: Kept | undefined
    for (let i = firstPast(parts, start); i < parts.length; i++) {
      const part = parts[i]
      if (part === undefined || part.start >= end) break
      if (part.kept === undefined) return undefined
      kept ??= part.kept
    }
    return kept
  }
}

/** One pass without recursion: how deep hostile arguments are nested costs nothing more. */
function partsOf(text: string, now: unknown, chosen: readonly string[]): readonly Part[] {
  const parts: Part[] = []
  const levels: Level[] = []
  let isKey = false
  for (let pos = skipSpace(text, 0); pos < text.length; pos = skipSpace(text, pos)) {
    const char = text[pos] ?? ''
    const level = levels.at(-1)
    if (char === '{' || char === '[') {
      const isObject = char === '{'
      levels.push({ isObject, now: level === undefined ? now : childOf(level), key: 0 })
      isKey = isObject
    } else if (char === '}' || char === ']') levels.pop()
    else if (char === ',') {
      isKey = level?.isObject === true
      if (level !== undefined && typeof level.key === 'number') level.key++
    } else if (char === '"' && isKey && level !== undefined) {
      const end = skipString(text, pos)
      level.key = String(JSON.parse(text.slice(pos, end)))
      const isTaken = childOf(level) === MISSING
      parts.push({ start: pos + 1, end: end - 1, kept: isTaken ? 'replaced' : undefined })
      isKey = false
      pos = end
      continue
    } else if (char !== ':') {
      const end = Math.max(skipValue(text, pos), pos + 1)
      const was: unknown = JSON.parse(text.slice(pos, end))
      const is = level === undefined ? now : childOf(level)
      const inner = char === '"' ? 1 : 0
      parts.push({ start: pos + inner, end: end - inner, kept: keptOf(was, is, chosen) })
      pos = end
      continue
    }
    pos++
  }
  return parts
}

function keptOf(was: unknown, is: unknown, chosen: readonly string[]): Kept | undefined {
  if (typeof was === 'string' && chosen.includes(was)) return 'chosen'
  return was === is ? undefined : 'replaced'
}

function childOf({ isObject, now, key }: Level): unknown {
  if (typeof now !== 'object' || now === null || Array.isArray(now) === isObject) return MISSING
  return Object.hasOwn(now, key) ? (now as Readonly<Record<string, unknown>>)[key] : MISSING
}

/** The first part that reaches past `at`. */
function firstPast(parts: readonly Part[], at: number): number {
  let low = 0
  let high = parts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((parts[middle]?.end ?? 0) > at) high = middle
    else low = middle + 1
  }
  return low
}
