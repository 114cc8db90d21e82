/** Headers of whole answers and trailers of streams tell the same, in every dialect and mode. */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { RuleFiring } from '../../../src/model/decision.ts'
import type { DialectName } from '../../../src/stream/guard-options.ts'
import { sse } from '../../proxy/upstream.ts'
import type { Script } from '../../proxy/upstream.ts'
import { bodyOf, DIALECTS, streamOf } from '../../stream/streams.ts'
import { ANSWER_RULES, MODES, startSite } from '../site.ts'
import type { Site } from '../site.ts'

const POLICY = `name: site of é
rules:
${ANSWER_RULES}  - name: watching
    mode: monitor
    trigger: { type: keywords, any: [watcher] }
    actions: [{ type: redact, replacement: '[seen]' }]
  - name: asked
    phase: ingress
    trigger: { type: keywords, any: [passphrase] }
    actions: [{ type: redact, replacement: word }]
  - name: warned
    phase: ingress
    trigger: { type: keywords, any: [bonds] }
    actions: [{ type: inject, content: Not advice., position: after }]
  - name: refused
    phase: ingress
    trigger: { type: keywords, any: [contraband] }
    actions: [{ type: stop, message: Not here. }]
`

type Case = { readonly name: string; readonly says: string; readonly told: string }
const cases = parse(
  readFileSync(join(import.meta.dirname, '../../data/main/told.yaml'), 'utf8'),
) as readonly Case[]

const PATHS: Readonly<Record<DialectName, string>> = {
  'openai-chat': '/v1/chat/completions',
  'openai-completions': '/v1/completions',
  'openai-responses': '/v1/responses',
  'anthropic-messages': '/v1/messages',
}

/** A request that carries the text as its prompt, which the upstream then says. */
function askFor(dialect: DialectName, text: string, stream: boolean): object {
  const messages = [{ role: 'user', content: text }]
  const prompts: Record<DialectName, object> = {
    'openai-chat': { messages },
    'openai-completions': { prompt: text },
    'openai-responses': { input: text },
    'anthropic-messages': { messages, max_tokens: 99 },
  }
  return { model: 'm', stream, ...prompts[dialect] }
}

const says: Script = (response, { url, body }) => {
  const dialect = DIALECTS.find((name) => PATHS[name] === url) ?? 'openai-chat'
  const [message] = (body['messages'] ?? []) as readonly { readonly content: string }[]
  const text = String(body['prompt'] ?? body['input'] ?? message?.content)
  if (body['stream'] === true) {
    sse(response)
    response.end(streamOf(dialect, [...text]))
    return
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(bodyOf(dialect, text))
}

type Told = {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly trailers: Readonly<Record<string, unknown>>
  readonly bytes: Buffer
}

/** Through `node:http`: fetch shows no trailers. */
function post(url: string, body: object, more: Record<string, string> = {}): Promise<Told> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', te: 'trailers', ...more }
    const sent = request(url, { method: 'POST', headers }, (response) => {
      const pieces: Buffer[] = []
      response.on('error', reject)
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () => {
        const bytes = Buffer.concat(pieces)
        const { statusCode: status, trailers } = response
        resolve({ headers: response.headers, status, trailers, bytes })
      })
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

type Decision = { readonly channel: string; readonly firings: readonly RuleFiring[] }

/** `rule=action` of what the last comment of a stream tells, where it tells each firing once. */
function commentOf(bytes: Buffer): string {
  const said = [...bytes.toString().matchAll(/^: checkstream (.*)$/gm)].map(([, text]) => text)
  expect(said).toHaveLength(1)
  const { decisions } = JSON.parse(said[0] ?? '') as { decisions: readonly Decision[] }
  const keys = decisions.flatMap(({ channel, firings }) =>
    firings.map(({ rule, phase, span }) => [channel, rule, phase, span].join(' ')),
  )
  expect(new Set(keys).size).toBe(keys.length)
  const pairs = decisions.flatMap(({ firings }) =>
    firings.map(({ rule, action }) => `${rule}=${action}`),
  )
  return [...new Set(pairs)].join(', ') || 'none'
}

describe.each(MODES)('%s mode', (mode) => {
  let site: Site
  beforeAll(async () => {
    site = await startSite(mode, { policies: [POLICY], script: says })
  }, 60_000)
  afterAll(() => site.close())

  describe.each(DIALECTS)('%s', (dialect) => {
    const ask = (text: string, stream: boolean, more?: Record<string, string>): Promise<Told> =>
      post(`${site.url}${PATHS[dialect]}`, askFor(dialect, text, stream), more)

    it.each(cases)('$name', async ({ says: text, told }) => {
      const whole = await ask(text, false)
      expect(whole.headers['x-checkstream-decisions']).toBe(told)
      expect(whole.trailers).toEqual({})
      const streamed = await ask(text, true)
      expect(streamed.headers['trailer']).toBe('x-checkstream-decisions')
      expect(streamed.headers['x-checkstream-decisions']).toBeUndefined()
      expect(streamed.trailers['x-checkstream-decisions']).toBe(told)
      for (const { headers } of [whole, streamed]) {
        expect(headers['x-checkstream-policy']).toBe(encodeURIComponent('site of é'))
        expect(headers['x-checkstream-revision']).toMatch(/^[0-9a-f]{16}$/)
      }
    })

    it.each([false, true])('a request that is refused, stream %s', async (stream) => {
      const { headers, status, trailers } = await ask('The passphrase for contraband.', stream)
      expect(status).toBe(403)
      expect(headers['x-checkstream-decisions']).toBe('asked=redact, refused=stop')
      expect(headers['x-checkstream-policy']).toBe(encodeURIComponent('site of é'))
      expect(headers['x-checkstream-revision']).toMatch(/^[0-9a-f]{16}$/)
      expect(trailers).toEqual({})
    })

    it.each(cases)('$name: the last comment tells the same, each firing once', async (one) => {
      const { bytes, trailers } = await ask(one.says, true, { 'x-checkstream-decisions': 'event' })
      expect(trailers['x-checkstream-decisions']).toBe(one.told)
      expect(commentOf(bytes)).toBe(one.told)
    })
  })
})

describe('a policy that looks at requests only', () => {
  let site: Site
  beforeAll(async () => {
    const rules = POLICY.slice(
      POLICY.indexOf('  - name: asked'),
      POLICY.indexOf('  - name: warned'),
    )
    const policies = [`name: asks\nrules:\n${rules}`]
    site = await startSite('proxy', { policies, script: says })
  }, 60_000)
  afterAll(() => site.close())

  it.each(DIALECTS)('%s: is told of in the last comment too', async (dialect) => {
    const url = `${site.url}${PATHS[dialect]}`
    const events = { 'x-checkstream-decisions': 'event' }
    for (const [text, told] of [
      ['The passphrase.', 'asked=redact'],
      ['Hello.', 'none'],
    ] as const) {
      const { bytes, trailers } = await post(url, askFor(dialect, text, true), events)
      expect(commentOf(bytes)).toBe(told)
      expect(trailers['x-checkstream-decisions']).toBe(told)
      const whole = await post(url, askFor(dialect, text, false), events)
      expect(whole.headers['x-checkstream-decisions']).toBe(told)
    }
  })
})
