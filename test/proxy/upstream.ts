/** A scripted upstream on a Unix socket: records what came, answers what it is told. */
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProxy } from '../../src/proxy/server-http.ts'
import type { Exchange, ProxyParts } from '../../src/proxy/parts.ts'
import type { Proxy } from '../../src/proxy/server-http.ts'
import { createUpstream } from '../../src/proxy/upstream-http.ts'
import type { UpstreamSettings } from '../../src/proxy/upstream-http.ts'

export type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
}
export type Script = (response: ServerResponse, seen: Seen) => void

export type MockUpstream = {
  readonly url: string
  readonly seen: Seen[]
  script: Script
  /** Answers that were cut before their end. */
  cut: number
  readonly close: () => Promise<void>
}

export const temp = (name: string): string => join(mkdtempSync(join(tmpdir(), 'proxy-')), name)

export async function startUpstream(script: Script): Promise<MockUpstream> {
  const path = temp('vllm.sock')
  const server = createServer((request, response) => void answer(request, response))
  const mock: MockUpstream = {
    url: `unix://${path}`,
    seen: [],
    script,
    cut: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    const { method = '', url = '', headers } = request
    const seen = { method, url, headers, body: text === '' ? {} : JSON.parse(text) }
    mock.seen.push(seen)
    response.once('close', () => {
      if (!response.writableFinished) mock.cut++
    })
    mock.script(response, seen)
  }
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return mock
}

export const sse = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
}
export const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
export const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

export const chunkOf = (delta: object, rest: object = {}): unknown => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...rest }],
})

export const completionOf = (content: string, rest: object = {}): unknown => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', ...rest }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
})

export type RunningProxy = {
  readonly url: string
  readonly proxy: Proxy
  readonly exchanges: Exchange[]
  readonly close: () => Promise<void>
}

export const BINDING = {
  tenant: 'acme',
  policy: 'basic',
  program: 'ab'.repeat(32),
  stopToken: 99,
  spell: (token = 2) => `<|${token}|>`,
  mayAdapt: false,
} as const

export async function startProxy(
  upstreamUrl: string,
  change: Partial<ProxyParts> = {},
  settings: Partial<UpstreamSettings> = {},
): Promise<RunningProxy> {
  const exchanges: Exchange[] = []
  const upstream = createUpstream({
    url: upstreamUrl,
    timeoutMs: 5_000,
    connections: 128,
    attempts: 1,
    backoff: 'constant',
    apiKey: '',
    ...settings,
  })
  let ids = 0
  const proxy = createProxy({
    upstream,
    admit: () => Promise.resolve({ kind: 'admit', binding: BINDING }),
    wasStopped: () => false,
    stopMessage: () => undefined,
    readiness: () => ({ ready: true, checks: [] }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: 'up 1\n' }),
    observe: (exchange) => exchanges.push(exchange),
    extraRoutes: [],
    limits: {
      bodyBytes: 1024 * 1024,
      allBodiesBytes: 64 * 1024 * 1024,
      requests: 64,
      connections: 1024,
      idleMs: 5_000,
      requestMs: 5_000,
    },
    newId: () => `id-${++ids}`,
    now: () => performance.now(),
    ...change,
  })
  const url = await proxy.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    proxy,
    exchanges,
    async close() {
      await proxy.close(0)
      await upstream.close()
    },
  }
}
