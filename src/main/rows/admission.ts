/**
 * Who may be served, under which policy, and with which program pinned. A request that policy wants
 * masked is never sent to an engine that does not hold its program yet: it waits a moment, then it
 * is refused, unless the policy says `on_failure: open`.
 */
import type { EngineView, Guard } from '../../guard.ts'
import { GuardError } from '../../model/errors.ts'
import type { Binding } from '../../proxy/identity.ts'
import type { Admission, AdmissionRequest } from '../../proxy/parts.ts'
import { parametersOf } from '../answers/inspector.ts'
import type { Inspect } from '../answers/inspector.ts'
import type { SitePolicy } from '../site/site-policies.ts'
import { capTokens } from '../tenants/tenancy.ts'
import type { Tenancy } from '../tenants/tenancy.ts'
import type { ToolSite } from '../../steering/site.ts'

export type AdmissionParts = {
  readonly guard: Pick<Guard<SitePolicy>, 'engines' | 'expect'>
  /** Who asks; throws `request_denied` for one that may not. */
  readonly tenancy: (request: AdmissionRequest) => Promise<Tenancy>
  /** Digest of the policy's program on a vocabulary; undefined while it is not compiled. */
  readonly program: (policy: SitePolicy, vocabularyDigest: string) => string | undefined
  readonly stopToken: (vocabularyDigest: string) => number | undefined
  /** What the engine writes for a token that it shows. */
  readonly spell: (vocabularyDigest: string, token: number) => string
  /** Looks at the prompt and builds what follows the answer. */
  readonly inspect: Inspect
  /** Told what tools a request offers, before the engine opens its rows. */
  readonly offer: (requestId: string, site: ToolSite) => void
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
    const tenancy = await parts.tenancy(request)
    const inspected = await parts.inspect(request, tenancy)
    if (inspected.kind === 'deny') return inspected
    const { tenant, user, policy, mode } = tenancy
    const parameters = parametersOf(request)
    const binding = await bind(parts, tenancy, parameters['model'])
    const origin = { tenant, user, policy, parameters, ...(mode === undefined ? {} : { mode }) }
    parts.guard.expect(request.requestId, origin)
    const capped = capTokens(inspected.body ?? request.body, request.dialect, tenancy)
    const { site, ...admitted } = inspected
    if (site !== undefined) parts.offer(request.requestId, site)
    return { ...admitted, ...(capped === undefined ? {} : { body: capped }), binding }
  }
}

async function bind(
  parts: AdmissionParts,
  { tenant, policy }: Tenancy,
  model: unknown,
): Promise<Binding> {
  const { deniedTokens } = parts
  const base = { tenant, policy: policy.name, mayAdapt: mayAdapt(policy), deniedTokens }
  for (let waited = 0; ; waited += POLL_MS) {
    const engines = enginesOf(parts.guard.engines(), model)
    const program = programOf(parts, policy, engines)
    const { vocabularyDigest: digest = '', endTokenIds = [] } = engines[0]?.engine ?? {}
    const spell = (token = endTokenIds[0]): string =>
      token === undefined ? '' : parts.spell(digest, token)
    const mine = { ...base, spell }
    if (program !== undefined) return { ...mine, program, stopToken: parts.stopToken(digest) }
    if (policy.onFailure === 'open') return { ...mine, program: '', stopToken: undefined }
    if (waited >= parts.waitMs) throw unready(engines)
    await parts.sleep(POLL_MS)
  }
}

/** Who may open the request's row: the engines that serve its model, or all when none says so. */
function enginesOf(engines: readonly EngineView[], model: unknown): readonly EngineView[] {
  const serving = engines.filter(({ engine }) => engine.model === model)
  return serving.length === 0 ? engines : serving
}

const vocabulariesOf = (engines: readonly EngineView[]): number =>
  new Set(engines.map(({ engine }) => engine.vocabularyDigest)).size

const mayAdapt = ({ compiled }: SitePolicy): boolean =>
  compiled.rules.some((rule) => rule.actions.some(({ kind }) => kind === 'adapt'))

/**
 * The digest that every engine in question holds; empty when nothing is banned; undefined: not yet,
 * or never, when they differ in vocabulary: what is pinned for one would not be known to another.
 */
function programOf(
  parts: AdmissionParts,
  policy: SitePolicy,
  engines: readonly EngineView[],
): string | undefined {
  const first = engines[0]
  if (first === undefined || vocabulariesOf(engines) > 1) return undefined
  if (policy.bans.length === 0) return ''
  const digest = parts.program(policy, first.engine.vocabularyDigest)
  if (digest === undefined) return undefined
  const held = engines.every((engine) =>
    engine.programs.some((program) => program.digest === digest && program.ready),
  )
  return held ? digest : undefined
}

function unready(engines: readonly EngineView[]): GuardError {
  if (engines.length === 0) {
    return new GuardError(
      'overloaded',
      'no engine is attached to the guard, so nothing could be masked; see checkstream doctor',
    )
  }
  return new GuardError(
    'overloaded',
    vocabulariesOf(engines) > 1
      ? 'engines with different vocabularies are attached: name the model of one of them'
      : 'the engine does not hold the program of this policy yet; try again',
  )
}
