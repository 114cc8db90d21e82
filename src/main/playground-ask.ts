/**
 * How the playground asks the engine: exactly as the proxy does, by the same admission, and once more
 * without the guard for the left side.
 */
import { randomUUID } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import type { AskRequest } from '../playground/http.ts'
import type { Ask } from '../playground/run.ts'
import { chain, UNCHANGED } from '../proxy/frames.ts'
import type { ByteTransform } from '../proxy/frames.ts'
import { toEngineBody } from '../proxy/identity.ts'
import type { AdmissionRequest } from '../proxy/parts.ts'
import type { Upstream } from '../proxy/upstream-http.ts'
import type { EngineClient } from './answers/ask-http.ts'
import { createInspector } from './answers/inspector.ts'
import type { InspectorParts } from './answers/inspector.ts'
import type { ServingPlane } from './serving-plane.ts'
import type { Tenancy } from './tenants/tenancy.ts'
import { UNGUARDED_POLICY } from './site/unguarded.ts'

export type AskParts = {
  readonly serving: ServingPlane
  readonly upstream: Upstream
  readonly client: EngineClient
  readonly tenancy: (request: AdmissionRequest) => Promise<Tenancy>
  readonly inspection: Omit<InspectorParts, 'observe'>
}

/** Of an answer that is an error. */
const MAX_ERROR_BYTES = 1024 * 1024

export const createAsk = (parts: AskParts) => (request: AskRequest) => ask(parts, request)

async function ask(parts: AskParts, { side, body, signal }: AskRequest): Promise<Ask> {
  const requestId = `playground-${randomUUID()}`
  const chat = { ...body, model: await parts.client.model() }
  const isPlain = side === 'plain'
  const admitted = isPlain ? undefined : await admit(parts, requestId, chat)
  const sent = isPlain
    ? { ...chat, vllm_xargs: unguarded(parts, requestId) }
    : toEngineBody(admitted?.body ?? chat, 'chat', requestId, admitted?.binding)
  const answer = await parts.upstream.send({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: Buffer.from(JSON.stringify(sent)),
    signal,
  })
  if (answer.statusCode !== 200) {
    const place = `${parts.upstream.name}/v1/chat/completions`
    const text = (await answer.body.bytes(MAX_ERROR_BYTES, place)).toString('utf8').slice(0, 300)
    throw new GuardError('upstream_failed', `the engine answered ${answer.statusCode}: ${text}`)
  }
  const { textOf, walk } = parts.serving.explain(
    isPlain ? undefined : admitted?.binding?.policy,
    admitted?.binding?.program,
  )
  const transform = admitted?.transform?.({ stream: true, status: 200 })
  return {
    requestId,
    bytes: release(answer.body, () => {
      transform?.close?.()
      parts.serving.forget(requestId)
    }),
    textOf,
    walk,
    client: transform === undefined ? UNCHANGED : chain(UNCHANGED, transform),
    shadow: isPlain ? await shadow(parts, toRequest(requestId, chat)) : undefined,
  }
}

/** What the guard would do with the unguarded answer; its firings are nobody's. */
async function shadow(
  parts: AskParts,
  request: AdmissionRequest,
): Promise<ByteTransform | undefined> {
  const inspect = createInspector({
    ...parts.inspection,
    checksRequests: false,
    approve: () => Promise.resolve({ kind: 'denied', by: 'playground' }),
    observe: () => undefined,
  })
  const inspection = await inspect(request, await parts.tenancy(request))
  if (inspection.kind === 'deny') return undefined
  return inspection.transform?.({ stream: true, status: 200 })
}

const toRequest = (requestId: string, body: Record<string, unknown>): AdmissionRequest => ({
  requestId,
  path: '/v1/chat/completions',
  dialect: 'chat',
  body,
  headers: {},
  remote: 'playground',
})

async function admit(
  parts: AskParts,
  requestId: string,
  body: Record<string, unknown>,
): Promise<Extract<Awaited<ReturnType<ServingPlane['admit']>>, { kind: 'admit' }>> {
  const admission = await parts.serving.admit(toRequest(requestId, body))
  if (admission.kind === 'admit') return admission
  throw new GuardError('request_denied', `refused before generation: ${admission.problem.message}`)
}

/** Runs under a program that bans nothing: without one, the engine's default would hold. */
function unguarded(parts: AskParts, requestId: string): Record<string, string> {
  const program = parts.serving.explain(UNGUARDED_POLICY, undefined).program
  return {
    checkstream_rid: requestId,
    checkstream_policy: UNGUARDED_POLICY,
    ...(program === undefined ? {} : { checkstream_program: program }),
  }
}

async function* release(
  bytes: AsyncIterable<Uint8Array>,
  done: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } finally {
    done()
  }
}
