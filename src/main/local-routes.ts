/**
 * What the proxy's listener serves by itself: administrative routes and, when it is asked for, the
 * playground. The playground asks the engine exactly as the proxy does, by the same admission.
 */
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { dirname, join } from 'node:path'
import { createAdmin, mayEnter } from '../admin/http.ts'
import type { LocalRoutes } from '../admin/http.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import type { Feed } from '../feed/feed.ts'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import { createPlayground } from '../playground/http.ts'
import type { AskRequest, Mistake } from '../playground/http.ts'
import { PRESETS } from '../playground/presets.ts'
import type { Ask } from '../playground/run.ts'
import { chain, UNCHANGED } from '../proxy/frames.ts'
import { toEngineBody } from '../proxy/identity.ts'
import type { Upstream } from '../proxy/upstream-http.ts'
import type { EngineClient } from './ask-http.ts'
import type { PolicyStore } from './policy-store.ts'
import type { ServingPlane } from './serving-plane.ts'
import { UNGUARDED_POLICY } from './unguarded.ts'

export type LocalParts = {
  readonly effective: EffectiveConfig
  readonly serving: ServingPlane
  readonly store: PolicyStore
  readonly upstream: Upstream
  readonly client: EngineClient
  readonly feed: Feed<GuardEvent>
}

const PACKAGE = join(import.meta.dirname, '../..')

export function createLocalRoutes(parts: LocalParts): LocalRoutes {
  const { server } = parts.effective.config
  const admin = createAdmin({
    access: server.admin,
    events: parts.feed,
    reload: () => parts.store.reload(),
    status: () => parts.serving.status(),
    canary: () => parts.serving.proveMasks(),
  })
  if (!server.playground) return admin
  const playground = createPlayground({
    pageDir: join(PACKAGE, 'playground'),
    vendorDir: dirname(createRequire(import.meta.url).resolve('uplot')),
    presets: PRESETS,
    state: () => ({ engine: engineOf(parts.serving), policy: policyOf(parts.store) }),
    apply: (text) => applyPolicy(parts, text),
    ask: (request) => ask(parts, request),
    events: parts.feed,
    now: () => performance.now(),
  })
  return (request, response) =>
    admin(request, response) ||
    ((server.admin === 'on' || mayEnter('local', request)) && playground(request, response))
}

function engineOf(serving: ServingPlane): {
  readonly attached: boolean
  readonly name: string
  readonly version: string
  readonly model: string
} {
  const engine = serving.engines()[0]?.engine
  const { name = '', version = '', model = '' } = engine ?? {}
  return { attached: engine !== undefined, name, version, model }
}

function policyOf(store: PolicyStore): {
  readonly name: string
  readonly revision: string
  readonly text: string
} {
  const [first] = store.files
  return {
    name: first?.file.split('/').at(-1) ?? 'none',
    revision: store.current.standard.digest,
    text: first?.text ?? '',
  }
}

/** The editor holds the first policy file; the others stay as they are. Nothing is written to disk. */
async function applyPolicy(parts: LocalParts, text: string): Promise<readonly Mistake[]> {
  const [first, ...others] = parts.store.files
  const file = first?.file ?? 'playground.yaml'
  try {
    await parts.store.replace([{ file, text }, ...others])
  } catch (error) {
    return toMistakes(GuardError.from(error, 'policy_invalid').message)
  }
  await parts.serving.policiesChanged()
  return []
}

/** Messages begin with `file:line:column`; one a line. */
export function toMistakes(message: string): readonly Mistake[] {
  return message.split('\n').flatMap((entry) => {
    if (entry.trim() === '') return []
    const placed = /^\S*?:(\d+):(\d+):?\s+(.*)$/.exec(entry.trim())
    if (placed === null) return [{ message: entry.trim() }]
    return [{ line: Number(placed[1]), column: Number(placed[2]), message: placed[3] ?? '' }]
  })
}

async function ask(parts: LocalParts, { side, body, signal }: AskRequest): Promise<Ask> {
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
    const text = (await answer.body.text()).slice(0, 300)
    throw new GuardError('upstream_failed', `the engine answered ${answer.statusCode}: ${text}`)
  }
  const { textOf, walk } = parts.serving.explain(
    isPlain ? undefined : admitted?.binding?.policy,
    admitted?.binding?.program,
  )
  const transform = admitted?.transform?.({ stream: true, status: 200 })
  return {
    requestId,
    bytes: release(answer.body, () => parts.serving.forget(requestId)),
    textOf,
    walk,
    client: transform === undefined ? UNCHANGED : chain(UNCHANGED, transform),
  }
}

async function admit(
  parts: LocalParts,
  requestId: string,
  body: Record<string, unknown>,
): Promise<Extract<Awaited<ReturnType<ServingPlane['admit']>>, { kind: 'admit' }>> {
  const path = '/v1/chat/completions'
  const request = {
    requestId,
    path,
    dialect: 'chat',
    body,
    headers: {},
    remote: 'playground',
  } as const
  const admission = await parts.serving.admit(request)
  if (admission.kind === 'admit') return admission
  throw new GuardError('request_denied', `refused before generation: ${admission.problem.message}`)
}

/** Runs under a program that bans nothing: without one, the engine's default would hold. */
function unguarded(parts: LocalParts, requestId: string): Record<string, string> {
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
