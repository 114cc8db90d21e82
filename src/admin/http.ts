/**
 * Administrative routes: the event stream for `checkstream watch`, a policy reload, and what
 * `checkstream doctor` asks for.
 *
 * `local` lets only this machine in: the peer must be loopback, and the Host and Origin of a browser
 * must name loopback too, so that no web page can reach in through a name that it controls.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Feed } from '../feed/feed.ts'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import type { StepStatus } from '../model/status.ts'

export type AdminParts = {
  readonly access: 'off' | 'local' | 'on'
  readonly events: Feed<GuardEvent>
  /** Reads the policies again; gives the revision in force and why newer files are not. */
  readonly reload: () => Promise<{ readonly revision: string; readonly error: string | undefined }>
  readonly status: () => StepStatus
  /** Runs the canary now. */
  /** What happened before a listener came and still holds: engines, the policy in force. */
  readonly standing: () => readonly GuardEvent[]
  readonly canary: () => Promise<{ readonly ok: boolean; readonly detail: string }>
  /** Tool calls that wait for a person. */
  readonly approvals: {
    readonly list: () => readonly object[]
    /** Throws `request_invalid` when nothing waits under the id. */
    readonly answer: (id: string, kind: 'approved' | 'denied', by: string) => object
  }
}

/** True when it took the request. */
export type LocalRoutes = (request: IncomingMessage, response: ServerResponse) => boolean

const QUEUE = 4096
const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1'])
const LOCAL_NAME = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

export function createAdmin(parts: AdminParts): LocalRoutes {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    if (!path.startsWith('/admin/')) return false
    if (!mayEnter(parts.access, request)) {
      refuse(response, 403, 'administrative routes are open to this machine only (server.admin)')
    } else if (path === '/admin/events' && request.method === 'GET') {
      void sendEvents(parts, response)
    } else if (path === '/admin/policies/reload' && request.method === 'POST') {
      request.resume()
      void sendReload(parts, response)
    } else if (path === '/admin/status' && request.method === 'GET') {
      send(response, 200, parts.status())
    } else if (path === '/admin/canary' && request.method === 'POST') {
      request.resume()
      void parts.canary().then((check) => send(response, 200, check))
    } else if (path === '/admin/approvals' && request.method === 'GET') {
      send(response, 200, { approvals: parts.approvals.list() })
    } else if (path.startsWith(APPROVAL) && request.method === 'POST') {
      void takeAnswer(parts, path.slice(APPROVAL.length), request, response)
    } else {
      refuse(
        response,
        404,
        `${request.method} ${path}: open are GET /admin/events, GET /admin/status, GET /admin/approvals, POST /admin/approvals/{id}, POST /admin/canary, POST /admin/policies/reload`,
      )
    }
    return true
  }
}

/** Whether the peer may use routes that are for the operator. */
export function mayEnter(access: AdminParts['access'], request: IncomingMessage): boolean {
  if (access !== 'local') return access === 'on'
  const { host = '', origin } = request.headers
  const isLocalOrigin = origin === undefined || LOCAL_NAME.test(origin.replace(/^https?:\/\//, ''))
  return LOOPBACK.has(request.socket.remoteAddress ?? '') && LOCAL_NAME.test(host) && isLocalOrigin
}

async function sendEvents(parts: AdminParts, response: ServerResponse): Promise<void> {
  const events = parts.events.subscribe(QUEUE)
  response.on('close', () => events.close())
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  for (const event of parts.standing()) response.write(`data: ${JSON.stringify(event)}\n\n`)
  for await (const event of events) {
    if (response.write(`data: ${JSON.stringify(event)}\n\n`)) continue
    // The queue is bounded meanwhile: a reader that does not keep up loses events and is told.
    await new Promise<void>((resolve) => {
      response.once('drain', resolve)
      response.once('close', resolve)
    })
  }
}

async function sendReload(parts: AdminParts, response: ServerResponse): Promise<void> {
  const { revision, error } = await parts.reload()
  const body = error === undefined ? { revision } : { revision, error: { message: error } }
  send(response, error === undefined ? 200 : 422, body)
}

const APPROVAL = '/admin/approvals/'
const MAX_ANSWER_BYTES = 4_096

/** `{"decision": "approve" or "deny", "by": who}`. */
async function takeAnswer(
  { approvals }: AdminParts,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readJson(request)
  const decision = body?.['decision']
  if (decision !== 'approve' && decision !== 'deny') {
    return refuse(response, 400, 'decision: expected approve or deny')
  }
  const by = typeof body?.['by'] === 'string' ? body['by'].slice(0, 128) : 'operator'
  try {
    const answer = approvals.answer(id, decision === 'approve' ? 'approved' : 'denied', by)
    send(response, 200, answer)
  } catch (error) {
    refuse(response, 404, GuardError.from(error, 'request_invalid').message)
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  let text = ''
  try {
    for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk
      if (text.length > MAX_ANSWER_BYTES) return undefined
    }
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined // the caller says what it expected
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

function refuse(response: ServerResponse, status: number, message: string): void {
  send(response, status, { error: { message, type: 'invalid_request_error' } })
}
