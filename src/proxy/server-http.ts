/**
 * The HTTP door: one listener for clients, probes and metrics. Every request ends in exactly one
 * observed exchange; every answer is either the upstream's or an error in the client's own shape.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GuardError } from '../model/errors.ts'
import { toProblem } from './answers.ts'
import { BodyBudget } from './body-budget.ts'
import { Cancel } from './cancel.ts'
import type { CancelSignal } from './cancel.ts'
import { pump, readBody, sendProblem } from './exchange-http.ts'
import { UNCHANGED } from './frames.ts'
import { generate } from './generate-http.ts'
import { requestIdOf, toClientHeaders, toUpstreamHeaders } from './headers.ts'
import type { Outcome, ProxyParts } from './parts.ts'
import { toRoute } from './routes.ts'
import { Running } from './running.ts'
import type { Dialect, Route } from './routes.ts'

export type Proxy = {
  /** Resolves to the address in use; port 0 takes a free one. A string is a Unix socket. */
  readonly listen: (where: { host: string; port: number } | string) => Promise<string>
  /** Takes no more requests, lets running ones end for `drainMs`, then cuts them. */
  readonly close: (drainMs: number) => Promise<void>
  readonly active: () => number
}

const HEADERS_MS = 10_000
const KEEP_ALIVE_MS = 75_000

export function createProxy(parts: ProxyParts): Proxy {
  const running = new Running(parts.limits.requests)
  const budget = new BodyBudget(parts.limits.allBodiesBytes)
  let draining = false
  const server = createServer(
    {
      requestTimeout: parts.limits.requestMs,
      headersTimeout: Math.min(HEADERS_MS, parts.limits.requestMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      if (draining) response.setHeader('connection', 'close')
      void handle(parts, { running, budget, draining }, request, response)
    },
  )
  server.maxConnections = parts.limits.connections
  return {
    active: () => running.size,
    listen: (where) => listen(server, where),
    async close(drainMs) {
      draining = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const cut = setTimeout(() => {
        running.abortAll()
        server.closeAllConnections()
      }, drainMs)
      await closed
      clearTimeout(cut)
    },
  }
}

function listen(server: Server, where: { host: string; port: number } | string): Promise<string> {
  const name = typeof where === 'string' ? where : `${where.host}:${where.port}`
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message
      reject(new GuardError('socket_invalid', `${name}: ${why}`, { cause: error }))
    })
    const done = (): void => {
      const address = server.address() as AddressInfo | string
      const isPath = typeof address === 'string'
      resolve(isPath ? address : `http://${hostOf(address)}:${address.port}`)
    }
    if (typeof where === 'string') server.listen(where, done)
    else server.listen(where.port, where.host, done)
  })
}

const hostOf = (address: AddressInfo): string => {
  if (address.address === '0.0.0.0' || address.address === '::') return '127.0.0.1'
  return address.family === 'IPv6' ? `[${address.address}]` : address.address
}

/** The listener's own state. */
type Door = {
  readonly running: Running
  readonly budget: BodyBudget
  readonly draining: boolean
}

async function handle(
  parts: ProxyParts,
  { running, budget, draining }: Door,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const started = parts.now()
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  if (parts.local?.(request, response) === true) return
  const route = toRoute(request.method ?? 'GET', path, parts.extraRoutes)
  if (route.kind === 'own') return own(parts, route.name, draining, response)
  const requestId = uniqueId(parts, running, request)
  const cancel = new Cancel()
  response.once('close', () => {
    if (!response.writableFinished) cancel.abort()
  })
  let firstByteMs: number | undefined
  const onFirst = (): void => void (firstByteMs = parts.now() - started)
  const onArrived = (): void => running.arrive(requestId)
  const bodies = { maxBytes: parts.limits.bodyBytes, budget }
  const call = { requestId, signal: cancel, bodies, onArrived, onFirst }
  let finished: { outcome: Outcome; stream: boolean } = { outcome: 'failed', stream: false }
  try {
    if (route.kind !== 'closed') running.open(requestId, cancel)
    finished = await perform(parts, route, call, request, response)
  } catch (error) {
    finished = { stream: false, outcome: fail(error, cancel, route, response) }
  } finally {
    running.close(requestId)
    const ms = parts.now() - started
    const status = response.headersSent ? response.statusCode : 499
    const name = route.kind === 'closed' ? 'closed' : path
    parts.observe({ requestId, route: name, status, ms, firstByteMs, ...finished })
  }
}

type Call = {
  readonly requestId: string
  readonly signal: CancelSignal
  readonly bodies: Parameters<typeof readBody>[1]
  /** The request is here as a whole; throws when there is no place for it. */
  readonly onArrived: () => void
  readonly onFirst: () => void
}

async function perform(
  parts: ProxyParts,
  route: Exclude<Route, { kind: 'own' }>,
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ outcome: Outcome; stream: boolean }> {
  if (route.kind === 'generate') {
    return generate(parts, { ...call, dialect: route.dialect }, request, response)
  }
  if (route.kind === 'pass') return pass(parts, call, request, response)
  request.resume()
  const { status, reason: message, allow } = route
  sendProblem(response, { status, message, code: CLOSED_CODES[status], ...(allow && { allow }) })
  return { outcome: 'denied', stream: false }
}

const CLOSED_CODES = { 403: 'route_closed', 404: 'not_found', 405: 'method_not_allowed' } as const

async function pass(
  parts: ProxyParts,
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ outcome: Outcome; stream: boolean }> {
  const method = request.method ?? 'GET'
  const body = method === 'POST' ? await readBody(request, call.bodies) : undefined
  call.onArrived()
  const headers = toUpstreamHeaders(request.headers, call.requestId, body)
  const { signal, onFirst } = call
  const base = { method, path: request.url ?? '/', headers, signal }
  const answer = await parts.upstream.send(body === undefined ? base : { ...base, body })
  response.writeHead(answer.statusCode, toClientHeaders(answer.headers, call.requestId, false))
  const { idleMs } = parts.limits
  await pump(answer.body, response, { transform: UNCHANGED, idleMs, onFirst, signal })
  response.end()
  return { outcome: 'complete', stream: false }
}

/** Answers the failure unless the client is gone. */
function fail(
  error: unknown,
  signal: CancelSignal,
  route: Route,
  response: ServerResponse,
): Outcome {
  if (signal.aborted) {
    response.destroy()
    return 'client_gone'
  }
  const problem = toProblem(error)
  const dialect: Dialect | undefined = route.kind === 'generate' ? route.dialect : undefined
  sendProblem(response, problem, dialect)
  if (problem.code === 'upstream_failed') return 'upstream_failed'
  return problem.status < 500 ? 'invalid' : 'failed'
}

/** Unique among running requests: the step plane follows a request by this name. */
function uniqueId(parts: ProxyParts, running: Running, request: IncomingMessage): string {
  const asked = requestIdOf(request.headers)
  if (asked === undefined) return parts.newId()
  return running.has(asked) ? `${asked}-${parts.newId()}`.slice(0, 160) : asked
}

async function own(
  parts: ProxyParts,
  name: 'health' | 'live' | 'ready' | 'metrics',
  draining: boolean,
  response: ServerResponse,
): Promise<void> {
  if (name === 'metrics') return sendMetrics(parts, response)
  const { ready, checks } = parts.readiness()
  const ok = name === 'live' || (ready && !draining)
  const body = name === 'live' ? { status: 'live' } : { status: statusOf(ok, draining), checks }
  response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

async function sendMetrics(parts: ProxyParts, response: ServerResponse): Promise<void> {
  try {
    const { type, text } = await parts.metrics()
    response.writeHead(200, { 'content-type': type })
    response.end(text)
  } catch (error) {
    sendProblem(response, toProblem(error))
  }
}

const statusOf = (ok: boolean, draining: boolean): string =>
  draining ? 'draining' : ok ? 'ready' : 'not_ready'
