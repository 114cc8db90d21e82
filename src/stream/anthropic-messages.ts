/**
 * Anthropic messages, streamed (content blocks by index) and whole. A blocked call becomes a text
 * block in its place, so that the numbering of blocks never has a gap.
 */
import {
  type CallPart,
  type Dialect,
  type FrameView,
  type JsonObject,
  type Made,
  type Piece,
  count,
  emptyView,
  isObject,
  objects,
  text,
  withMessage,
} from './dialect.ts'
import type { JsonEdit, Path } from '../tools/json-edit.ts'

const DELTAS: Readonly<Record<string, readonly [string, Piece['field']]>> = {
  text_delta: ['text', 'content'],
  thinking_delta: ['thinking', 'reasoning'],
  input_json_delta: ['partial_json', 'arguments'],
}
/** A delta of a type to come: a client that does not look at types would show its text. */
const UNKNOWN_DELTA: readonly [string, Piece['field']] = ['text', 'content']

export function createAnthropicMessages(): Dialect {
  let openBlock: { index: number; type: string } | undefined
  let nextIndex = 0
  let added = 0
  let started = false

  const say = (more: string): readonly Made[] => {
    if (more === '') return []
    if (openBlock?.type === 'text') return [textDelta(openBlock.index, more)]
    const index = nextIndex++
    added++
    return [openText(index), textDelta(index, more), close(index)]
  }

  return {
    filteredReason: 'refusal',
    hasEchoes: false,
    hasBlocks: true,
    read: (json) => (json['type'] === 'message' ? readBody(json) : readEvent(json)),
    note(json) {
      const index = count(json['index'], nextIndex)
      if (json['type'] === 'message_start') started = true
      if (json['type'] === 'content_block_start') {
        const block = isObject(json['content_block']) ? json['content_block'] : {}
        openBlock = { index, type: text(block['type']) ?? '' }
        nextIndex = index + 1
      }
      if (json['type'] === 'content_block_stop') openBlock = undefined
    },
    renumber(json) {
      if (added === 0 || typeof json['index'] !== 'number') return []
      return [{ path: ['index'], value: String(json['index'] + added) }]
    },
    addText: (_choice, more) => say(more),
    stop({ text: more, usage }) {
      const out: Made[] = []
      if (!started) out.push(made('message_start', { message: emptyMessage() }))
      if (openBlock?.type === 'text') {
        if (more !== '') out.push(textDelta(openBlock.index, more))
        out.push(close(openBlock.index))
      } else {
        if (openBlock !== undefined) out.push(close(openBlock.index))
        out.push(...say(more))
      }
      openBlock = undefined
      const reason = { stop_reason: 'refusal', stop_sequence: null }
      const tokens = { output_tokens: usage?.completionTokens ?? 0 }
      out.push(made('message_delta', { delta: reason, usage: tokens }), made('message_stop', {}))
      return out
    },
    error: (message) => [made('error', { error: { type: 'api_error', message } })],
    stopBody(json, cut) {
      const blocks = objects(json['content'])
      const at = count(cut.path[1], blocks.length)
      const block = { type: 'text', text: withMessage(cut.isContent ? cut.kept : '', cut.message) }
      return [
        { path: ['content'], value: JSON.stringify([...blocks.slice(0, at), block]) },
        { path: ['stop_reason'], value: '"refusal"' },
      ]
    },
    blockCall,
  }
}

function made(event: string, body: JsonObject): Made {
  return { event, data: JSON.stringify({ type: event, ...body }) }
}

function textDelta(index: number, more: string): Made {
  return made('content_block_delta', { index, delta: { type: 'text_delta', text: more } })
}

function openText(index: number): Made {
  return made('content_block_start', { index, content_block: { type: 'text', text: '' } })
}

function close(index: number): Made {
  return made('content_block_stop', { index })
}

function emptyMessage(): JsonObject {
  const usage = { input_tokens: 0, output_tokens: 0 }
  const head = { id: 'msg_checkstream', type: 'message', role: 'assistant', model: '' }
  return { ...head, content: [], stop_reason: null, stop_sequence: null, usage }
}

function readEvent(json: JsonObject): FrameView {
  const index = count(json['index'], 0)
  const key = `b${index}`
  const view = { ...emptyView, choices: [0] }
  if (json['type'] === 'content_block_start') {
    const block = json['content_block']
    return isObject(block)
      ? readBlock(block, { key, path: ['content_block'], isBody: false })
      : view
  }
  if (json['type'] === 'content_block_delta' && isObject(json['delta'])) {
    const part = json['delta']
    const [member, field] = DELTAS[text(part['type']) ?? ''] ?? UNKNOWN_DELTA
    const more = text(part[member])
    if (more === undefined) return view
    const calls = field === 'arguments' ? [{ key, choice: 0, path: ['delta'] }] : []
    const piece = { key, choice: 0, field, path: ['delta', member], text: more }
    return { ...view, pieces: [piece], calls }
  }
  if (json['type'] === 'content_block_stop') return { ...view, closes: [key] }
  const delta = json['delta']
  if (json['type'] === 'message_delta' && isObject(delta) && text(delta['stop_reason'])) {
    return { ...view, ends: [{ choice: 0, reason: ['delta', 'stop_reason'] }] }
  }
  return json['type'] === 'ping' ? emptyView : view
}

function readBody(json: JsonObject): FrameView {
  const views = objects(json['content']).map((block, i) =>
    readBlock(block, { key: `b${i}`, path: ['content', i], isBody: true }),
  )
  return {
    ...emptyView,
    choices: [0],
    pieces: views.flatMap((view) => view.pieces),
    calls: views.flatMap((view) => view.calls),
    ends: [{ choice: 0, reason: ['stop_reason'] }],
  }
}

type Place = { readonly key: string; readonly path: Path; readonly isBody: boolean }

function readBlock(block: JsonObject, { key, path, isBody }: Place): FrameView {
  const pieces: Piece[] = []
  const calls: CallPart[] = []
  for (const [member, field] of [
    ['text', 'content'],
    ['thinking', 'reasoning'],
  ] as const) {
    const more = text(block[member])
    if (more !== undefined) {
      pieces.push({ key, choice: 0, field, path: [...path, member], text: more })
    }
  }
  if (block['type'] === 'tool_use') {
    const id = text(block['id'])
    const name = text(block['name'])
    const call = { key, choice: 0, path }
    calls.push({
      ...call,
      ...(id === undefined ? {} : { id }),
      ...(name === undefined ? {} : { name }),
    })
    // In a stream the block opens with an empty input, which the deltas then spell out.
    if (isBody) {
      const at = [...path, 'input']
      const input = JSON.stringify(block['input'] ?? {})
      pieces.push({ ...call, field: 'arguments', path: at, text: input, isJson: true })
    }
  }
  return { ...emptyView, choices: [0], pieces, calls }
}

/** The call's block turns into a text block: its start, its deltas, or the whole block. */
function blockCall(json: JsonObject, part: CallPart, message: string): readonly JsonEdit[] {
  if (json['type'] === 'content_block_delta') {
    return [{ path: ['delta'], value: JSON.stringify({ type: 'text_delta', text: '' }) }]
  }
  return [{ path: part.path, value: JSON.stringify({ type: 'text', text: message }) }]
}
