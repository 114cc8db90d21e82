/** The engine's HTTP side, shaped like `vllm serve --uds`: routes, streams, errors. */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { GuardError } from '../model/errors.ts'
import type { Answer } from './answer.ts'
import type { Engine, Running } from './engine.ts'
import type { Json } from './frames.ts'
import { parseChatRequest, parseCompletionRequest } from './requests.ts'
import type { Delta } from './sequence.ts'

/** Past it a body is refused with 413. */
const MAX_BODY_BYTES = 8 * 1024 * 1024

type Handler = (engine: Engine, request: IncomingMessage, response: ServerResponse) => Promise<void>

const ROUTES: Readonly<Record<string, Handler>> = {
  'GET /health': (_, _request, response) => send(response, 200, undefined),
  'GET /ping': (_, _request, response) => send(response, 200, undefined),
  'GET /version': (_, _request, response) =>
    send(response, 200, { version: 'checkstream-embedded' }),
  'GET /load': (engine, _request, response) => send(response, 200, engine.load),
  'GET /v1/models': (engine, _request, response) => send(response, 200, models(engine)),
  'POST /tokenize': tokenize,
  'POST /v1/chat/completions': (engine, request, response) =>
    generate(request, response, (body, id) => engine.chat(parseChatRequest(body), id)),
  'POST /v1/completions': (engine, request, response) =>
    generate(request, response, (body, id) => engine.complete(parseCompletionRequest(body), id)),
}

export function createHttpServer(engine: Engine): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const handler = ROUTES[`${request.method} ${path}`]
    if (handler === undefined) {
      void sendError(response, 404, 'NotFoundError', 'Not Found')
      return
    }
    handler(engine, request, response).catch((error: unknown) => fail(response, error))
  })
}

async function tokenize(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = (await readJson(request)) as { readonly prompt?: unknown } | null
  if (typeof body?.prompt !== 'string') {
    throw new GuardError('request_invalid', 'prompt: expected a string')
  }
  const tokens = engine.tokenize(body.prompt)
  await send(response, 200, { count: tokens.length, max_model_len: engine.contextLength, tokens })
}

async function generate(
  request: IncomingMessage,
  response: ServerResponse,
  begin: (body: unknown, requestId: string) => Running,
): Promise<void> {
  const body = await readJson(request)
  const given = request.headers['x-request-id']
  const id = typeof given === 'string' && given !== '' ? given : randomBytes(16).toString('hex')
  const running = begin(body, id)
  response.once('close', () => running.abort())
  const isStream = (body as { readonly stream?: unknown }).stream === true
  await (isStream ? stream(running, response) : collect(running, response))
}

function collect(running: Running, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    running.start((delta) => {
      running.answer.collect(delta)
      if (!running.answer.isOver) return
      const done = running.answer.failed
        ? sendError(response, 500, 'InternalServerError', 'the engine failed in this step')
        : send(response, 200, running.answer.body())
      void done.then(resolve)
    })
  })
}

function stream(running: Running, response: ServerResponse): Promise<void> {
  const { answer } = running
  return new Promise((resolve) => {
    running.start((delta) => {
      if (!response.headersSent) {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
        write(response, answer.open())
      }
      write(response, framesOf(answer, delta))
      if (!answer.isOver) return
      write(response, answer.close())
      response.end('data: [DONE]\n\n', resolve)
    })
  })
}

function framesOf(answer: Answer, delta: Delta): readonly Json[] {
  if (delta.finish?.reason !== 'error') return answer.stream(delta)
  answer.collect(delta)
  return [errorBody(500, 'InternalServerError', 'the engine failed in this step')]
}

/** What a slow reader leaves in the socket's buffer is bounded by max_tokens. */
function write(response: ServerResponse, frames: readonly Json[]): void {
  for (const frame of frames) response.write(`data: ${JSON.stringify(frame)}\n\n`)
}

function models(engine: Engine): Json {
  const model = {
    id: engine.modelName,
    object: 'model',
    created: 0,
    owned_by: 'checkstream',
    root: engine.modelName,
    parent: null,
    max_model_len: engine.contextLength,
  }
  return { object: 'list', data: [model] }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_BODY_BYTES) {
      throw new GuardError('request_invalid', `body: expected at most ${MAX_BODY_BYTES} bytes`)
    }
    parts.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown
  } catch (error) {
    throw new GuardError(
      'request_invalid',
      `body: not JSON: ${GuardError.from(error, 'request_invalid').message}`,
    )
  }
}

async function fail(response: ServerResponse, error: unknown): Promise<void> {
  const known = GuardError.from(error, 'upstream_failed')
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (known.code === 'model_invalid') await sendError(response, 404, 'NotFoundError', known.message)
  else if (known.code === 'request_invalid') {
    await sendError(response, 400, 'BadRequestError', known.message)
  } else if (known.code === 'overloaded') {
    await sendError(response, 503, 'ServiceUnavailableError', known.message)
  } else await sendError(response, 500, 'InternalServerError', known.message)
}

function errorBody(code: number, type: string, message: string): Json {
  return { error: { message, type, param: null, code } }
}

function sendError(
  response: ServerResponse,
  code: number,
  type: string,
  message: string,
): Promise<void> {
  return send(response, code, errorBody(code, type, message))
}

function send(response: ServerResponse, code: number, body: Json | undefined): Promise<void> {
  const text = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve) => {
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(text, () => resolve())
  })
}
