import { afterEach, describe, expect, it } from 'vitest'
import { createEngineClient } from '../../../src/main/answers/ask-http.ts'
import { createUpstream } from '../../../src/proxy/upstream-http.ts'
import { json, startUpstream } from '../../proxy/upstream.ts'
import type { MockUpstream, Script } from '../../proxy/upstream.ts'

let upstream: MockUpstream
afterEach(() => upstream.close())

async function clientOf(script: Script) {
  upstream = await startUpstream(script)
  const settings = { timeoutMs: 5_000, connections: 4, attempts: 1, apiKey: '' } as const
  return createEngineClient(createUpstream({ url: upstream.url, backoff: 'constant', ...settings }))
}

describe('createEngineClient', () => {
  it('asks for the model and for completions', async () => {
    const client = await clientOf((response, { url }) =>
      json(response, url === '/v1/models' ? { data: [{ id: 'm' }] } : { choices: [{ text: 'a' }] }),
    )
    expect(await client.model()).toBe('m')
    expect(await client.complete({ prompt: 'x' })).toBe('a')
  })

  it('says where an answer is too long, what was wanted and what came', async () => {
    const client = await clientOf((response) => json(response, { data: 'x'.repeat(2 ** 20) }))
    const message =
      /\/v1\/models: expected an answer of at most 1048576 bytes, got more \(\d+ so far\)/
    await expect(client.model()).rejects.toMatchObject({ code: 'upstream_failed' })
    await expect(client.model()).rejects.toThrow(message)
    await expect(client.complete({})).rejects.toThrow(/\/v1\/completions: expected an answer/)
  })
})
