import { createServer, request } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { GuardError } from '../../src/model/errors.ts'
import { createAdmin } from '../../src/admin/http.ts'
import { createFeed } from '../../src/feed/feed.ts'
import type { GuardEvent } from '../../src/model/event.ts'
import type { StepStatus } from '../../src/model/status.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

const STATUS: StepStatus = {
  version: '1',
  engines: [],
  vocabularies: [],
  liveRows: 0,
  totals: {
    steps: 0,
    tokens: 0,
    divergences: 0,
    violations: 0,
    gaps: 0,
    unmaskedRows: 0,
    foreignPrograms: 0,
    evictedRows: 0,
  },
}

type Setup = { readonly port: number; readonly feed: ReturnType<typeof createFeed<GuardEvent>> }

async function serve(access: 'off' | 'local' | 'on', error?: string): Promise<Setup> {
  const feed = createFeed<GuardEvent>()
  const admin = createAdmin({
    access,
    events: feed,
    reload: async () => ({ revision: 'r2', error }),
    status: () => STATUS,
    canary: async () => ({ ok: true, detail: 'masks bind' }),
    standing: () => [{ kind: 'policy', revision: 'r1' }],
    approvals: {
      list: () => [{ id: 'a1', tool: 'transfer' }],
      answer: (id, kind, by) => {
        if (id !== 'a1') throw new GuardError('request_invalid', `approval ${id}: nothing waits`)
        return { kind, by }
      },
    },
  })
  const server = createServer((req, res) => {
    if (!admin(req, res)) res.writeHead(404).end('not ours')
  })
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { port: (server.address() as AddressInfo).port, feed }
}

type Call = {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
}

function call(
  port: number,
  { method = 'GET', path, headers = {} }: Call,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers }, resolve).on('error', reject).end()
  })
}

async function text(message: IncomingMessage): Promise<string> {
  let out = ''
  for await (const chunk of message) out += String(chunk)
  return out
}

describe('createAdmin', () => {
  it('tells what holds already, then streams events as they happen', async () => {
    const { port, feed } = await serve('local')
    const answer = await call(port, { path: '/admin/events' })
    let heard = ''
    answer.setEncoding('utf8').on('data', (part: string) => (heard += part))
    const standing = 'data: {"kind":"policy","revision":"r1"}\n\n'
    await expect.poll(() => heard).toBe(standing)
    feed.publish({ kind: 'closed', requestId: 'r', tokens: 3 })
    const closed = 'data: {"kind":"closed","requestId":"r","tokens":3}\n\n'
    await expect.poll(() => heard).toBe(standing + closed)
    answer.destroy()
  })

  it('reloads, and says why newer files are not in force', async () => {
    const good = await serve('local')
    const reload = { method: 'POST', path: '/admin/policies/reload' }
    const answer = await call(good.port, reload)
    expect([answer.statusCode, await text(answer)]).toEqual([200, '{"revision":"r2"}\n'])
    const bad = await serve('local', 'demo.yaml:3:1 ruels: unknown key')
    const refused = await call(bad.port, reload)
    expect(refused.statusCode).toBe(422)
    expect(await text(refused)).toContain('ruels: unknown key')
  })

  it('tells the status and runs the canary, for doctor', async () => {
    const { port } = await serve('local')
    const status = await text(await call(port, { path: '/admin/status' }))
    expect(JSON.parse(status)).toEqual(STATUS)
    const canary = await call(port, { method: 'POST', path: '/admin/canary' })
    expect(JSON.parse(await text(canary))).toEqual({ ok: true, detail: 'masks bind' })
  })

  it.each([
    ['a foreign Host', 'local', { host: 'attacker.example' }],
    ['a foreign Origin', 'local', { origin: 'https://attacker.example' }],
    ['everyone when it is off', 'off', {}],
  ] as const)('refuses %s', async (_what, access, headers) => {
    const { port } = await serve(access)
    const answer = await call(port, { path: '/admin/events', headers })
    expect(answer.statusCode).toBe(403)
    answer.resume()
  })

  it('leaves other paths to others and names what is open', async () => {
    const { port } = await serve('on')
    expect(await text(await call(port, { path: '/v1/models' }))).toBe('not ours')
    expect(await text(await call(port, { path: '/admin/nothing' }))).toContain('GET /admin/events')
  })
})
