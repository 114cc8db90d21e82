/** Streams and bodies of several tool calls, in the three dialects that have them. */
export type Call = { readonly name: string; readonly arguments: string }

const frame = (data: unknown): string =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const chunk = (delta: unknown, reason: string | null = null): string =>
  frame({
    id: 'c',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: reason }],
  })

/** As vLLM streams calls: id, type and name first, then pieces of arguments, then the reason. */
function chatStream(calls: readonly Call[]): string {
  const parts = calls.flatMap((call, index) => [
    chunk({
      tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name: call.name } }],
    }),
    ...(call.arguments.match(/[^]{1,4}/g) ?? []).map((part) =>
      chunk({ tool_calls: [{ index, function: { arguments: part } }] }),
    ),
  ])
  return [
    chunk({ role: 'assistant', content: '' }),
    ...parts,
    chunk({}, 'tool_calls'),
    frame('[DONE]'),
  ].join('')
}

function anthropicStream(calls: readonly Call[]): string {
  const event = (type: string, body: object): string =>
    `event: ${type}\n${frame({ type, ...body })}`
  const parts = calls.flatMap((call, index) => [
    event('content_block_start', {
      index,
      content_block: { type: 'tool_use', id: `toolu_${index}`, name: call.name, input: {} },
    }),
    ...(call.arguments.match(/[^]{1,4}/g) ?? []).map((part) =>
      event('content_block_delta', {
        index,
        delta: { type: 'input_json_delta', partial_json: part },
      }),
    ),
    event('content_block_stop', { index }),
  ])
  return [
    event('message_start', {
      message: { id: 'm', type: 'message', role: 'assistant', content: [], usage: {} },
    }),
    ...parts,
    event('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 5 } }),
    event('message_stop', {}),
  ].join('')
}

function responsesStream(calls: readonly Call[]): string {
  let sequence = 0
  const event = (type: string, body: object): string =>
    `event: ${type}\n${frame({ type, ...body, sequence_number: sequence++ })}`
  const item = (call: Call, i: number, args: string): object => ({
    type: 'function_call',
    id: `fc_${i}`,
    call_id: `call_${i}`,
    name: call.name,
    arguments: args,
  })
  const parts = calls.flatMap((call, i) => [
    event('response.output_item.added', { output_index: i, item: item(call, i, '') }),
    ...(call.arguments.match(/[^]{1,4}/g) ?? []).map((delta) =>
      event('response.function_call_arguments.delta', {
        output_index: i,
        item_id: `fc_${i}`,
        delta,
      }),
    ),
    event('response.function_call_arguments.done', {
      output_index: i,
      item_id: `fc_${i}`,
      arguments: call.arguments,
    }),
    event('response.output_item.done', { output_index: i, item: item(call, i, call.arguments) }),
  ])
  const output = calls.map((call, i) => item(call, i, call.arguments))
  return [
    event('response.created', { response: { id: 'r', object: 'response', output: [] } }),
    ...parts,
    event('response.completed', {
      response: { id: 'r', object: 'response', status: 'completed', output },
    }),
  ].join('')
}

export type CallDialect = 'openai-chat' | 'anthropic-messages' | 'openai-responses'

/** One choice that makes the calls, four characters of their arguments a frame. */
export const CALL_STREAMS: Readonly<Record<CallDialect, (calls: readonly Call[]) => string>> = {
  'openai-chat': chatStream,
  'anthropic-messages': anthropicStream,
  'openai-responses': responsesStream,
}

/** The same as a whole body. Anthropic's has objects for arguments, written anew. */
export const CALL_BODIES: Readonly<Record<CallDialect, (calls: readonly Call[]) => string>> = {
  'openai-chat': (calls) =>
    JSON.stringify({
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: null,
            tool_calls: calls.map((call, i) => ({ id: `c${i}`, type: 'function', function: call })),
          },
        },
      ],
    }),
  'anthropic-messages': (calls) =>
    JSON.stringify({
      type: 'message',
      content: calls.map((call, i) => ({
        type: 'tool_use',
        id: `t${i}`,
        name: call.name,
        input: JSON.parse(call.arguments) as unknown,
      })),
      stop_reason: 'tool_use',
    }),
  'openai-responses': (calls) =>
    JSON.stringify({
      object: 'response',
      status: 'completed',
      output: calls.map((call, i) => ({
        type: 'function_call',
        id: `fc_${i}`,
        call_id: `call_${i}`,
        ...call,
      })),
    }),
}
