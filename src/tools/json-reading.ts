/** Reads JSON values from growing text, telling of every character as it comes. */
import { JSON_NAME } from './name-form.ts'
import { type Reading, type Source, next, skipSpace } from './source.ts'

type Report = (more: string) => void

/** One JSON value; false when what stands there is none, or the text ends first. */
export function* readJson(source: Source, report: Report): Reading<boolean> {
  const first = yield* skipSpace(source)
  if (first === undefined) return false
  if (first === '"') return (yield* readString(source, report)) !== undefined
  if (first !== '{' && first !== '[') return yield* readScalar(source, report)
  let depth = 0
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || source.isOverBound) return false
    if (char === '"') {
      if ((yield* readString(source, report)) === undefined) return false
      continue
    }
    source.skip(1)
    report(char)
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    if (depth === 0) return true
  }
}

/** A JSON string at its opening quote; gives its value. */
export function* readString(source: Source, report?: Report): Reading<string | undefined> {
  let raw = ''
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || source.isOverBound) return undefined
    source.skip(1)
    raw += char
    report?.(char)
    if (char === '\\') {
      const escaped = yield* next(source)
      if (escaped === undefined) return undefined
      source.skip(1)
      raw += escaped
      report?.(escaped)
    } else if (char === '"' && raw.length > 1) return parseString(raw)
  }
}

/** A broken escape is read as it stands: a lenient parser would do the same. */
function parseString(raw: string): string {
  try {
    return String(JSON.parse(raw.replaceAll(/[\n\r\t]/g, ' ')))
  } catch {
    // Not an error of ours: the raw spelling is the value then.
    return raw.slice(1, -1)
  }
}

function* readScalar(source: Source, report: Report): Reading<boolean> {
  let length = 0
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || !/[-+.\w]/.test(char)) return length > 0
    source.skip(1)
    report(char)
    length++
  }
}

const CALL_KEYS = new Set(['name', 'arguments', 'parameters', 'type', 'id'])

/**
 * An object that names a call: `{"name": …, "arguments" or "parameters": …}` in either order. False
 * when it is another object, or none; what was named by then is abandoned by the caller. `isBare`:
 * no marker came before, so the first foreign key tells that it is another object.
 */
export function* readCallObject(source: Source, isBare = false): Reading<boolean> {
  if ((yield* skipSpace(source)) !== '{') return false
  source.skip(1)
  let isNamed = false
  let hasArguments = false
  for (;;) {
    const char = yield* skipSpace(source)
    if (char === ',') {
      source.skip(1)
      continue
    }
    if (char === '}') {
      source.skip(1)
      return isNamed && hasArguments
    }
    if (char !== '"') return false
    const key = yield* readString(source)
    if ((yield* skipSpace(source)) !== ':') return false
    source.skip(1)
    if (isBare && !CALL_KEYS.has(key ?? '')) return false
    if (key === 'name' && (yield* skipSpace(source)) === '"') {
      source.skip(1)
      source.naming(JSON_NAME)
      source.rewind(source.offset - 1)
      const name = yield* readString(source)
      if (name === undefined || name === '') return false
      source.named(name)
      isNamed = true
    } else if (key === 'arguments' || key === 'parameters') {
      if (!(yield* readArguments(source))) return false
      hasArguments = true
    } else if (!(yield* readJson(source, () => undefined))) return false
  }
}

/** Arguments are an object; some models write them as a string that holds the object. */
function* readArguments(source: Source): Reading<boolean> {
  if ((yield* skipSpace(source)) !== '"') {
    return yield* readJson(source, (more) => source.grow(more))
  }
  const text = yield* readString(source)
  if (text === undefined) return false
  source.grow(text)
  return true
}
