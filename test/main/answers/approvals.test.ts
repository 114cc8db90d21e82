/** Calls that wait for a person, end to end: held, listed, answered or expired. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { chunkOf, completionOf, event, json, sse } from '../../proxy/upstream.ts'
import type { Script } from '../../proxy/upstream.ts'
import { startSite } from '../site.ts'
import type { Site } from '../site.ts'

const policy = (seconds: number): string => `name: site
tools:
  rules:
    pay:
      values:
        - { path: amount, allow: { max: 100 }, otherwise: { step_up_seconds: ${seconds} } }
rules: []
`
const call = { id: 'c', type: 'function', function: { name: 'pay', arguments: '{"amount":500}' } }

const pays: Script = (response, { body }) => {
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: null, tool_calls: [call] }
    return json(response, completionOf('', { message, finish_reason: 'tool_calls' }))
  }
  sse(response)
  response.write(event(chunkOf({ tool_calls: [{ index: 0, ...call }] })))
  response.end(`${event(chunkOf({}, { finish_reason: 'tool_calls' }))}data: [DONE]\n\n`)
}

let site: Site | undefined
afterEach(() => site?.close())

const start = async (seconds: number): Promise<string> => {
  site = await startSite('proxy', { policies: [policy(seconds)], script: pays })
  return site.url
}
const ask = async (url: string, stream: boolean): Promise<string> => {
  const messages = [{ role: 'user', content: 'Pay 500.' }]
  const body = JSON.stringify({ model: 'm', messages, stream })
  return (await fetch(`${url}/v1/chat/completions`, { method: 'POST', body })).text()
}
type Waiting = { readonly id: string; readonly tool: string }
const waiting = async (url: string): Promise<readonly Waiting[]> => {
  const list = (await (await fetch(`${url}/admin/approvals`)).json()) as { approvals: Waiting[] }
  return list.approvals
}
const untilOneWaits = async (url: string): Promise<Waiting> => {
  for (let i = 0; i < 400; i++) {
    const [first] = await waiting(url)
    if (first !== undefined) return first
    await sleep(20)
  }
  throw new Error('no call waits')
}
const answer = (url: string, id: string, decision: string) =>
  fetch(`${url}/admin/approvals/${id}`, {
    method: 'POST',
    body: JSON.stringify({ decision, by: 'ann' }),
  })

describe('approvals', () => {
  it.each([
    [true, 'approve', true],
    [false, 'approve', true],
    [true, 'deny', false],
    [false, 'deny', false],
  ])('holds a call until it is answered, stream: %s, %s', async (stream, decision, isMade) => {
    const url = await start(60)
    const asked = ask(url, stream)
    const pending = await untilOneWaits(url)
    expect(pending).toMatchObject({ tool: 'pay' })
    expect((await answer(url, pending.id, 'perhaps')).status).toBe(400)
    expect(await (await answer(url, pending.id, decision)).json()).toMatchObject({ by: 'ann' })
    const text = await asked
    expect(text.includes('500')).toBe(isMade)
    if (!isMade) expect(text).toContain('was refused')
    expect(await waiting(url)).toEqual([])
    expect((await answer(url, pending.id, decision)).status).toBe(404)
  })

  it('refuses a call that nobody answers in time', async () => {
    const url = await start(0.3)
    expect(await ask(url, true)).toContain('not approved in time')
  })
})
