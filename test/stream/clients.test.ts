/** The official clients of OpenAI and Anthropic, through the real proxy and the guard, at real sockets. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBodyTransform, createStreamTransform } from '../../src/stream/transform.ts'
import type { DialectName, StreamOptions } from '../../src/stream/guard-options.ts'
import type { MockUpstream, RunningProxy } from '../proxy/upstream.ts'
import { json, sse, startProxy, startUpstream } from '../proxy/upstream.ts'
import { bodyOf, optionsFor, streamOf } from './streams.ts'

const ROUTES: Readonly<Record<string, DialectName>> = {
  '/v1/chat/completions': 'openai-chat',
  '/v1/completions': 'openai-completions',
  '/v1/responses': 'openai-responses',
  '/v1/messages': 'anthropic-messages',
}

const NAMES = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
} as const

const PIECES = ['My key', ' is ', 'sec', 'ret-1 ', 'and more', '. Then', ' dan', 'ger', ' follows']
const actions = (stops: boolean): Parameters<typeof optionsFor>[1] => [
  { phrase: 'secret-1', redact: '[KEY]' },
  ...(stops ? [{ phrase: 'danger', stop: 'Stopped.' }] : []),
]
const CLEAN = 'My key is [KEY] and more. Then danger follows'
const CUT = 'My key is [KEY] and more. Then \n\nStopped.'

let stops = false
let upstream: MockUpstream
let proxy: RunningProxy
let openai: OpenAI
let anthropic: Anthropic

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => {
    const dialect = ROUTES[seen.url] ?? 'openai-chat'
    if (seen.body['stream'] !== true) {
      return json(response, JSON.parse(bodyOf(dialect, PIECES.join(''))))
    }
    sse(response)
    const frames = streamOf(dialect, PIECES).match(/[^]*?\n\n/g) ?? []
    const next = (): void => {
      const frame = frames.shift()
      if (frame === undefined) return void response.end()
      response.write(frame)
      setTimeout(next, 1)
    }
    next()
  })
  proxy = await startProxy(upstream.url, {
    admit: (request) => {
      const options: StreamOptions = {
        ...optionsFor(NAMES[request.dialect], actions(stops)),
        finalComment: true,
      }
      return Promise.resolve({
        kind: 'admit',
        binding: undefined,
        transform: ({ stream }) =>
          stream
            ? createStreamTransform(options)
            : createBodyTransform(options, { maxBytes: 1 << 20 }),
      })
    },
  })
  openai = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: 'k', maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: proxy.url, apiKey: 'k', maxRetries: 0 })
})

afterAll(async () => {
  await proxy.close()
  await upstream.close()
})

const user = [{ role: 'user' as const, content: 'hi' }]

describe.each([
  ['redacts', false, CLEAN],
  ['stops', true, CUT],
] as const)('a guard that %s', (_name, isStopping, expected) => {
  const ending = <T>(normal: T, filtered: T): T => (isStopping ? filtered : normal)

  it('speaks to the OpenAI client: chat completions', async () => {
    stops = isStopping
    const stream = openai.chat.completions.stream({ model: 'm', messages: user })
    const final = await stream.finalChatCompletion().catch((error: unknown) => error)
    // The client raises an error of its own for `content_filter`: then the text is read by hand.
    if (!isStopping) expect(final).toMatchObject({ choices: [{ message: { content: expected } }] })
    const raw = await openai.chat.completions.create({ model: 'm', messages: user, stream: true })
    let text = ''
    let reason: string | null | undefined
    for await (const chunk of raw) {
      text += chunk.choices[0]?.delta.content ?? ''
      reason = chunk.choices[0]?.finish_reason ?? reason
    }
    expect([text, reason]).toEqual([expected, ending('stop', 'content_filter')])
    const whole = await openai.chat.completions.create({ model: 'm', messages: user })
    expect(whole.choices[0]).toMatchObject({
      message: { content: expected },
      finish_reason: ending('stop', 'content_filter'),
    })
  })

  it('speaks to the OpenAI client: completions', async () => {
    stops = isStopping
    let text = ''
    for await (const chunk of await openai.completions.create({
      model: 'm',
      prompt: 'p',
      stream: true,
    })) {
      text += chunk.choices[0]?.text ?? ''
    }
    expect(text).toBe(expected)
    const whole = await openai.completions.create({ model: 'm', prompt: 'p' })
    expect(whole.choices[0]?.text).toBe(expected)
  })

  it('speaks to the OpenAI client: responses', async () => {
    stops = isStopping
    const stream = openai.responses.stream({ model: 'm', input: 'hi' })
    let text = ''
    let final = ''
    let last = -1
    for await (const event of stream) {
      if ('sequence_number' in event) {
        expect(event.sequence_number).toBeGreaterThan(last)
        last = event.sequence_number
      }
      if (event.type === 'response.output_text.delta') text += event.delta
      if (event.type === 'response.output_text.done') final = event.text
      if (event.type === 'response.completed' || event.type === 'response.incomplete') {
        expect(event.response.status).toBe(ending('completed', 'incomplete'))
        expect(JSON.stringify(event.response.output)).toContain(
          JSON.stringify(expected).slice(1, -1),
        )
        expect(JSON.stringify(event.response.output)).not.toContain('secret-1')
      }
    }
    expect([text, final]).toEqual([expected, expected])
    const whole = await openai.responses.create({ model: 'm', input: 'hi' })
    expect(whole.output_text).toBe(expected)
  })

  it('speaks to the Anthropic client', async () => {
    stops = isStopping
    const message = { model: 'm', max_tokens: 10, messages: user }
    const final = await anthropic.messages.stream(message).finalMessage()
    expect(final.content).toMatchObject([{ type: 'text', text: expected }])
    expect(final.stop_reason).toBe(ending('end_turn', 'refusal'))
    const whole = await anthropic.messages.create(message)
    expect(whole.content).toMatchObject([{ type: 'text', text: expected }])
    expect(whole.stop_reason).toBe(ending('end_turn', 'refusal'))
  })
})

describe('the upstream of a stopped response', () => {
  it('is cut off', async () => {
    stops = true
    const before = upstream.cut
    const raw = await openai.chat.completions.create({ model: 'm', messages: user, stream: true })
    for await (const _chunk of raw) void _chunk
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(upstream.cut).toBe(before + 1)
  })
})
