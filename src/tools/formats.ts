/** The raw formats of tool calls, each as a reader of growing text. */
import { readCallObject, readJson } from './json-reading.ts'
import {
  DEEPSEEK_BODY,
  DEEPSEEK_HEAD,
  DEEPSEEK_LINE,
  DEEPSEEK_SEPARATOR,
  GLM_NAME,
  HARMONY_NAME,
  KIMI_NAME,
  MISTRAL_NAME,
  PYTHON_NAME,
  QWEN_NAME,
} from './name-form.ts'
import { readPythonCall } from './python-reading.ts'
import { type Reading, type Source, find, next, skipSpace, take, until } from './source.ts'

/** `<tool_call>{"name": …, "arguments": {…}}</tool_call>` */
export function* hermes(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['<tool_call>'])
    if (found === undefined) return
    source.open(found.at)
    yield* finish(source, yield* readCallObject(source), '</tool_call>')
  }
}

/** Times that bare objects are read for calls inside of them. */
const MAX_REREAD = 16

/**
 * `<|python_tag|>{"name": …, "parameters": {…}}; {…}`: the marker is optional, so any object that
 * names a call is one, as it is for the server's parser.
 */
export function* llama(source: Source): Reading<void> {
  // An object inside another is read again for each that it lies in: so only so deep.
  let readTo = 0
  let depth = 0
  for (;;) {
    const found = yield* find(source, ['<|python_tag|>', '{'])
    if (found === undefined) return
    if (found.marker !== '{') {
      if ((yield* skipSpace(source)) !== '{') continue
      source.skip(1)
    }
    const after = source.offset
    source.rewind(after - 1)
    source.open(found.at)
    depth = found.at < readTo ? depth + 1 : 0
    if (yield* readCallObject(source, true)) source.complete()
    else if (source.isClosed) return
    else {
      // Another object: what stands inside it is looked at again.
      const isSkipped = source.isOverBound || depth >= MAX_REREAD
      readTo = Math.max(readTo, source.offset)
      source.abandon()
      if (!isSkipped) source.rewind(after)
    }
  }
}

/** `[TOOL_CALLS]name[ARGS]{…}`, `[TOOL_CALLS]name{…}`, and the older `[TOOL_CALLS][{…}, {…}]`. */
export function* mistral(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['[TOOL_CALLS]'])
    if (found === undefined) return
    source.open(found.at)
    source.naming(MISTRAL_NAME)
    const first = yield* skipSpace(source)
    if (first === '[') {
      source.unname()
      source.skip(1)
      yield* mistralList(source)
      continue
    }
    let name = ''
    for (;;) {
      const char = yield* next(source)
      if (char === undefined || char === '{' || char === '[' || name.length > 256) break
      name += char
      source.skip(1)
    }
    source.unname()
    yield* mistralTags(source)
    source.named(name.trim())
    yield* finish(source, yield* readJson(source, (more) => source.grow(more)))
  }
}

/** `[CALL_ID]id` and `[ARGS]` between the name and the arguments. */
function* mistralTags(source: Source): Reading<void> {
  while ((yield* next(source)) === '[') {
    const tag = yield* until(source, [']'])
    if (tag.marker === undefined || tag.text === '[ARGS') return
    for (;;) {
      const char = yield* next(source)
      if (char === undefined || char === '[' || char === '{' || source.isOverBound) break
      source.skip(1)
    }
  }
}

function* mistralList(source: Source): Reading<void> {
  for (;;) {
    const char = yield* skipSpace(source)
    if (char === ',') source.skip(1)
    else if (char === '{') {
      source.open(source.offset)
      yield* finish(source, yield* readCallObject(source))
    } else {
      source.abandon()
      if (char === ']') source.skip(1)
      return
    }
  }
}

/** `[f(a=1), g(b="x")]` at the start of the text, or after `<|python_start|>`. */
export function* pythonic(source: Source): Reading<void> {
  source.mark(0)
  let isOpen = (yield* skipSpace(source)) === '['
  for (;;) {
    if (isOpen) {
      const at = source.offset
      source.skip(1)
      if (!(yield* pythonCalls(source, at))) source.rewind(at + 1)
    }
    source.mark(undefined)
    const found = yield* find(source, ['<|python_start|>'])
    if (found === undefined) return
    isOpen = (yield* skipSpace(source)) === '['
  }
}

function* pythonCalls(source: Source, at: number): Reading<boolean> {
  for (let start = at; ; start = source.offset) {
    // A name may begin with the very next token.
    source.open(start)
    source.naming(PYTHON_NAME)
    const char = yield* skipSpace(source)
    if (char === ']') {
      source.abandon()
      source.skip(1)
      return true
    }
    if (char === ',') {
      source.skip(1)
      yield* skipSpace(source)
    }
    source.open(start)
    const isCall = yield* readPythonCall(source)
    if (isCall) source.complete()
    else {
      if (!source.isClosed) source.abandon()
      return false
    }
  }
}

/** `<function=NAME><parameter=K>V</parameter>…</function>`, usually inside `<tool_call>`. */
export function* qwenXml(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['<function='])
    if (found === undefined) return
    source.open(found.at)
    source.naming(QWEN_NAME)
    const name = yield* until(source, ['>'])
    source.named(name.text.trim())
    const writer = new ArgumentWriter(source)
    let isWhole = false
    for (;;) {
      const char = yield* skipSpace(source)
      isWhole = char !== undefined && (yield* take(source, '</function>'))
      if (isWhole || !(yield* take(source, '<parameter='))) break
      const key = yield* until(source, ['>'])
      yield* writer.text(key.text.trim(), ['</parameter>', '<parameter=', '</function>'])
    }
    // A call that goes on with anything else is one for lenient parsers all the same.
    if (!source.isClosed || source.peek() !== undefined) isWhole = true
    if (isWhole) writer.close()
    yield* finish(source, isWhole)
  }
}

/** `<tool_call>NAME <arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>` */
export function* glm(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['<tool_call>'])
    if (found === undefined) return
    source.open(found.at)
    if ((yield* skipSpace(source)) === '{') {
      // Another model's format: no name of a tool begins so.
      source.abandon()
      continue
    }
    source.naming(GLM_NAME)
    const head = yield* until(source, ['<arg_key>', '</tool_call>'])
    source.named(head.text.trim())
    const writer = new ArgumentWriter(source)
    for (let marker = head.marker; marker === '<arg_key>';) {
      const key = yield* until(source, ['</arg_key>'])
      const value = yield* until(source, ['<arg_value>'])
      if (value.marker === undefined) break
      yield* writer.text(key.text.trim(), ['</arg_value>'])
      const rest = yield* until(source, ['<arg_key>', '</tool_call>'])
      marker = rest.marker
      if (marker === '</tool_call>') writer.close()
    }
    if (head.marker === '</tool_call>') writer.close()
    yield* finish(source, writer.isWhole)
  }
}

/** Both forms of DeepSeek: `function<sep>NAME` with a fenced block, and `NAME<sep>{…}`. */
export function* deepseek(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['<｜tool▁call▁begin｜>'])
    if (found === undefined) return
    source.open(found.at)
    source.naming(DEEPSEEK_HEAD)
    const head = yield* until(source, [DEEPSEEK_SEPARATOR])
    let name = head.text.trim()
    source.naming(name === 'function' ? DEEPSEEK_LINE : DEEPSEEK_BODY)
    if ((yield* skipSpace(source)) !== '{') {
      const line = yield* until(source, ['\n'])
      name = line.text.trim()
      if ((yield* skipSpace(source)) === '`') yield* until(source, ['\n'])
    }
    source.named(name)
    const isWhole = yield* readJson(source, (more) => source.grow(more))
    yield* finish(source, isWhole, '<｜tool▁call▁end｜>', '```')
  }
}

/** `<|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|>` */
export function* kimi(source: Source): Reading<void> {
  for (;;) {
    const found = yield* find(source, ['<|tool_call_begin|>'])
    if (found === undefined) return
    source.open(found.at)
    source.naming(KIMI_NAME)
    const head = yield* until(source, ['<|tool_call_argument_begin|>'])
    source.named(
      head.text
        .trim()
        .replace(/^functions\./, '')
        .replace(/:\d+$/, ''),
    )
    const isWhole = yield* readJson(source, (more) => source.grow(more))
    yield* finish(source, isWhole, '<|tool_call_end|>')
  }
}

/**
 * Harmony: a header with `to=functions.NAME`, in the role or in the channel, before the message. The
 * prompt ends with the role, so the text may begin inside of a header.
 */
export function* harmony(source: Source): Reading<void> {
  if (yield* isRecipient(source)) yield* harmonyCall(source, 0, MAX_HEADER_CHARS)
  for (;;) {
    const found = yield* find(source, ['<|start|>', '<|channel|>'])
    if (found === undefined) return
    yield* harmonyCall(source, found.at, Infinity)
  }
}

/** Of a header without the token that opens it: ordinary text may begin like one. */
const MAX_HEADER_CHARS = 512
const MESSAGE = '<|message|>'

function* harmonyCall(source: Source, at: number, headerChars: number): Reading<void> {
  source.open(at)
  const name = yield* recipient(source, headerChars)
  if (name === undefined || name === 'assistant') {
    if (!source.isClosed || source.peek() !== undefined) source.abandon()
    return
  }
  source.named(name)
  const isWhole = yield* readJson(source, (more) => source.grow(more))
  yield* finish(source, isWhole, '<|call|>')
}

/** Whether the text begins with `to=`; nothing of it is taken. */
function* isRecipient(source: Source): Reading<boolean> {
  source.mark(0)
  yield* take(source, ' ')
  const isHeader = yield* take(source, 'to=')
  source.rewind(0)
  if (!isHeader) source.mark(undefined)
  return isHeader
}

/** The name after `to=` in the rest of a header, which ends with `<|message|>`. */
function* recipient(source: Source, maxChars: number): Reading<string | undefined> {
  const end = source.offset + maxChars
  let name: string | undefined
  let last = ''
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || source.isOverBound || source.offset > end) return undefined
    if (char === '<' && (yield* take(source, MESSAGE))) return name
    if (name === undefined && char === 't' && !/\w/.test(last) && (yield* take(source, 'to='))) {
      name = yield* recipientName(source)
      continue
    }
    last = char
    source.skip(1)
  }
}

function* recipientName(source: Source): Reading<string> {
  source.naming(HARMONY_NAME)
  let name = ''
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || /[\s<]/.test(char) || source.isOverBound) break
    name += char
    source.skip(1)
  }
  source.unname()
  return name.replace(/^functions\./, '')
}

/** Completes the call and takes the marker that ends it, when it is there; an early end leaves it open. */
function* finish(source: Source, isWhole: boolean, ...ends: readonly string[]): Reading<void> {
  if (!isWhole) {
    if (!source.isClosed || source.isOverBound) source.abandon()
    return
  }
  source.complete()
  for (const end of ends.toReversed()) {
    const from = source.offset
    source.mark(from)
    yield* skipSpace(source)
    if (!(yield* take(source, end))) source.rewind(from)
  }
  source.mark(undefined)
}

/** Arguments of the tag formats, written as JSON while they are read. */
class ArgumentWriter {
  readonly #source: Source
  #isEmpty = true
  isWhole = false

  constructor(source: Source) {
    this.#source = source
  }

  *text(key: string, ends: readonly string[]): Reading<void> {
    const source = this.#source
    source.grow(`${this.#isEmpty ? '{' : ', '}${JSON.stringify(key)}: `)
    this.#isEmpty = false
    source.valuing(key)
    const value = yield* until(source, ends)
    source.valued()
    source.grow(value.marker === undefined ? openString(value.text) : toJson(value.text))
    // A value that runs into the next tag ends there; the tag is still to be read.
    if (value.marker?.startsWith('</parameter') === false && value.marker !== '</arg_value>') {
      source.rewind(source.offset - value.marker.length)
    }
  }

  close(): void {
    this.#source.grow(this.#isEmpty ? '{}' : '}')
    this.isWhole = true
  }
}

function openString(text: string): string {
  return JSON.stringify(text.replace(/^\n/, '')).slice(0, -1)
}

/** Tag formats have no types: what reads as JSON (and is no string) is that, the rest is text. */
function toJson(text: string): string {
  const value = text.replace(/^\n/, '').replace(/\n$/, '')
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === 'string' ? JSON.stringify(value) : value.trim()
  } catch {
    // Plain text, which is the usual case.
    return JSON.stringify(value)
  }
}
