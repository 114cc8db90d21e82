/** Small requests of our own to the upstream: which model it serves, and completions for the canary. */
import { randomUUID } from 'node:crypto'
import { GuardError } from '../../model/errors.ts'
import type { Upstream } from '../../proxy/upstream-http.ts'

const TIMEOUT_MS = 60_000
const MAX_BYTES = 1024 * 1024

export type EngineClient = {
  readonly model: () => Promise<string>
  readonly complete: (body: Readonly<Record<string, unknown>>) => Promise<string>
}

export function createEngineClient(upstream: Upstream): EngineClient {
  return {
    async model() {
      const answer = (await send(upstream, 'GET', '/v1/models')) as { data?: { id?: unknown }[] }
      const id = answer.data?.[0]?.id
      if (typeof id === 'string') return id
      throw new GuardError('upstream_failed', `${upstream.name}/v1/models: expected data[0].id`)
    },
    async complete(body) {
      const answer = (await send(upstream, 'POST', '/v1/completions', body)) as {
        choices?: { text?: unknown }[]
      }
      const text = answer.choices?.[0]?.text
      if (typeof text === 'string') return text
      throw new GuardError('upstream_failed', `${upstream.name}/v1/completions: expected a text`)
    },
  }
}

async function send(
  upstream: Upstream,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const headers = { 'content-type': 'application/json', 'x-request-id': randomUUID() }
  const base = { method, path, headers, signal }
  const answer = await upstream.send(bytes === undefined ? base : { ...base, body: bytes })
  const text = (await answer.body.bytes(MAX_BYTES, `${upstream.name}${path}`)).toString('utf8')
  if (answer.statusCode !== 200) {
    const what = `${path}: HTTP ${answer.statusCode}: ${text.slice(0, 300)}`
    throw new GuardError('upstream_failed', `${upstream.name}${what}`)
  }
  return JSON.parse(text) as unknown
}
