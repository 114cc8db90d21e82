import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/file.ts'
import { startSidecar } from '../../src/main.ts'
import type { Sidecar } from '../../src/main.ts'
import { completionOf, json, temp } from '../proxy/upstream.ts'
import { naiveKit, startFakeEngine } from './fake-engine.ts'
import type { FakeEngine } from './fake-engine.ts'

const open: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

const POLICY = (word: string) => `name: words
on_failure: resident
rules:
  - name: no-${word}
    trigger: { type: keywords, any: [${word}] }
    actions: [{ type: ban }]
`

async function start(
  settings: readonly string[] = [],
): Promise<{ sidecar: Sidecar; engine: FakeEngine; socket: string; policies: string }> {
  const engine = await startFakeEngine((response) => json(response, completionOf('hello')))
  open.push(engine.upstream.close)
  const socket = temp('checkstream.sock')
  const policies = join(dirname(socket), 'policies')
  mkdirSync(policies)
  writeFileSync(join(policies, 'words.yaml'), POLICY('zebra'))
  const banned = join(dirname(socket), 'banned.json')
  writeFileSync(banned, '["quokka"]')
  const set = [
    `vllm.socket=${socket}`,
    `backend.url=${engine.upstream.url}`,
    `policies.path=${policies}`,
    `guardrails.preventive.logit_masking.banned_tokens_file=${banned}`,
    'server.host=127.0.0.1',
    'server.port=0',
    'server.drain=100ms',
    'telemetry.log_level=silent',
    ...settings,
  ].map((item) => {
    const at = item.indexOf('=')
    return { path: item.slice(0, at).split('.'), text: item.slice(at + 1), from: '--set' }
  })
  const sidecar = await startSidecar(loadConfig({ flags: set, env: {} }), naiveKit())
  open.push(sidecar.stop)
  return { sidecar, engine, socket, policies }
}

const SLOW = { timeout: 20_000 }

/** What the engine was told of the last chat request. */
const lastXargs = (engine: FakeEngine): Record<string, unknown> => {
  const last = engine.upstream.seen.findLast(({ url }) => url === '/v1/chat/completions')
  return last?.body['vllm_xargs'] as Record<string, unknown>
}

const chat = (url: string) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
  })

describe('startSidecar', () => {
  it('becomes ready only after a canary has proved that masks bind', async () => {
    const { sidecar, engine, socket } = await start()
    engine.binds = false
    expect(sidecar.readiness().ready).toBe(false)
    expect((await fetch(`${sidecar.url}/health/live`)).status).toBe(200)
    const client = engine.attach(socket)
    open.push(() => client.close())
    await expect
      .poll(() => sidecar.readiness().checks.find(({ name }) => name === 'canary')?.detail, SLOW)
      .toMatch(/masks do not bind/)
    expect((await fetch(`${sidecar.url}/health/ready`)).status).toBe(503)
    engine.binds = true
    await expect.poll(() => sidecar.readiness().ready, SLOW).toBe(true)
    expect((await fetch(`${sidecar.url}/health`)).status).toBe(200)
    client.close()
    await expect.poll(() => sidecar.readiness().ready, SLOW).toBe(false)
  })

  it('pins the program of the policy to every request', async () => {
    const { sidecar, engine, socket } = await start()
    const client = engine.attach(socket)
    open.push(() => client.close())
    await expect.poll(() => sidecar.readiness().ready, SLOW).toBe(true)
    const answer = await chat(sidecar.url)
    expect(answer.status).toBe(200)
    const xargs = lastXargs(engine)
    expect(xargs['checkstream_policy']).toBe('words')
    expect(xargs['checkstream_program']).toMatch(/^[0-9a-f]{64}$/)
    const text = await (await fetch(`${sidecar.url}/metrics`)).text()
    expect(text).toMatch(/checkstream_ready 1/)
    expect(text).toMatch(/checkstream_http_requests_total\{route="\/v1\/chat\/completions"/)
  })

  it('swaps policies, and keeps the last good ones over a mistake', async () => {
    const { sidecar, engine, socket, policies } = await start()
    const client = engine.attach(socket)
    open.push(() => client.close())
    const program = async (): Promise<unknown> => {
      expect((await chat(sidecar.url)).status).toBe(200)
      return lastXargs(engine)['checkstream_program']
    }
    const first = await program()
    writeFileSync(join(policies, 'words.yaml'), POLICY('panda'))
    expect((await sidecar.reload()).error).toBeUndefined()
    const second = await program()
    expect(second).not.toBe(first)
    writeFileSync(join(policies, 'words.yaml'), 'name: words\nrulez: []\n')
    expect((await sidecar.reload()).error).toMatch(/did you mean rules/)
    expect(await program()).toBe(second)
    const check = sidecar.readiness().checks.find(({ name }) => name === 'policies')
    expect(check?.detail).toMatch(/rulez.*did you mean rules/s)
  })

  it('refuses what could not be masked, unless the policy is open', async () => {
    const { sidecar } = await start()
    const refused = await chat(sidecar.url)
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('no engine is attached')
  })

  it('leaves nothing behind when it cannot start', async () => {
    const { socket } = await start()
    await expect(start([`vllm.socket=${socket}`])).rejects.toThrow('another process listens there')
    await expect(start(['policies.path=/nowhere'])).rejects.toThrow('/nowhere')
  })
})
