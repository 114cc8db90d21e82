/**
 * The playground's HTTP door: the page, its state, a run, and the policy editor.
 *
 * Off unless configuration asks for it, because it shows what models wanted before masking.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Feed } from '../feed/feed.ts'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import { toChatBody } from './chat-body.ts'
import { openPageFiles } from './page-files.ts'
import type { PageFiles } from './page-files.ts'
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
  /** Folder of index.html, its modules and its style. */
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

const SIDES: readonly Side[] = ['plain', 'guarded']
const MAX_BODY_BYTES = 1 << 20
const MAX_QUEUE = 4096
/** Steps are reported in groups: the last ones arrive shortly after the text. */
const LAST_STEPS_MS = 200

/** Handles the request when it is for the playground; false otherwise. */
export type Playground = (request: IncomingMessage, response: ServerResponse) => boolean

export function createPlayground(parts: PlaygroundParts): Playground {
  const files = openPageFiles(parts.pageDir, parts.vendorDir)
  return (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    if (path !== '/' && path !== '/playground' && !path.startsWith('/playground/')) return false
    if (path === '/' && request.method !== 'GET') return false
    handle({ ...parts, files }, path, request, response).catch((error: unknown) =>
      fail(response, error),
    )
    return true
  }
}

async function handle(
  parts: PlaygroundParts & { readonly files: PageFiles },
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
    const name = path.slice('/playground/'.length)
    if (!parts.files(name, method === 'HEAD', response)) {
      sendJson(response, 404, { error: { message: `${name} is not a file of the playground` } })
    }
  } else sendJson(response, 405, { error: { message: `${method} ${path} is not known here` } })
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
  const body = toChatBody(parts.presets, (await readBody(request)).toString('utf8'))
  const stop = new AbortController()
  response.on('close', () => stop.abort())
  const [plain, guarded] = await Promise.all(
    SIDES.map((side) => parts.ask({ side, body, signal: stop.signal })),
  )
  if (plain === undefined || guarded === undefined) return
  const events = parts.events.subscribe(
    MAX_QUEUE,
    (event) => 'requestId' in event && event.requestId === guarded.requestId,
  )
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const isGreedy = body.temperature === 0
  const { now } = parts
  const sources = [
    runSide({ side: 'plain', ask: plain, isGreedy, now }),
    runSide({ side: 'guarded', ask: guarded, isGreedy, now }),
    stepEvents(events, body.temperature),
  ]
  try {
    let position = 0
    for await (const event of merge<RunEvent>(sources, SIDES.length, lastSteps)) {
      if (stop.signal.aborted) break
      if (event.t === 'token' && event.side === 'guarded') position = event.position
      // Decisions about the answer's text do not know the token that was under way.
      const placed = event.t === 'decision' && event.at === 0 ? { ...event, at: position } : event
      if (!response.write(`data: ${JSON.stringify(placed)}\n\n`)) await drained(response)
    }
  } finally {
    events.close()
    response.end()
  }
}

const lastSteps = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LAST_STEPS_MS))

async function* stepEvents(
  events: AsyncIterable<GuardEvent | { kind: 'lost'; count: number }>,
  temperature: number,
): AsyncGenerator<RunEvent> {
  for await (const event of events) {
    if (event.kind !== 'lost') yield* toRunEvents(event, temperature)
  }
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
