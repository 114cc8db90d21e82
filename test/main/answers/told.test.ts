/** Headers of whole answers and trailers of streams tell the same, in every dialect and mode. */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
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
  readonly headers: Readonly<Record<string, unknown>>
  readonly trailers: Readonly<Record<string, unknown>>
}

/** Through `node:http`: fetch shows no trailers. */
function post(url: string, body: object): Promise<Told> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', te: 'trailers' }
    const sent = request(url, { method: 'POST', headers }, (response) => {
      response.on('error', reject)
      response.on('end', () => resolve({ headers: response.headers, trailers: response.trailers }))
      response.resume()
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

describe.each(MODES)('%s mode', (mode) => {
  let site: Site
  beforeAll(async () => {
    site = await startSite(mode, { policies: [POLICY], script: says })
  }, 60_000)
  afterAll(() => site.close())

  describe.each(DIALECTS)('%s', (dialect) => {
    const ask = (text: string, stream: boolean): Promise<Told> =>
      post(`${site.url}${PATHS[dialect]}`, askFor(dialect, text, stream))

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
  })
})
