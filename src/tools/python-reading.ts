/** Reads `f(a=1, b="x")` from growing text: Python literals become JSON as they come. */
import { PYTHON_NAME } from './name-form.ts'
import { type Reading, type Source, next, skipSpace } from './source.ts'

const WORDS: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' }

/** A call with keyword arguments at the current place; false when it is something else. */
export function* readPythonCall(source: Source): Reading<boolean> {
  source.naming(PYTHON_NAME)
  const name = yield* readName(source)
  if (name === '' || (yield* skipSpace(source)) !== '(') return false
  source.skip(1)
  source.named(name)
  source.grow('{')
  for (let isFirst = true; ; isFirst = false) {
    const char = yield* skipSpace(source)
    if (char === ')') {
      source.skip(1)
      source.grow('}')
      return true
    }
    if (char === ',') {
      source.skip(1)
      yield* skipSpace(source)
      if (source.peek() === ')') continue
    }
    const key = yield* readName(source)
    if (key === '' || (yield* skipSpace(source)) !== '=') return false
    source.skip(1)
    source.grow(`${isFirst ? '' : ', '}${JSON.stringify(key)}: `)
    if (!(yield* readLiteral(source))) return false
  }
}

function* readName(source: Source): Reading<string> {
  let name = ''
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || !/[\w.]/.test(char) || name.length > 256) return name
    name += char
    source.skip(1)
  }
}

/** Lists and maps in one another; no tool takes such arguments. */
const MAX_DEPTH = 64

function* readLiteral(source: Source, depth = 0): Reading<boolean> {
  const char = yield* skipSpace(source)
  if (char === undefined || source.isOverBound || depth > MAX_DEPTH) return false
  if (char === '"' || char === "'") return yield* readPythonString(source, char)
  const close = CLOSES[char]
  if (close !== undefined) return yield* readItems(source, close, depth + 1)
  let word = ''
  for (;;) {
    const more = yield* next(source)
    if (more === undefined || !/[-+.\w]/.test(more)) break
    word += more
    source.skip(1)
  }
  const json = WORDS[word] ?? (Number.isFinite(Number(word)) && word !== '' ? word : undefined)
  if (json === undefined) return false
  source.grow(json)
  return true
}

const CLOSES: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' }

function* readItems(source: Source, close: string, depth: number): Reading<boolean> {
  const isDict = close === '}'
  source.skip(1)
  source.grow(isDict ? '{' : '[')
  for (let isFirst = true; ; isFirst = false) {
    let char = yield* skipSpace(source)
    if (char === ',') {
      source.skip(1)
      char = yield* skipSpace(source)
    }
    if (char === close) {
      source.skip(1)
      source.grow(isDict ? '}' : ']')
      return true
    }
    if (!isFirst) source.grow(', ')
    if (!(yield* readLiteral(source, depth))) return false
    if (!isDict) continue
    if ((yield* skipSpace(source)) !== ':') return false
    source.skip(1)
    source.grow(': ')
    if (!(yield* readLiteral(source, depth))) return false
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\n': '' }

function* readPythonString(source: Source, quote: string): Reading<boolean> {
  source.skip(1)
  source.grow('"')
  const say = (text: string): void => source.grow(JSON.stringify(text).slice(1, -1))
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || source.isOverBound) return false
    source.skip(1)
    if (char === quote) {
      source.grow('"')
      return true
    }
    if (char !== '\\') {
      say(char)
      continue
    }
    const escaped = yield* next(source)
    if (escaped === undefined) return false
    source.skip(1)
    const size = { x: 2, u: 4 }[escaped]
    if (size === undefined) say(ESCAPES[escaped] ?? escaped)
    else {
      let code = ''
      while (code.length < size) {
        const digit = yield* next(source)
        if (digit === undefined) return false
        source.skip(1)
        code += digit
      }
      say(String.fromCharCode(Number.parseInt(code, 16) || 0xfffd))
    }
  }
}
