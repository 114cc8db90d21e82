/** Streams for tests: frames of each dialect made from pieces of text, and what a client makes of them. */
import type { DialectName, StreamOptions } from '../../src/stream/guard-options.ts'
import { objects, valueAt } from '../../src/stream/dialect.ts'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { naiveScan } from './naive-scan.ts'

export const DIALECTS: readonly DialectName[] = [
  'openai-chat',
  'openai-completions',
  'openai-responses',
  'anthropic-messages',
]

const frame = (data: unknown, event?: string): string =>
  `${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

const typed = (type: string, body: object): string => frame({ type, ...body }, type)

/** A tool call that follows the text; completions have none. */
export type Call = { readonly name: string; readonly arguments: readonly string[] }

/** A whole stream of one choice that says the pieces, and then calls. */
export function streamOf(dialect: DialectName, pieces: readonly string[], call?: Call): string {
  return WRITERS[dialect](pieces, call)
}

type Writer = (pieces: readonly string[], call?: Call) => string

const WRITERS: Record<DialectName, Writer> = {
  'openai-chat': (pieces, call) => {
    const chunk = (delta: unknown, reason: string | null): string =>
      frame({
        id: 'c1',
        object: 'c',
        choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
      })
    return [
      chunk({ role: 'assistant', content: '' }, null),
      ...pieces.map((content) => chunk({ content }, null)),
      ...(call === undefined
        ? []
        : [
            { id: 'call_1', type: 'function', function: { name: call.name, arguments: '' } },
            ...call.arguments.map((more) => ({ function: { arguments: more } })),
          ].map((delta) => chunk({ tool_calls: [{ index: 0, ...delta }] }, null))),
      chunk({}, call === undefined ? 'stop' : 'tool_calls'),
      frame('[DONE]'),
    ].join('')
  },
  'openai-completions': (pieces) => {
    const chunk = (text: string, reason: string | null): string =>
      frame({
        id: 'cmpl-1',
        object: 'text_completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, text, logprobs: null, finish_reason: reason }],
      })
    return [...pieces.map((text) => chunk(text, null)), chunk('', 'stop'), frame('[DONE]')].join('')
  },
  'openai-responses': (pieces, call) => {
    let sequence = 0
    const event = (type: string, body: object): string =>
      frame({ type, ...body, sequence_number: sequence++ }, type)
    const text = pieces.join('')
    const at = { item_id: 'msg_1', output_index: 0, content_index: 0 }
    const part = { type: 'output_text', text: '', annotations: [], logprobs: [] }
    const item = { id: 'msg_1', type: 'message', role: 'assistant' }
    const response = {
      id: 'resp_1',
      object: 'response',
      created_at: 1,
      model: 'm',
      status: 'in_progress',
      output: [],
    }
    const whole = { ...item, status: 'completed', content: [{ ...part, text }] }
    return [
      event('response.created', { response }),
      event('response.in_progress', { response }),
      event('response.output_item.added', {
        output_index: 0,
        item: { ...item, status: 'in_progress', content: [] },
      }),
      event('response.content_part.added', { ...at, part }),
      ...pieces.map((delta) => event('response.output_text.delta', { ...at, delta, logprobs: [] })),
      event('response.output_text.done', { ...at, text, logprobs: [] }),
      event('response.content_part.done', { ...at, part: { ...part, text } }),
      event('response.output_item.done', { output_index: 0, item: whole }),
      ...(call === undefined ? [] : responsesCall(call).map(([type, body]) => event(type, body))),
      event('response.completed', {
        response: {
          ...response,
          status: 'completed',
          output: [whole, ...(call === undefined ? [] : [responsesItem(call)])],
        },
      }),
    ].join('')
  },
  'anthropic-messages': (pieces, call) => {
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 1 },
    }
    return [
      typed('message_start', { message }),
      typed('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      typed('ping', {}),
      ...pieces.map((text) =>
        typed('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
      ),
      typed('content_block_stop', { index: 0 }),
      ...(call === undefined
        ? []
        : [
            typed('content_block_start', {
              index: 1,
              content_block: { type: 'tool_use', id: 'call_1', name: call.name, input: {} },
            }),
            ...call.arguments.map((partial_json) =>
              typed('content_block_delta', {
                index: 1,
                delta: { type: 'input_json_delta', partial_json },
              }),
            ),
            typed('content_block_stop', { index: 1 }),
          ]),
      typed('message_delta', {
        delta: {
          stop_reason: call === undefined ? 'end_turn' : 'tool_use',
          stop_sequence: null,
        },
        usage: { output_tokens: 9 },
      }),
      typed('message_stop', {}),
    ].join('')
  },
}

function responsesItem(call: Call): object {
  return {
    id: 'fc_1',
    type: 'function_call',
    status: 'completed',
    call_id: 'call_1',
    name: call.name,
    arguments: call.arguments.join(''),
  }
}

function responsesCall(call: Call): readonly (readonly [string, object])[] {
  const at = { item_id: 'fc_1', output_index: 1 }
  const item = { ...responsesItem(call), status: 'in_progress', arguments: '' }
  return [
    ['response.output_item.added', { output_index: 1, item }],
    ...call.arguments.map(
      (delta) => ['response.function_call_arguments.delta', { ...at, delta }] as const,
    ),
    [
      'response.function_call_arguments.done',
      { ...at, name: call.name, arguments: call.arguments.join('') },
    ],
    ['response.output_item.done', { output_index: 1, item: responsesItem(call) }],
  ]
}

/** The whole body that says the text, and calls. */
export function bodyOf(dialect: DialectName, text: string, call?: Call): string {
  const logprobs = null
  const spelled = call?.arguments.join('') ?? ''
  const bodies: Record<DialectName, unknown> = {
    'openai-chat': {
      id: 'c',
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: text,
            ...(call === undefined
              ? {}
              : {
                  tool_calls: [
                    {
                      id: 'call_1',
                      type: 'function',
                      function: { name: call.name, arguments: spelled },
                    },
                  ],
                }),
          },
          logprobs,
          finish_reason: call === undefined ? 'stop' : 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 9, total_tokens: 12 },
    },
    'openai-completions': {
      id: 'c',
      object: 'text_completion',
      choices: [{ index: 0, text, logprobs, finish_reason: 'stop' }],
    },
    'openai-responses': {
      id: 'resp_1',
      object: 'response',
      status: 'completed',
      output: [
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text, annotations: [] }],
        },
        ...(call === undefined ? [] : [responsesItem(call)]),
      ],
    },
    'anthropic-messages': {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'text', text },
        ...(call === undefined
          ? []
          : [{ type: 'tool_use', id: 'call_1', name: call.name, input: JSON.parse(spelled) }]),
      ],
      stop_reason: call === undefined ? 'end_turn' : 'tool_use',
    },
  }
  return JSON.stringify(bodies[dialect])
}

export type Heard = {
  readonly text: string
  readonly reason: unknown
  readonly frames: number
}

/** What a client hears: all text of choice 0 and why it ended. Reads deltas only, as clients do. */
export function hear(bytes: Uint8Array): Heard {
  let text = ''
  let reason: unknown
  const frames = createSseParser(1 << 24).push(bytes)
  const say = (value: unknown): void => {
    if (typeof value === 'string') text += value
  }
  for (const { data } of frames) {
    if (data === undefined || data === '[DONE]') continue
    const json: unknown = JSON.parse(data)
    const at = (...path: (string | number)[]): unknown => valueAt(json, path)
    if (at('choices', 0, 'index') === 0) {
      say(at('choices', 0, 'delta', 'content') ?? at('choices', 0, 'text'))
      reason = at('choices', 0, 'finish_reason') ?? reason
    }
    const type = String(at('type'))
    if (type === 'response.output_text.delta') say(at('delta'))
    if (/^response\.(completed|incomplete)$/.test(type)) reason = at('response', 'status')
    if (type === 'content_block_delta') say(at('delta', 'text'))
    if (type === 'message_delta') reason = at('delta', 'stop_reason')
  }
  return { text, reason, frames: frames.length }
}

export function textOfBody(dialect: DialectName, body: Uint8Array): Heard {
  const json: unknown = JSON.parse(new TextDecoder().decode(body))
  const at = (...path: (string | number)[]): unknown => valueAt(json, path)
  const reason = at('choices', 0, 'finish_reason') ?? at('status') ?? at('stop_reason')
  const texts: Record<DialectName, () => unknown[]> = {
    'openai-chat': () => [at('choices', 0, 'message', 'content')],
    'openai-completions': () => [at('choices', 0, 'text')],
    'openai-responses': () =>
      objects(at('output')).flatMap((item) => objects(item['content']).map((part) => part['text'])),
    'anthropic-messages': () => objects(at('content')).map((block) => block['text']),
  }
  return { text: texts[dialect]().join(''), reason, frames: 1 }
}

export type Action = {
  readonly phrase: string
  readonly redact?: string
  readonly stop?: string
  readonly before?: string
  readonly after?: string
}

/** Options whose policy is a table: what to do about each phrase. */
export function optionsFor(dialect: DialectName, actions: readonly Action[]): StreamOptions {
  const phrases = actions.map((action) => action.phrase)
  return {
    dialect,
    scan: () => naiveScan(phrases),
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((finding) => {
        if (finding.kind !== 'match') return []
        const action = actions.find((one) => one.phrase === finding.ban)
        const { start, end } = finding
        return [
          ...(action?.redact === undefined
            ? []
            : [{ kind: 'redact' as const, start, end, with: action.redact }]),
          ...(action?.before === undefined
            ? []
            : [{ kind: 'inject' as const, where: 'before' as const, text: action.before }]),
          ...(action?.after === undefined
            ? []
            : [{ kind: 'inject' as const, where: 'after' as const, text: action.after }]),
          ...(action?.stop === undefined
            ? []
            : [{ kind: 'stop' as const, message: action.stop, status: 451 }]),
        ]
      }),
    }),
    holdbackTokens: 8,
    onMalformed: 'closed',
  }
}

/** Everything the guard lets out when the bytes come cut at the given places. */
export function through(
  options: StreamOptions,
  bytes: Uint8Array,
  cuts: readonly number[],
): Buffer {
  const guard = createStreamGuard(options)
  const out: Uint8Array[] = []
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    out.push(...guard.push(bytes.subarray(at, cut)))
    at = cut
  }
  out.push(...guard.end())
  return Buffer.concat(out)
}
