/**
 * A site for client tests: an upstream that does what the prompt names, and a policy that has
 * something to say about each of it. What every client must see is in test/data/e2e/clients.yaml.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { type MockUpstream, type Seen, startUpstream } from '../proxy/upstream.ts'
import { type Running, ensureBuilt, serve, temporary } from './process.ts'

const POLICY = `name: site
rules:
  - name: accounts
    trigger: { type: pattern, pattern: 'ACC-[0-9]{6}' }
    actions: [{ type: redact, replacement: '[account]' }]
  - name: promises
    trigger: { type: keywords, any: [guaranteed returns] }
    actions: [{ type: stop, message: Ask an adviser. }]
  - name: no-jailbreak
    phase: ingress
    trigger: { type: keywords, any: [ignore all previous instructions] }
    actions: [{ type: stop, message: This request is not allowed., status_code: 403 }]
  - name: mail-stays-inside
    phase: tool
    trigger: { type: tool, name: send_email, argument: to, domain_not_in: [bank.example] }
    actions: [{ type: rewrite_tool, argument: to, value: safe@bank.example }]
`

export const SAYS: Readonly<Record<string, string>> = {
  redact: 'Your account ACC-123456 is open.',
  stop: 'This fund has guaranteed returns for all.',
  plain: 'Hello there, friend.',
}
const CALL = { name: 'send_email', arguments: '{"to": "x@evil.example", "body": "hi"}' }

export type Site = Running & { readonly upstream: MockUpstream }

/** Proxy mode's document as it was published. */
const CONFIG = join(import.meta.dirname, '../data/config/config.yaml')

/** The real binary before the scripted upstream; only places differ from the document. */
export async function startSite(): Promise<Site> {
  ensureBuilt()
  const upstream = await startUpstream(speak)
  const policy = join(temporary(), 'site.yaml')
  writeFileSync(policy, POLICY)
  const flags = ['--backend', upstream.url, '--policies', policy, '--log-level', 'error']
  const running = await serve(CONFIG, { flags })
  const stop = async (): Promise<void> => {
    await running.stop()
    await upstream.close()
  }
  return { ...running, stop, upstream }
}

function speak(response: ServerResponse, seen: Seen): void {
  const asked = /\b(redact|stop|plain|tools)\b/.exec(JSON.stringify(seen.body['messages']))?.[1]
  const isStream = seen.body['stream'] === true
  const answers = seen.url === '/v1/messages' ? anthropic : chat
  const { frames, body } = answers(asked ?? 'plain', seen.body)
  const type = isStream ? 'text/event-stream' : 'application/json'
  response.writeHead(200, { 'content-type': type })
  response.end(isStream ? frames.join('') : JSON.stringify(body))
}

type Answer = { readonly frames: readonly string[]; readonly body: unknown }

const pieces = (text: string): string[] => text.match(/.{1,4}/gs) ?? []
const frame = (data: unknown, event = ''): string =>
  `${event === '' ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

function chat(asked: string, request: Seen['body']): Answer {
  const text = SAYS[asked] ?? ''
  const choices = Array.from({ length: Number(request['n'] ?? 1) }, (_, index) => index)
  const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }
  const head = { id: 'chatcmpl-1', created: 1, model: 'm', system_fingerprint: 'fp' }
  const logprobs = (said: string): unknown => {
    const top_logprobs = [{ token: said, logprob: -0.1, bytes: null }]
    const content = [{ token: said, logprob: -0.1, bytes: null, top_logprobs }]
    return request['logprobs'] === true ? { content, refusal: null } : null
  }
  const chunk = (index: number, delta: object, said?: string, reason: string | null = null) =>
    frame({
      ...head,
      object: 'chat.completion.chunk',
      choices: [
        {
          index,
          delta,
          logprobs: said === undefined ? null : logprobs(said),
          finish_reason: reason,
        },
      ],
    })
  const call = { id: 'call_1', type: 'function', function: CALL }
  const spoken = choices.flatMap((index) =>
    pieces(text).map((said) => chunk(index, { content: said }, said)),
  )
  const called = [
    chunk(0, { tool_calls: [{ index: 0, ...call, function: { name: CALL.name, arguments: '' } }] }),
    ...pieces(CALL.arguments).map((part) =>
      chunk(0, { tool_calls: [{ index: 0, function: { arguments: part } }] }),
    ),
  ]
  const isCall = asked === 'tools'
  const reason = isCall ? 'tool_calls' : 'stop'
  const wantsUsage = JSON.stringify(request['stream_options'] ?? {}).includes('true')
  return {
    frames: [
      ...choices.map((index) => chunk(index, { role: 'assistant', content: '' })),
      ...(isCall ? called : spoken),
      ...choices.map((index) => chunk(index, {}, undefined, reason)),
      ...(wantsUsage
        ? [frame({ ...head, object: 'chat.completion.chunk', choices: [], usage })]
        : []),
      frame('[DONE]'),
    ],
    body: {
      ...head,
      object: 'chat.completion',
      usage,
      choices: choices.map((index) => ({
        index,
        message: isCall
          ? { role: 'assistant', content: null, tool_calls: [call] }
          : { role: 'assistant', content: text },
        logprobs: logprobs(text),
        finish_reason: reason,
      })),
    },
  }
}

function anthropic(asked: string): Answer {
  const isCall = asked === 'tools'
  const text = SAYS[asked] ?? ''
  const typed = (type: string, body: object): string => frame({ type, ...body }, type)
  const usage = { input_tokens: 5, output_tokens: 7 }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', usage }
  const tool = { type: 'tool_use', id: 'toolu_1', name: CALL.name }
  const stop_reason = isCall ? 'tool_use' : 'end_turn'
  const start = isCall ? { ...tool, input: {} } : { type: 'text', text: '' }
  const input: unknown = JSON.parse(CALL.arguments)
  const deltas = isCall
    ? pieces(CALL.arguments).map((part) => ({ type: 'input_json_delta', partial_json: part }))
    : pieces(text).map((part) => ({ type: 'text_delta', text: part }))
  return {
    frames: [
      typed('message_start', { message: { ...message, content: [], stop_reason: null } }),
      typed('content_block_start', { index: 0, content_block: start }),
      ...deltas.map((delta) => typed('content_block_delta', { index: 0, delta })),
      typed('content_block_stop', { index: 0 }),
      typed('message_delta', { delta: { stop_reason }, usage: { output_tokens: 7 } }),
      typed('message_stop', {}),
    ],
    body: {
      ...message,
      content: [isCall ? { ...tool, input } : { type: 'text', text }],
      stop_reason,
    },
  }
}
