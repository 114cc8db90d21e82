/**
 * OpenAI responses: typed events that say every text twice (deltas, then `done` events and the whole
 * response), so an edited channel's echoes are edited too. A blocked call becomes a message item, so that items
 * never have a gap; sequence numbers move past frames that we added.
 */
import {
  type CallPart,
  type Dialect,
  type Echo,
  type FrameView,
  type JsonObject,
  type Made,
  type Piece,
  type StopNotice,
  count,
  emptyView,
  isObject,
  objects,
  text,
  valueAt,
  withMessage,
} from './dialect.ts'
import type { JsonEdit, Path } from '../tools/json-edit.ts'

type Item = { readonly index: number; readonly item: JsonObject }

export function createOpenAiResponses(): Dialect {
  let sequence = 0
  let added = 0
  let response: JsonObject = { id: 'resp_checkstream', object: 'response', output: [] }
  let open: Item | undefined
  let spoken = ''
  let addedItems = false
  const done: unknown[] = []

  const made = (type: string, body: JsonObject): Made => {
    added++
    return { event: type, data: JSON.stringify({ type, ...body, sequence_number: sequence++ }) }
  }

  return {
    filteredReason: undefined,
    hasEchoes: true,
    hasBlocks: true,
    read: (json) => (json['object'] === 'response' ? readBody(json) : readEvent(json)),
    note(json) {
      sequence = count(json['sequence_number'], sequence - 1) + 1
      if (isObject(json['response'])) response = json['response']
      const item = json['item']
      if (json['type'] === 'response.output_item.added' && isObject(item)) {
        open = { index: count(json['output_index'], done.length), item }
        spoken = ''
      }
      if (json['type'] === 'response.output_text.delta') spoken += text(json['delta']) ?? ''
      if (json['type'] === 'response.output_item.done') {
        done.push(item)
        open = undefined
      }
    },
    renumber(json) {
      const number = json['sequence_number']
      const edits: JsonEdit[] = []
      if (added > 0 && typeof number === 'number') {
        edits.push({ path: ['sequence_number'], value: String(number + added) })
      }
      // Items of ours stand in the final list too.
      if (addedItems && isObject(json['response']) && json['type'] !== 'response.in_progress') {
        edits.push({ path: ['response', 'output'], value: JSON.stringify(done) })
      }
      return edits
    },
    addText(_choice, more) {
      if (open?.item['type'] === 'message') return [made(...deltaOf(open, more))]
      const item = messageItem(`msg_checkstream_${done.length}`, '')
      addedItems = true
      return wholeMessage({ index: done.length, item }, more, made, done)
    },
    stop({ text: more, usage }: StopNotice) {
      const out: Made[] = []
      if (open?.item['type'] === 'message') {
        if (more !== '') out.push(made(...deltaOf(open, more)))
        out.push(...closeMessage(open, spoken + more, made, done))
      } else {
        if (open !== undefined) {
          const item = { ...open.item, status: 'incomplete' }
          out.push(made('response.output_item.done', { output_index: open.index, item }))
          done.push(item)
        }
        const item = messageItem(`msg_checkstream_${done.length}`, '')
        out.push(...wholeMessage({ index: done.length, item }, more, made, done))
      }
      open = undefined
      const ending = {
        ...response,
        status: 'incomplete',
        incomplete_details: { reason: 'content_filter' },
        output: done,
        ...(usage === undefined
          ? {}
          : {
              usage: {
                input_tokens: usage.promptTokens,
                output_tokens: usage.completionTokens,
                total_tokens: usage.promptTokens + usage.completionTokens,
              },
            }),
      }
      out.push(made('response.incomplete', { response: ending }))
      return out
    },
    error: (message) => [made('error', { code: 'upstream_failed', message, param: null })],
    stopBody(json, cut) {
      const output = objects(json['output'])
      const at = count(cut.path[1], output.length)
      const kept = withMessage(cut.isContent ? cut.kept : '', cut.message)
      const id = output[at]?.['id'] ?? 'msg_checkstream'
      const item = messageItem(id, kept, 'incomplete')
      return [
        { path: ['output'], value: JSON.stringify([...output.slice(0, at), item]) },
        { path: ['status'], value: '"incomplete"' },
        { path: ['incomplete_details'], value: '{"reason":"content_filter"}' },
      ]
    },
    blockCall,
  }
}

type Make = (type: string, body: JsonObject) => Made

function deltaOf(open: Item, delta: string): [string, JsonObject] {
  return ['response.output_text.delta', { ...placeOf(open), delta, logprobs: [] }]
}

function placeOf({ index, item }: Item): JsonObject {
  return { item_id: item['id'], output_index: index, content_index: 0 }
}

function messageItem(id: unknown, said: string, status = 'completed'): JsonObject {
  const content = said === '' ? [] : [textPart(said)]
  return { id, type: 'message', role: 'assistant', status, content }
}

const textPart = (said: string): JsonObject => ({
  type: 'output_text',
  text: said,
  annotations: [],
  logprobs: [],
})

function wholeMessage(at: Item, said: string, made: Make, done: unknown[]): Made[] {
  const started = { ...at.item, status: 'in_progress' }
  return [
    made('response.output_item.added', { output_index: at.index, item: started }),
    made('response.content_part.added', { ...placeOf(at), part: textPart('') }),
    made(...deltaOf(at, said)),
    ...closeMessage(at, said, made, done),
  ]
}

function closeMessage(at: Item, said: string, made: Make, done: unknown[]): Made[] {
  const item = messageItem(at.item['id'], said, 'incomplete')
  done.push(item)
  return [
    made('response.output_text.done', { ...placeOf(at), text: said, logprobs: [] }),
    made('response.content_part.done', { ...placeOf(at), part: textPart(said) }),
    made('response.output_item.done', { output_index: at.index, item }),
  ]
}

/** Event type → the member that holds the text, the field, and the counter that names the channel. */
const DELTAS: Readonly<Record<string, readonly [Piece['field'], string]>> = {
  'response.output_text': ['content', 'content_index'],
  'response.refusal': ['refusal', 'content_index'],
  'response.reasoning_text': ['reasoning', 'content_index'],
  'response.reasoning_summary_text': ['reasoning', 'summary_index'],
  'response.function_call_arguments': ['arguments', ''],
}

const DONE_MEMBER: Readonly<Record<string, string>> = {
  'response.refusal': 'refusal',
  'response.function_call_arguments': 'arguments',
}

function keyOf(output: unknown, field: string, part: unknown): string {
  return `o${count(output, 0)}:${field}${field === 'arguments' ? '' : count(part, 0)}`
}

function readEvent(json: JsonObject): FrameView {
  const type = text(json['type']) ?? ''
  const view = { ...emptyView, choices: [0] }
  const stem = type.replace(/\.(delta|done)$/, '')
  const channel = DELTAS[stem]
  if (channel !== undefined) {
    const [field, counter] = channel
    const key = keyOf(json['output_index'], fieldName(stem), json[counter])
    const calls = field === 'arguments' ? [{ key, choice: 0, path: [] }] : []
    if (type.endsWith('.delta')) {
      const more = text(json['delta']) ?? ''
      const leaks: Path[] = Array.isArray(json['logprobs']) ? [['logprobs']] : []
      return {
        ...view,
        calls,
        pieces: [{ key, choice: 0, field, path: ['delta'], text: more, leaks }],
      }
    }
    const echo = { key, path: [DONE_MEMBER[stem] ?? 'text'], leaks: leakOf(json, []) }
    return { ...view, calls, closes: [key], echoes: [echo] }
  }
  if (type === 'response.content_part.done' && isObject(json['part'])) {
    return { ...view, echoes: partEchoes(json['part'], json, ['part']) }
  }
  if (type.startsWith('response.output_item.') && isObject(json['item'])) {
    return readItem(json['item'], count(json['output_index'], 0), ['item'])
  }
  if (/^response\.(completed|incomplete|failed)$/.test(type) && isObject(json['response'])) {
    const inner = readOutput(json['response'], ['response'])
    return { ...inner, ends: [{ choice: 0, reason: ['response', 'status'] }] }
  }
  return view
}

/** Channels of one item differ by what they hold: text, refusal, reasoning, summary, arguments. */
function fieldName(stem: string): string {
  if (stem === 'response.function_call_arguments') return 'arguments'
  if (stem === 'response.reasoning_summary_text') return 'summary'
  if (stem === 'response.reasoning_text') return 'reasoning'
  return stem === 'response.refusal' ? 'refusal' : 'text'
}

function leakOf(json: JsonObject, path: Path): readonly Path[] {
  return Array.isArray(json['logprobs']) ? [[...path, 'logprobs']] : []
}

function partEchoes(part: JsonObject, at: JsonObject, path: Path): Echo[] {
  const isReasoning = part['type'] === 'reasoning_text'
  const field = part['type'] === 'summary_text' ? 'summary' : isReasoning ? 'reasoning' : 'text'
  const index = at['content_index'] ?? at['summary_index']
  const echoes: Echo[] = []
  if (text(part['text']) !== undefined) {
    const key = keyOf(at['output_index'], field, index)
    echoes.push({ key, path: [...path, 'text'], leaks: leakOf(part, path) })
  }
  if (text(part['refusal']) !== undefined) {
    echoes.push({ key: keyOf(at['output_index'], 'refusal', index), path: [...path, 'refusal'] })
  }
  return echoes
}

function readItem(item: JsonObject, output: number, path: Path): FrameView {
  const echoes: Echo[] = []
  const calls: CallPart[] = []
  for (const list of ['content', 'summary'] as const) {
    objects(item[list]).forEach((part, i) => {
      const at = { output_index: output, content_index: i }
      echoes.push(...partEchoes(part, at, [...path, list, i]))
    })
  }
  if (item['type'] === 'function_call') {
    const key = keyOf(output, 'arguments', 0)
    const id = text(item['call_id']) ?? text(item['id'])
    const name = text(item['name'])
    const named = name === undefined ? {} : { name }
    calls.push({ key, choice: 0, path, ...named, ...(id === undefined ? {} : { id }) })
    if (text(item['arguments']) !== undefined) echoes.push({ key, path: [...path, 'arguments'] })
  }
  return { ...emptyView, choices: [0], echoes, calls }
}

function readOutput(response: JsonObject, path: Path): FrameView {
  const views = objects(response['output']).map((item, i) =>
    readItem(item, i, [...path, 'output', i]),
  )
  return {
    ...emptyView,
    choices: [0],
    echoes: views.flatMap((view) => view.echoes),
    calls: views.flatMap((view) => view.calls),
  }
}

/** A whole response: what would be echoes after deltas are the texts themselves. */
function readBody(json: JsonObject): FrameView {
  return { ...readOutput(json, []), ends: [{ choice: 0, reason: ['status'] }] }
}

/** A blocked call's item turns into a message item; events of its arguments go. */
function blockCall(
  json: JsonObject,
  part: CallPart,
  message: string,
): readonly JsonEdit[] | 'drop' {
  if (part.path.length === 0) return 'drop'
  const item = valueAt(json, part.path)
  const id = isObject(item) ? item['id'] : undefined
  const isNew = json['type'] === 'response.output_item.added'
  const said = messageItem(id, isNew ? '' : message, isNew ? 'in_progress' : 'completed')
  return [{ path: part.path, value: JSON.stringify(said) }]
}
