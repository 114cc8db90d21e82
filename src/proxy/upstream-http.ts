/**
 * The upstream: an HTTP server behind a URL or a Unix socket (`vllm --uds`). Pooled connections; a
 * connection that was refused is tried again, because nothing was sent yet; so is one that had been kept
 * and was closed as the request was written (see `Attempt`). Nothing else is.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { GuardError } from '../model/errors.ts'
import { AnswerBody } from './answer-body.ts'
import { Attempt, begin } from './attempt.ts'
import type { CancelSignal } from './cancel.ts'

export type UpstreamSettings = {
  readonly url: string
  readonly timeoutMs: number
  readonly connections: number
  readonly attempts: number
  readonly backoff: 'exponential' | 'constant'
  /** Sent as a bearer token when the client sends no credential; empty = never. */
  readonly apiKey: string
}

export type UpstreamRequest = {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly path: string
  readonly headers: Record<string, string | string[]>
  readonly body?: Uint8Array
  readonly signal: CancelSignal
}

export type UpstreamResponse = {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly body: AnswerBody
}

export type Upstream = {
  /** Rejects with `upstream_failed`, or with the signal's own error when it is aborted. */
  readonly send: (request: UpstreamRequest) => Promise<UpstreamResponse>
  readonly close: () => Promise<void>
  /** For messages. */
  readonly name: string
}

const FIRST_WAIT_MS = 100
const REFUSED = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

export function createUpstream(settings: UpstreamSettings): Upstream {
  const target = parseTarget(settings.url)
  const pool = new Pool(target.origin, {
    connections: settings.connections,
    headersTimeout: settings.timeoutMs,
    bodyTimeout: settings.timeoutMs,
    connect: { timeout: 10_000, ...target.connect },
  })
  const once = (request: UpstreamRequest, attempt: Attempt): Promise<UpstreamResponse> =>
    dispatch(
      pool,
      { signal: request.signal, attempt },
      {
        origin: target.origin,
        path: joinPath(target.base, request.path),
        method: request.method as Dispatcher.HttpMethod,
        headers: withKey(request.headers, settings.apiKey),
        ...(request.body === undefined ? {} : { body: request.body }),
      },
    )
  return {
    name: settings.url,
    async send(request) {
      for (let tried = 1; ; tried++) {
        const attempt = new Attempt()
        try {
          return await once(request, attempt)
        } catch (error) {
          request.signal.throwIfAborted()
          const isRefused = wasRefused(error)
          const mayTryAgain = tried < settings.attempts && (isRefused || attempt.wasUnread(error))
          if (!mayTryAgain) throw toFailure(error, settings)
          if (!isRefused) continue
          const wait = FIRST_WAIT_MS * (settings.backoff === 'constant' ? 1 : 2 ** (tried - 1))
          await pause(wait, request.signal)
        }
      }
    },
    close: () => pool.destroy(),
  }
}

/** Resolves with the head of the answer; aborting the signal also ends a body that is under way. */
function dispatch(
  pool: Pool,
  { signal, attempt }: { readonly signal: CancelSignal; readonly attempt: Attempt },
  options: Dispatcher.DispatchOptions,
): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    let controller: Dispatcher.DispatchController | undefined
    let body: AnswerBody | undefined
    const onAbort = (): void => {
      const reason: unknown = signal.reason
      reject(reason)
      body?.fail(reason)
      controller?.abort(reason instanceof Error ? reason : new Error(String(reason)))
    }
    const over = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    pool.dispatch(options, {
      onRequestStart(started) {
        controller = started
        begin(attempt)
        if (signal.aborted) onAbort()
      },
      onResponseStart(source, statusCode, headers) {
        if (statusCode < 200) return
        body = new AnswerBody(source)
        resolve({ statusCode, headers, body })
      },
      onResponseData(_, chunk) {
        body?.push(chunk)
      },
      onResponseEnd() {
        over()
        body?.end()
      },
      onResponseError(_, error) {
        over()
        reject(error)
        body?.fail(error)
      },
    })
  })
}

/** Rejects with the signal's reason when that comes first. */
function pause(ms: number, signal: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort)
  })
}

/** Whatever the upstream or the way to it did wrong, in one sentence for the client. */
export function toFailure(error: unknown, settings: { readonly url: string }): GuardError {
  if (error instanceof GuardError) return error
  const code = (error as { code?: unknown }).code
  const why = error instanceof Error ? error.message : String(error)
  const what = typeof code === 'string' && !why.includes(code) ? `${why} (${code})` : why
  return new GuardError('upstream_failed', `the upstream ${settings.url} failed: ${what}`, {
    cause: error,
  })
}

type Target = {
  readonly origin: string
  readonly base: string
  readonly connect: { readonly socketPath?: string }
}

function parseTarget(text: string): Target {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\//, '')
    if (!path.startsWith('/')) throw bad(text)
    return { origin: 'http://localhost', base: '', connect: { socketPath: path } }
  }
  try {
    const url = new URL(text)
    return { origin: url.origin, base: url.pathname.replace(/\/+$/, ''), connect: {} }
  } catch (error) {
    throw bad(text, error)
  }
}

const bad = (text: string, cause?: unknown): GuardError =>
  new GuardError(
    'config_invalid',
    `backend.url: expected http://…, https://… or unix:///path, got ${text}`,
    { cause },
  )

/** A base that ends in `/v1` and a path that begins with it have it once. */
function joinPath(base: string, path: string): string {
  return base.endsWith('/v1') && path.startsWith('/v1') ? base + path.slice(3) : base + path
}

function withKey(
  headers: Record<string, string | string[]>,
  apiKey: string,
): Record<string, string | string[]> {
  if (apiKey === '' || headers['authorization'] !== undefined) return headers
  if (headers['x-api-key'] !== undefined) return headers
  return { ...headers, authorization: `Bearer ${apiKey}` }
}

function wasRefused(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && REFUSED.has(code)
}
