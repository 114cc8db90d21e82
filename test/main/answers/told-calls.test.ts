/** The decision log of the whole program: of text in tool calls it says what came to be. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { DialectName } from '../../../src/stream/guard-options.ts'
import { sse, temp } from '../../proxy/upstream.ts'
import type { Script } from '../../proxy/upstream.ts'
import { CALL_BODIES, CALL_STREAMS } from '../../stream/call-streams.ts'
import type { CallDialect } from '../../stream/call-streams.ts'
import { startSite } from '../site.ts'

const POLICY = `name: site
rules:
  - name: accounts
    trigger: { type: pattern, pattern: 'ACC-[0-9]{6}' }
    actions: [{ type: redact, replacement: '[account]' }]
  - name: pay-here
    trigger: { type: tool, name: pay }
    actions: [{ type: rewrite_tool, argument: account, value: ACC-000001 }]
`

const PATHS: Readonly<Record<CallDialect, string>> = {
  'openai-chat': '/v1/chat/completions',
  'openai-responses': '/v1/responses',
  'anthropic-messages': '/v1/messages',
}
const DIALECTS = Object.keys(PATHS) as readonly CallDialect[]

const CALLS = [
  { account: 'ACC-000001', note: 'for ACC-123456' },
  { account: 'ACC-654321', note: 'rent' },
].map((call) => ({ name: 'pay', arguments: JSON.stringify(call) }))

/** Says the calls; for the model `cut` the beginning of the first one, and then nothing. */
const script: Script = (response, { url, body }) => {
  const dialect = DIALECTS.find((one) => PATHS[one] === url) ?? 'openai-chat'
  if (body['stream'] !== true) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(CALL_BODIES[dialect](CALLS))
    return
  }
  sse(response)
  const text = CALL_STREAMS[dialect](CALLS)
  if (body['model'] !== 'cut') return void response.end(text)
  response.write(`${text.split('\n\n').slice(0, 9).join('\n\n')}\n\n`)
}

const requestOf = (dialect: DialectName, model: string, stream: boolean): string => {
  const content = 'Pay the rent.'
  const asked =
    dialect === 'openai-responses'
      ? { input: content }
      : { messages: [{ role: 'user', content }], max_tokens: 99 }
  return JSON.stringify({ model, stream, ...asked })
}

type Line = { readonly rule: string; readonly action: string; readonly message?: string }

describe('the decision log', () => {
  it('says what came to be of text in calls, in every dialect, streamed and whole', async () => {
    const file = temp('decisions.jsonl')
    const settings = { 'telemetry.decisions': file, 'telemetry.mode': 'full_evidence' }
    const site = await startSite('proxy', { policies: [POLICY], script, settings })
    const headers = { 'content-type': 'application/json' }
    for (const dialect of DIALECTS) {
      for (const stream of [true, false]) {
        const body = requestOf(dialect, `${dialect} ${stream}`, stream)
        const answer = await fetch(site.url + PATHS[dialect], { method: 'POST', headers, body })
        const text = await answer.text()
        expect(text).not.toMatch(/ACC-123456|ACC-654321/)
      }
    }
    const gone = new AbortController()
    const request = fetch(site.url + PATHS['openai-chat'], {
      method: 'POST',
      headers,
      body: requestOf('openai-chat', 'cut', true),
      signal: gone.signal,
    })
    const cut = await request
    await sleep(200)
    gone.abort()
    await cut.text().catch(() => undefined)
    await expect.poll(() => readFileSync(file, 'utf8'), { timeout: 9_000 }).toContain('"cut"')
    await site.close()
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    const all = lines.map((line) => JSON.parse(line) as Line & { model: string; text?: string })
    const of = (model: string): string[] =>
      all
        .filter((line) => line.model === model)
        .map(({ rule, action, text = '' }) =>
          `${rule} ${action} ${action === 'rewrite_tool' ? '' : text}`.trim(),
        )
    for (const dialect of DIALECTS) {
      for (const stream of [true, false]) {
        expect(of(`${dialect} ${stream}`), `${dialect} ${stream}`).toEqual([
          'pay-here rewrite_tool',
          'accounts redact ACC-123456',
          'accounts redact ACC-123456',
          'pay-here rewrite_tool',
          'accounts note ACC-654321',
          'accounts note ACC-654321',
        ])
      }
    }
    expect(of('cut')).toEqual(['accounts note ACC-000001', 'accounts note ACC-000001'])
    expect(all.find(({ model }) => model === 'cut')?.message).toContain('the answer ended')
  }, 60_000)
})
