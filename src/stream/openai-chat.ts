/**
 * OpenAI chat completions, streamed (`delta`) and whole (`message`), as OpenAI, vLLM and the many
 * compatible servers send them: reasoning under three names, content as string or as parts, several
 * calls at once, calls without an index, the legacy `function_call`.
 */
import {
  type CallPart,
  type Dialect,
  type Field,
  type JsonObject,
  type Made,
  type Piece,
  type StopNotice,
  count,
  isObject,
  objects,
  text,
  valueAt,
  withMessage,
} from './dialect.ts'
import type { JsonEdit, Path } from '../tools/json-edit.ts'
import { errorFrames, lastFrames, leaksOf, noteEnvelope, placeOf } from './openai-choices.ts'

const TEXT_FIELDS: readonly (readonly [string, Field])[] = [
  ['content', 'content'],
  ['reasoning_content', 'reasoning'],
  ['reasoning', 'reasoning'],
  ['refusal', 'refusal'],
]

export function createOpenAiChat(): Dialect {
  const envelope: Record<string, unknown> = { object: 'chat.completion.chunk' }
  // What was said in place of a blocked call: once a call, though its frames are many.
  const said = new Set<string>()

  const made = (choices: readonly unknown[], more: JsonObject = {}): Made => ({
    data: JSON.stringify({ ...envelope, choices, ...more }),
  })
  const chunk = (choice: number, delta: JsonObject, reason: string | null): Made =>
    made([{ index: choice, delta, logprobs: null, finish_reason: reason }])

  return {
    filteredReason: 'content_filter',
    hasEchoes: false,
    hasBlocks: false,
    read(json) {
      const pieces: Piece[] = []
      const calls: CallPart[] = []
      const ends: { choice: number; reason: Path }[] = []
      const choices: number[] = []
      objects(json['choices']).forEach((entry, i) => {
        const choice = count(entry['index'], i)
        choices.push(choice)
        const member = isObject(entry['delta']) ? 'delta' : 'message'
        const delta = entry[member]
        if (isObject(delta)) {
          const root: Path = ['choices', i, member]
          const leaks = leaksOf(entry, ['choices', i])
          readTexts(delta, { root, choice, leaks, pieces })
          readCalls(delta, { root, choice, leaks, pieces, calls })
        }
        if (typeof entry['finish_reason'] === 'string') {
          ends.push({ choice, reason: ['choices', i, 'finish_reason'] })
        }
      })
      return { pieces, calls, closes: [], echoes: [], ends, choices }
    },
    note(json) {
      noteEnvelope(envelope, json)
    },
    renumber: () => [],
    addText: (choice, more) => [chunk(choice, { content: more }, null)],
    stop({ choice, text: more, isLast, usage }: StopNotice) {
      const out = more === '' ? [] : [chunk(choice, { content: more }, null)]
      out.push(chunk(choice, {}, 'content_filter'))
      return isLast ? [...out, ...lastFrames(made, usage)] : out
    },
    error: errorFrames,
    stopBody(json, cut) {
      const i = placeOf(json, cut.choice)
      const root: Path = ['choices', i, 'message']
      const kept = cut.isContent ? cut.kept : (text(valueAt(json, [...root, 'content'])) ?? '')
      return [
        { path: [...root, 'content'], value: JSON.stringify(withMessage(kept, cut.message)) },
        { path: [...root, 'tool_calls'], value: undefined },
        { path: [...root, 'function_call'], value: undefined },
        { path: ['choices', i, 'finish_reason'], value: '"content_filter"' },
        { path: ['choices', i, 'logprobs'], value: 'null' },
        ...leaksOf(objects(json['choices'])[i] ?? {}, ['choices', i])
          .filter((path) => path.at(-1) !== 'logprobs')
          .map((path) => ({ path, value: 'null' })),
      ]
    },
    blockCall(json, part, message) {
      const list = part.path.slice(0, -1)
      const delta = part.path.slice(0, 3)
      const isListed = part.path.length > 4
      const calls = isListed ? valueAt(json, list) : []
      // An empty list of calls would make some clients wait for calls: it goes with its last member.
      const isOnly = isListed && Array.isArray(calls) && calls.length <= 1
      const edits: JsonEdit[] = [{ path: isOnly ? list : part.path, value: undefined }]
      if (!said.has(part.key)) {
        said.add(part.key)
        const before = text(valueAt(json, [...delta, 'content'])) ?? ''
        edits.push({ path: [...delta, 'content'], value: JSON.stringify(before + message) })
      }
      return edits
    },
  }
}

type Into = {
  readonly root: Path
  readonly choice: number
  readonly leaks: readonly Path[]
  readonly pieces: Piece[]
}

function readTexts(delta: JsonObject, into: Into): void {
  const { choice, leaks } = into
  for (const [key, field] of TEXT_FIELDS) {
    const value = delta[key]
    if (typeof value !== 'string' && !Array.isArray(value)) continue
    const path = [...into.root, key]
    const channel = { key: `${choice}:${key}`, choice, field, leaks }
    if (typeof value === 'string') into.pieces.push({ ...channel, path, text: value })
    else readParts(value, { ...into, root: path })
  }
}

/** Content as parts: `{type: text, text}`, and `{type: thinking, thinking: [{type: text, text}]}`. */
function readParts(parts: readonly unknown[], into: Into): void {
  const { choice, leaks } = into
  objects(parts).forEach((part, i) => {
    const more = text(part['text'])
    if (more !== undefined) {
      const path = [...into.root, i, 'text']
      into.pieces.push({
        key: `${choice}:content`,
        choice,
        field: 'content',
        path,
        text: more,
        leaks,
      })
    }
    objects(part['thinking']).forEach((thought, j) => {
      const path = [...into.root, i, 'thinking', j, 'text']
      const key = `${choice}:thinking`
      const thinking = text(thought['text'])
      if (thinking !== undefined) {
        into.pieces.push({ key, choice, field: 'reasoning', path, text: thinking, leaks })
      }
    })
  })
}

function readCalls(delta: JsonObject, into: Into & { readonly calls: CallPart[] }): void {
  objects(delta['tool_calls']).forEach((call, i) => {
    const index = count(call['index'], i)
    readCall(call, `${into.choice}:call${index}`, [...into.root, 'tool_calls', i], into)
  })
  const legacy = delta['function_call']
  if (isObject(legacy)) {
    readCall({ function: legacy }, `${into.choice}:function`, [...into.root, 'function_call'], into)
  }
}

function readCall(
  call: JsonObject,
  key: string,
  path: Path,
  into: Into & { readonly calls: CallPart[] },
): void {
  const { choice, leaks } = into
  const body = isObject(call['function']) ? call['function'] : {}
  const id = text(call['id'])
  const name = text(body['name'])
  const index = call['index']
  into.calls.push({
    key,
    choice,
    path,
    ...(id === undefined || id === '' ? {} : { id }),
    ...(name === undefined || name === '' ? {} : { name }),
    ...(typeof index === 'number' ? { index, indexPath: [...path, 'index'] } : {}),
  })
  const inner = path.at(-1) === 'function_call' ? path : [...path, 'function']
  const args = body['arguments']
  if (typeof args === 'string') {
    const at = [...inner, 'arguments']
    into.pieces.push({ key, choice, field: 'arguments', path: at, text: args, leaks })
  }
}
