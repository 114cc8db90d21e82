/**
 * Who may be served, under which policy, and with which program pinned. A request that policy wants
 * masked is never sent to an engine that does not hold its program yet: it waits a moment, then it
 * is refused, unless the policy says `on_failure: open`.
 */
import type { EngineView, Guard } from '../guard.ts'
import { GuardError } from '../model/errors.ts'
import type { Binding } from '../proxy/identity.ts'
import type { Admission, AdmissionRequest } from '../proxy/parts.ts'
import { parametersOf } from './inspector.ts'
import type { createInspector } from './inspector.ts'
import type { SitePolicy } from './site-policies.ts'
import type { Tenancy } from './tenancy.ts'

export type AdmissionParts = {
  readonly guard: Guard<SitePolicy>
  /** Who asks; throws `request_denied` for one that may not. */
  readonly tenancy: (request: AdmissionRequest) => Tenancy
  /** Digest of the policy's program on a vocabulary; undefined while it is not compiled. */
  readonly program: (policy: SitePolicy, vocabularyDigest: string) => string | undefined
  readonly stopToken: (vocabularyDigest: string) => number | undefined
  /** Looks at the prompt and builds what follows the answer. */
  readonly inspect: ReturnType<typeof createInspector>
  readonly ownsSampling: (policy: SitePolicy) => boolean
  /** Token ids of `banned_tokens_file`. */
  readonly deniedTokens: readonly number[]
  readonly sleep: (ms: number) => Promise<void>
  /** How long a request waits for its program. */
  readonly waitMs: number
}

const POLL_MS = 20

export function createAdmission(
  parts: AdmissionParts,
): (request: AdmissionRequest) => Promise<Admission> {
  return async (request) => {
    const tenancy = parts.tenancy(request)
    const inspected = parts.inspect(request, tenancy)
    if (inspected.kind === 'deny') return inspected
    const binding = await bind(parts, tenancy)
    const { tenant, user, policy } = tenancy
    const parameters = parametersOf(request)
    parts.guard.expect(request.requestId, { tenant, user, policy, parameters })
    return { ...inspected, kind: 'admit', binding }
  }
}

async function bind(parts: AdmissionParts, { tenant, policy }: Tenancy): Promise<Binding> {
  const { deniedTokens } = parts
  const ownsSampling = parts.ownsSampling(policy)
  const base = { tenant, policy: policy.name, ownsSampling, deniedTokens }
  for (let waited = 0; ; waited += POLL_MS) {
    const engines = parts.guard.engines()
    const program = programOf(parts, policy, engines)
    const digest = engines[0]?.engine.vocabularyDigest ?? ''
    if (program !== undefined) return { ...base, program, stopToken: parts.stopToken(digest) }
    if (policy.onFailure === 'open') return { ...base, program: '', stopToken: undefined }
    if (waited >= parts.waitMs) throw unready(engines.length)
    await parts.sleep(POLL_MS)
  }
}

/** The digest that every attached engine holds; empty when nothing is banned; undefined: not yet. */
function programOf(
  parts: AdmissionParts,
  policy: SitePolicy,
  engines: readonly EngineView[],
): string | undefined {
  const first = engines[0]
  if (first === undefined) return undefined
  if (policy.bans.length === 0) return ''
  const digest = parts.program(policy, first.engine.vocabularyDigest)
  if (digest === undefined) return undefined
  const held = engines.every((engine) =>
    engine.programs.some((program) => program.digest === digest && program.ready),
  )
  return held ? digest : undefined
}

const unready = (engines: number): GuardError =>
  new GuardError(
    'overloaded',
    engines === 0
      ? 'no engine is attached to the guard, so nothing could be masked; see checkstream doctor'
      : 'the engine does not hold the program of this policy yet; try again',
  )
