/**
 * Every text that a request brings, with its place and its standing: who wrote it, and whether anybody
 * vouches for it. Tool results and documents are content of strangers: they taint what comes from them.
 */
import type { Path } from '../tools/json-edit.ts'
import { type JsonObject, isObject, objects, text } from './dialect.ts'
import type { DialectName } from './guard-options.ts'

export type IngressKind =
  'system' | 'user' | 'assistant' | 'tool_call' | 'tool_result' | 'tool_definition'

export type IngressPiece = {
  readonly kind: IngressKind
  readonly path: Path
  readonly text: string
  /** `trusted`: operator or user; `untrusted`: tools and documents; `model`: the model's own words. */
  readonly standing: 'trusted' | 'untrusted' | 'model'
  /** Name for messages and provenance: `messages[3]`, `tool search`. */
  readonly source: string
}

/** All texts of the request in the order in which the model reads them. */
export function readIngress(dialect: DialectName, body: JsonObject): readonly IngressPiece[] {
  const pieces: IngressPiece[] = []
  if (dialect === 'openai-completions') readPrompt(body['prompt'], pieces)
  if (dialect === 'openai-completions') readSuffix(body, pieces)
  if (dialect === 'anthropic-messages')
    readContent(body['system'], at('system', ['system']), pieces)
  if (dialect === 'openai-responses') {
    readContent(body['instructions'], at('system', ['instructions']), pieces)
    readInput(body['input'], pieces)
  } else {
    objects(body['messages']).forEach((message, i) => readMessage(message, i, pieces))
  }
  for (const list of ['tools', 'functions']) {
    objects(body[list]).forEach((tool, i) => readTool(tool, [list, i], pieces))
  }
  return pieces
}

/** Names of the tools that the request says were called before, in order. */
export function callsBefore(dialect: DialectName, body: JsonObject): readonly string[] {
  if (dialect === 'openai-responses') {
    const calls = objects(body['input']).filter((item) => item['type'] === 'function_call')
    return calls.flatMap((call) => text(call['name']) ?? [])
  }
  return objects(body['messages']).flatMap((message) => {
    const legacy = isObject(message['function_call']) ? [message['function_call']] : []
    const calls = objects(message['tool_calls']).map(({ function: inner }) => inner)
    const blocks = objects(message['content']).filter((part) => part['type'] === 'tool_use')
    return [...legacy, ...calls, ...blocks].flatMap((call) =>
      isObject(call) ? (text(call['name']) ?? []) : [],
    )
  })
}

/** Names of the tools that the request offers. */
export function toolsOffered(body: JsonObject): readonly string[] {
  return [...objects(body['tools']), ...objects(body['functions'])].flatMap((tool) => {
    const inner = isObject(tool['function']) ? tool['function'] : tool
    return text(inner['name']) ?? []
  })
}

type Place = Omit<IngressPiece, 'text'>

const STANDING: Readonly<Record<IngressKind, IngressPiece['standing']>> = {
  system: 'trusted',
  user: 'trusted',
  assistant: 'model',
  tool_call: 'model',
  tool_result: 'untrusted',
  tool_definition: 'untrusted',
}

function at(kind: IngressKind, path: Path, source = path.join('.')): Place {
  return { kind, path, source, standing: STANDING[kind] }
}

const ROLES: Readonly<Record<string, IngressKind>> = {
  system: 'system',
  developer: 'system',
  assistant: 'assistant',
  tool: 'tool_result',
  function: 'tool_result',
}

function add(value: unknown, place: Place, pieces: IngressPiece[]): void {
  if (typeof value === 'string' && value !== '') pieces.push({ ...place, text: value })
}

function readPrompt(prompt: unknown, pieces: IngressPiece[]): void {
  add(prompt, at('user', ['prompt']), pieces)
  if (Array.isArray(prompt)) {
    prompt.forEach((one: unknown, i) => add(one, at('user', ['prompt', i]), pieces))
  }
}

function readSuffix(body: JsonObject, pieces: IngressPiece[]): void {
  add(body['suffix'], at('user', ['suffix']), pieces)
}

/** A role that nobody knows is nobody's: its text is untrusted. */
function readMessage(message: JsonObject, i: number, pieces: IngressPiece[]): void {
  const role = text(message['role']) ?? ''
  const kind = role === 'user' ? 'user' : (ROLES[role] ?? 'tool_result')
  readContent(message['content'], at(kind, ['messages', i, 'content'], `messages[${i}]`), pieces)
  for (const key of ['reasoning_content', 'reasoning', 'refusal']) {
    add(message[key], at('assistant', ['messages', i, key]), pieces)
  }
  objects(message['tool_calls']).forEach((call, j) => {
    const inner = isObject(call['function']) ? call['function'] : {}
    const path = ['messages', i, 'tool_calls', j, 'function', 'arguments']
    add(inner['arguments'], at('tool_call', path), pieces)
  })
  const legacy = message['function_call']
  if (isObject(legacy)) {
    add(legacy['arguments'], at('tool_call', ['messages', i, 'function_call', 'arguments']), pieces)
  }
}

/** Content as a string or as parts; parts of tools and documents keep their own standing. */
function readContent(content: unknown, place: Place, pieces: IngressPiece[]): void {
  add(content, place, pieces)
  if (!Array.isArray(content)) return
  content.forEach((part: unknown, i) => {
    const path = [...place.path, i]
    if (typeof part === 'string') return add(part, { ...place, path }, pieces)
    if (!isObject(part)) return
    const type = text(part['type']) ?? ''
    if (type === 'tool_result') {
      const from = at(
        'tool_result',
        [...path, 'content'],
        `tool ${text(part['tool_use_id']) ?? ''}`,
      )
      return readContent(part['content'], from, pieces)
    }
    if (type === 'tool_use') {
      return readStrings(part['input'], at('tool_call', [...path, 'input']), pieces)
    }
    const isForeign = type === 'document' || type === 'search_result' || type === 'file'
    if (isForeign) {
      return readStrings(part, at('tool_result', path, `${type} in ${place.source}`), pieces)
    }
    for (const key of ['text', 'thinking', 'refusal']) {
      add(part[key], { ...place, path: [...path, key] }, pieces)
    }
  })
}

function readInput(input: unknown, pieces: IngressPiece[]): void {
  add(input, at('user', ['input']), pieces)
  objects(input).forEach((item, i) => {
    const type = text(item['type']) ?? 'message'
    if (type === 'message') {
      const role = text(item['role']) ?? 'user'
      const kind = role === 'user' ? 'user' : (ROLES[role] ?? 'tool_result')
      readContent(item['content'], at(kind, ['input', i, 'content'], `input[${i}]`), pieces)
    } else if (type === 'function_call') {
      add(item['arguments'], at('tool_call', ['input', i, 'arguments']), pieces)
    } else if (type !== 'reasoning') {
      // function_call_output, file search results, and whatever comes next: not the user's words.
      const source = `${type} ${text(item['call_id']) ?? String(i)}`
      readStrings(item, at('tool_result', ['input', i], source), pieces)
    }
  })
}

/** Everything that a definition says to the model: names, descriptions, defaults, examples. */
function readTool(tool: JsonObject, path: Path, pieces: IngressPiece[]): void {
  const inner = isObject(tool['function']) ? tool['function'] : tool
  const source = `tool ${text(inner['name']) ?? ''}`
  readStrings(tool, at('tool_definition', path, source), pieces)
}

/** Depth past which a value is read as its JSON text. */
const MAX_DEPTH = 24

function readStrings(value: unknown, place: Place, pieces: IngressPiece[]): void {
  if (typeof value === 'string') add(value, place, pieces)
  else if (typeof value === 'object' && value !== null) {
    if (place.path.length > MAX_DEPTH) return add(JSON.stringify(value), place, pieces)
    const entries: [string | number, unknown][] = Array.isArray(value)
      ? value.map((item: unknown, i) => [i, item])
      : Object.entries(value)
    for (const [key, child] of entries) {
      readStrings(child, { ...place, path: [...place.path, key] }, pieces)
    }
  }
}
