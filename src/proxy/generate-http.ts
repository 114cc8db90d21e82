/** One generation: checked, identified, sent, and its answer merged back to the client. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { toErrorBody, toProblem } from './answers.ts'
import type { Problem } from './answers.ts'
import type { CancelSignal } from './cancel.ts'
import { pump, readBody, sendProblem } from './exchange-http.ts'
import { UNCHANGED, chain, createBodyMapper, createFrameMapper } from './frames.ts'
import type { MapValue, PlainTransform } from './frames.ts'
import { toClientHeaders, toUpstreamHeaders } from './headers.ts'
import { hasGrammar, showsStopToken, toEngineBody } from './identity.ts'
import { hasLogprobs, stripAlternatives } from './logprobs.ts'
import { mayEnd, outcomeMapper, stoppedBody } from './outcomes.ts'
import type { Admission, Outcome, ProxyParts } from './parts.ts'
import { parseRequest } from './requests.ts'
import type { Body } from './requests.ts'
import type { Dialect } from './routes.ts'
import { toFailure } from './upstream-http.ts'
import type { UpstreamResponse } from './upstream-http.ts'

/** Whole bodies larger than this pass unmapped only when nothing could be hidden in them. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export type Generation = {
  readonly requestId: string
  readonly dialect: Dialect
  readonly signal: CancelSignal
  readonly bodies: Parameters<typeof readBody>[1]
  /** The request is here as a whole; throws when there is no place for it. */
  readonly onArrived: () => void
  readonly onFirst: () => void
}
export type Finished = { readonly outcome: Outcome; readonly stream: boolean }
type Admitted = Extract<Admission, { kind: 'admit' }>

export async function generate(
  parts: ProxyParts,
  generation: Generation,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Finished> {
  const { requestId, dialect, signal } = generation
  const sent = await readBody(request, generation.bodies)
  generation.onArrived()
  const parsed = parseRequest(sent, dialect)
  const stream = parsed['stream'] === true
  const { headers } = request
  const remote = request.socket.remoteAddress ?? ''
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const admission = await parts.admit({ requestId, path, dialect, body: parsed, headers, remote })
  signal.throwIfAborted()
  if (admission.kind === 'deny') {
    sendProblem(response, admission.problem, dialect, admission.headers)
    return { outcome: 'denied', stream }
  }
  const body = admission.body ?? parsed
  const engineBody = toEngineBody(body, dialect, requestId, admission.binding)
  const bytes = Buffer.from(JSON.stringify(engineBody))
  const sending = parts.upstream.send({
    method: 'POST',
    path: request.url ?? '/',
    headers: toUpstreamHeaders(headers, requestId, bytes),
    body: bytes,
    signal,
  })
  // After the request is written, which the HTTP client puts off to the end of this turn.
  if (stream && admission.prepare !== undefined) setImmediate(admission.prepare)
  const answer = await sending
  const outcome = await relay(parts, generation, { answer, response, admission, body })
  return { outcome, stream }
}

type Relay = {
  readonly answer: UpstreamResponse
  readonly response: ServerResponse
  readonly admission: Admitted
  readonly body: Body
}

async function relay(parts: ProxyParts, generation: Generation, relayed: Relay): Promise<Outcome> {
  const { answer, response, admission, body } = relayed
  const { requestId, dialect } = generation
  const streamed = String(answer.headers['content-type'] ?? '').startsWith('text/event-stream')
  if (answer.statusCode >= 500 && hasGrammar(body) && parts.wasStopped(requestId)) {
    await answer.body.bytes(MAX_ANSWER_BYTES, parts.upstream.name)
    sendStopped(response, requestId, stoppedBody(dialect, requestId, body['model']))
    return 'stopped'
  }
  let stopped = false
  const mapper =
    admission.binding === undefined
      ? undefined
      : createMapper(streamed, admission.binding, {
          dialect,
          spellEnd: showsStopToken(body) ? admission.binding.spell : undefined,
          grammar: hasGrammar(body),
          wasStopped: () => parts.wasStopped(requestId),
          message: () => parts.stopMessage(requestId),
          onStop: () => (stopped = true),
        })
  const rest = admission.transform?.({ stream: streamed, status: answer.statusCode }) ?? UNCHANGED
  const headers = Object.assign(toClientHeaders(answer.headers, requestId, true), admission.headers)
  const head = createHead(response, answer.statusCode, streamed, {
    headers,
    report: admission.report,
  })
  if (streamed) head.start()
  try {
    const mapped = mapper === undefined ? rest : chain(mapper, rest)
    const transform = answer.statusCode < 300 ? mapped : UNCHANGED
    const onFirst = (): void => {
      head.begin()
      generation.onFirst()
    }
    const { idleMs } = parts.limits
    const { signal } = generation
    const ended = await pump(answer.body, response, { transform, idleMs, onFirst, signal })
    head.end()
    return stopped || ended === 'done' ? 'stopped' : 'complete'
  } catch (error) {
    generation.signal.throwIfAborted()
    const problem = toProblem(toFailure(error, { url: parts.upstream.name }))
    if (streamed) endBroken(response, problem)
    else sendProblem(response, problem, dialect)
    return 'upstream_failed'
  } finally {
    rest.close?.()
  }
}

type Rules = Omit<Parameters<typeof outcomeMapper>[0], 'stopToken'>

/** What our stops and masks leave in an engine's answer; an upstream that knows nothing of us has neither. */
function createMapper(
  streamed: boolean,
  { stopToken }: NonNullable<Admitted['binding']>,
  rules: Rules,
): PlainTransform {
  const outcome = outcomeMapper({ ...rules, stopToken })
  const map: MapValue = (value) => stripAlternatives(outcome(value))
  if (!streamed) return createBodyMapper(map, MAX_ANSWER_BYTES)
  const endsAnywhere = rules.spellEnd !== undefined
  return createFrameMapper(map, (text) => endsAnywhere || mayEnd(text) || hasLogprobs(text))
}

type Told = {
  readonly headers: Record<string, string | string[]>
  readonly report: Admitted['report'] | undefined
}

/**
 * A stream's head goes at once, with the first bytes of the body where those are here already; what is
 * known at its end goes into trailers. A whole body is complete before its first byte goes, so there all
 * of it is in the head.
 */
function createHead(
  response: ServerResponse,
  status: number,
  streamed: boolean,
  { headers, report }: Told,
): { readonly start: () => void; readonly begin: () => void; readonly end: () => void } {
  const names = streamed && report !== undefined ? { trailer: TRAILERS } : {}
  let isBegun = false
  const flush = (): void => {
    if (!isBegun && !response.writableEnded) response.flushHeaders()
  }
  const start = (): void => {
    if (response.headersSent) return
    response.writeHead(status, { ...headers, ...names, ...(streamed ? {} : report?.()) })
    if (streamed) setImmediate(flush)
  }
  const begin = (): void => {
    start()
    isBegun = true
  }
  return {
    start,
    begin,
    end: () => {
      begin()
      if (streamed && report !== undefined) response.addTrailers(report())
      response.end()
    },
  }
}

const TRAILERS = 'x-checkstream-decisions'

/** What is held is dropped: it was not cleared. The stream says why it ends. */
function endBroken(response: ServerResponse, problem: Problem): void {
  response.end(`data: ${toErrorBody(problem)}\n\ndata: [DONE]\n\n`)
}

function sendStopped(response: ServerResponse, requestId: string, value: unknown): void {
  const text = JSON.stringify(value)
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-request-id': requestId,
  })
  response.end(text)
}
