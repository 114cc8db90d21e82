/**
 * The playground's HTTP door: the page, its state, a run, and the policy editor.
 *
 * Off unless configuration asks for it, because it shows what models wanted before masking. Answers
 * carry a Content Security Policy that allows nothing from outside and no inline script.
 */
import { createReadStream, existsSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import type { Feed } from '../feed/feed.ts'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import type { Preset } from './presets.ts'
import { merge, runSide, toRunEvents } from './run.ts'
import type { Ask, RunEvent, Side } from './run.ts'

export type Mistake = { readonly line?: number; readonly column?: number; readonly message: string }

export type PolicyView = { readonly name: string; readonly revision: string; readonly text: string }

export type AskRequest = {
  readonly side: Side
  readonly body: Readonly<Record<string, unknown>>
  readonly signal: AbortSignal
}

export type PlaygroundParts = {
  /** Folder of index.html, app.js, style.css. */
  readonly pageDir: string
  /** Folder of the curve library's distribution. */
  readonly vendorDir: string
  readonly presets: readonly Preset[]
  readonly state: () => {
    readonly engine: {
      readonly attached: boolean
      readonly name: string
      readonly version: string
      readonly model: string
    }
    readonly policy: PolicyView
  }
  /** Compiles and puts in force; mistakes leave the last good policy where it was. */
  readonly apply: (text: string) => Promise<readonly Mistake[]>
  /** Sends a chat request to the engine as the proxy would. */
  readonly ask: (request: AskRequest) => Promise<Ask>
  readonly events: Feed<GuardEvent>
  readonly now: () => number
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

const PAGE = ['index.html', 'app.js', 'style.css']
const VENDOR = ['uPlot.esm.js', 'uPlot.min.css']
const MAX_BODY_BYTES = 1 << 20
const MAX_QUEUE = 4096
/** Steps are reported in groups: the last ones arrive shortly after the text. */
const LAST_STEPS_MS = 200

/** Handles the request when it is for the playground; false otherwise. */
export type Playground = (request: IncomingMessage, response: ServerResponse) => boolean

export function createPlayground(parts: PlaygroundParts): Playground {
  return (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    if (path !== '/' && path !== '/playground' && !path.startsWith('/playground/')) return false
    if (path === '/' && request.method !== 'GET') return false
    handle(parts, path, request, response).catch((error: unknown) => fail(response, error))
    return true
  }
}

async function handle(
  parts: PlaygroundParts,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method } = request
  if (path === '/') {
    response.writeHead(302, { location: '/playground' }).end()
  } else if (path === '/playground/api/state' && method === 'GET') {
    sendJson(response, 200, { ...parts.state(), presets: parts.presets })
  } else if (path === '/playground/api/run' && method === 'POST') {
    await run(parts, request, response)
  } else if (path === '/playground/api/policy' && method === 'PUT') {
    await putPolicy(parts, request, response)
  } else if (method === 'GET' || method === 'HEAD') {
    sendFile(parts, path.slice('/playground'.length).replace(/^\/$/, ''), method, response)
  } else sendJson(response, 405, { error: { message: `${method} ${path} is not known here` } })
}

/** Only files of the two lists; a path is never joined from what came. */
function sendFile(
  parts: PlaygroundParts,
  path: string,
  method: string,
  response: ServerResponse,
): void {
  const name = path === '' ? 'index.html' : path.slice(1)
  const vendor = name.startsWith('vendor/') ? name.slice('vendor/'.length) : undefined
  const file =
    vendor === undefined
      ? PAGE.includes(name) && join(parts.pageDir, name)
      : VENDOR.includes(vendor) && join(parts.vendorDir, vendor)
  if (file === false || !existsSync(file)) {
    sendJson(response, 404, { error: { message: `${name} is not a file of the playground` } })
    return
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': statSync(file).size,
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  })
  if (method === 'HEAD') response.end()
  else createReadStream(file).pipe(response)
}

async function putPolicy(
  parts: PlaygroundParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const errors = await parts.apply((await readBody(request)).toString('utf8'))
  // A mistake in the text is an answer of the editor, not a failure of the request.
  sendJson(response, 200, errors.length > 0 ? { errors } : { policy: parts.state().policy })
}

async function run(
  parts: PlaygroundParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = toChatBody(parts.presets, await readBody(request))
  const stop = new AbortController()
  response.on('close', () => stop.abort())
  const sides: readonly Side[] = ['plain', 'guarded']
  const asks = await Promise.all(
    sides.map((side) => parts.ask({ side, body, signal: stop.signal })),
  )
  const guarded = asks[1]?.requestId
  const events = parts.events.subscribe(
    MAX_QUEUE,
    (event) => 'requestId' in event && event.requestId === guarded,
  )
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const streams = asks.map((ask, index) => runSide(sides[index] ?? 'plain', ask, parts.now))
  try {
    for await (const event of merge<RunEvent>(
      [...streams, stepEvents(events)],
      streams.length,
      lastSteps,
    )) {
      if (stop.signal.aborted) break
      if (!response.write(`data: ${JSON.stringify(event)}\n\n`)) await drained(response)
    }
  } finally {
    events.close()
    response.end()
  }
}

const lastSteps = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LAST_STEPS_MS))

async function* stepEvents(
  events: AsyncIterable<GuardEvent | { kind: 'lost'; count: number }>,
): AsyncGenerator<RunEvent> {
  for await (const event of events) if (event.kind !== 'lost') yield* toRunEvents(event)
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

type Wish = {
  readonly preset?: unknown
  readonly prompt?: unknown
  readonly temperature?: unknown
  readonly max_tokens?: unknown
  readonly seed?: unknown
}

/** The chat request of a run: a preset's messages when its prompt was not edited, else one turn. */
function toChatBody(presets: readonly Preset[], bytes: Buffer): Record<string, unknown> {
  const wish = JSON.parse(bytes.toString('utf8')) as Wish
  const preset = presets.find((item) => item.id === wish.preset)
  const prompt = typeof wish.prompt === 'string' ? wish.prompt : ''
  if (preset === undefined && prompt.trim() === '') {
    throw new GuardError('request_invalid', 'prompt: expected some text, got none')
  }
  return {
    messages: preset?.messages ?? [{ role: 'user', content: prompt }],
    ...(preset?.tools === undefined ? {} : { tools: preset.tools }),
    temperature: toNumber(wish.temperature, 'temperature', 0, 2) ?? 0,
    max_tokens: toNumber(wish.max_tokens, 'max_tokens', 1, 2000) ?? 96,
    seed: toNumber(wish.seed, 'seed', -(2 ** 31), 2 ** 31) ?? 7,
    stream: true,
    return_token_ids: true,
    return_tokens_as_token_ids: true,
    logprobs: true,
    top_logprobs: 8,
  }
}

function toNumber(value: unknown, name: string, low: number, high: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value >= low && value <= high) return value
  throw new GuardError(
    'request_invalid',
    `${name}: expected a number from ${low} to ${high}, got ${JSON.stringify(value)}`,
  )
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) {
      throw new GuardError('request_invalid', `body: expected at most ${MAX_BODY_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  response.end(JSON.stringify(value))
}

function fail(response: ServerResponse, error: unknown): void {
  const known = error instanceof GuardError || error instanceof SyntaxError
  const message = error instanceof Error ? error.message : String(error)
  if (response.headersSent) response.end()
  else sendJson(response, known ? 400 : 502, { error: { message } })
}
