/**
 * Who asks, under which policy and within which limits: the tenants file of the site, applied to a
 * request. A service account is verified before it counts; a limit that is reached is a 429.
 */
import type { Mode } from '../../model/finding.ts'
import { CHARACTERS_PER_TOKEN } from '../../policy/context.ts'
import { TenantLimiter } from '../../policy/limits.ts'
import type { LimitName } from '../../policy/limits.ts'
import { resolveTenant } from '../../policy/tenants.ts'
import type { TenantBinding, TenantsConfig } from '../../policy/tenants.ts'
import { RequestError } from '../../proxy/answers.ts'
import type { AdmissionRequest } from '../../proxy/parts.ts'
import type { Body } from '../../proxy/requests.ts'
import type { GuardEvent } from '../../model/event.ts'
import type { PolicyStore } from '../site/policy-store.ts'
import type { Accounts } from './service-accounts.ts'
import type { SitePolicy } from '../site/site-policies.ts'
import type { TenantsStore } from './tenants-store.ts'

export type Tenancy = {
  readonly tenant: string
  readonly user: string
  readonly policy: SitePolicy
  readonly mode: Mode | undefined
  /** Longest answer that the tenant may ask for. */
  readonly maxTokens: number | undefined
}

export type TenancyParts = {
  readonly tenants: Pick<TenantsStore, 'current'>
  readonly store: PolicyStore
  /** No engine tells of tokens: what a request may use is charged when it is admitted. */
  readonly isEstimated: boolean
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

export type Tenants = {
  /** Rejects with the error that the client is to see. */
  readonly admit: (request: AdmissionRequest) => Promise<Tenancy>
  readonly observe: (event: GuardEvent) => void
  readonly finished: (requestId: string) => void
  /** Forgets what tenants spent that are there no more. */
  readonly changed: () => void
  /** Requests refused at a limit. */
  readonly refused: () => ReadonlyMap<string, number>
}

export function createTenants(parts: TenancyParts): Tenants {
  const { tenants, store, now } = parts
  const limiter = new TenantLimiter()
  return {
    admit: async (request) => {
      // Asked once: a request is bound by the tenants that are in force when it comes.
      const { config, accounts } = tenants.current
      const user = typeof request.body['user'] === 'string' ? request.body['user'] : ''
      if (config === undefined) {
        const policy = store.findFor(undefined, undefined)
        return { tenant: '', user, policy, mode: undefined, maxTokens: undefined }
      }
      const { tenant, policy: name, mode, limits } = await bind(accounts, config, request)
      const bound = { tenant, user, policy: store.findFor(name, mode), mode }
      // The playground runs in this process, and nobody tells when its answers end.
      if (request.remote === PLAYGROUND) return { ...bound, maxTokens: limits.max_tokens }
      const admitted = limiter.admit(request.requestId, tenant, limits, now())
      if (admitted.kind === 'refused') throw limited(admitted.limit, admitted.retryAfterS)
      if (parts.isEstimated) limiter.charge(request.requestId, estimate(request.body), now())
      return { ...bound, maxTokens: limits.max_tokens }
    },
    observe: (event) => {
      if (event.kind === 'opened') limiter.charge(event.requestId, event.promptTokens, now())
      else if (event.kind === 'closed') limiter.charge(event.requestId, event.tokens, now())
    },
    finished: (requestId) => limiter.finish(requestId),
    changed: () =>
      limiter.keep(new Set(['', ...Object.keys(tenants.current.config?.tenants ?? {})])),
    refused: () => limiter.refused,
  }
}

/** Its peer address, which no socket has. */
const PLAYGROUND = 'playground'

async function bind(
  accounts: Accounts,
  config: TenantsConfig,
  { path, headers }: AdmissionRequest,
): Promise<TenantBinding> {
  const key = keyOf(headers)
  const account = await accounts(key)
  if (account.kind === 'invalid') throw unauthorised(account.reason)
  if (account.kind === 'unavailable') {
    const { reason: message } = account
    throw new RequestError({ status: 503, message, code: 'keys_unavailable', retryAfterS: 1 })
  }
  const result = resolveTenant(config, {
    path,
    headers: plain(headers),
    apiKey: key,
    serviceAccount: account.kind === 'verified' ? account.account : undefined,
  })
  if (result.kind === 'bound') return result.binding
  if (!result.isKnown) throw unauthorised(result.reason)
  const { reason: message } = result
  throw new RequestError({ status: 403, message, code: 'request_denied' })
}

const unauthorised = (message: string): RequestError =>
  new RequestError({ status: 401, message, code: 'invalid_api_key' })

const WHAT: Readonly<Record<LimitName, string>> = {
  requests_per_minute: 'requests per minute',
  concurrent_requests: 'requests at once',
  tokens_per_minute: 'tokens per minute',
}

const limited = (limit: LimitName, retryAfterS: number): RequestError =>
  new RequestError({
    status: 429,
    message: `the limit of this tenant on ${WHAT[limit]} is reached; try again in ${retryAfterS} s`,
    code: 'rate_limit_exceeded',
    retryAfterS,
  })

/** Without an engine that counts: the size of the request, and the answer that it asks for. */
function estimate(body: Body): number {
  const { messages, prompt, input, system } = body
  const text = JSON.stringify([messages, prompt, input, system])
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN) + (askedTokens(body)?.value ?? 0)
}

const LENGTHS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const

function askedTokens(body: Body): { readonly key: string; readonly value: number } | undefined {
  for (const key of LENGTHS) {
    const value = body[key]
    if (typeof value === 'number') return { key, value }
  }
  return undefined
}

/** The body with no longer answer than the tenant may have; undefined when it asks for no more. */
export function capTokens(
  body: Body,
  dialect: AdmissionRequest['dialect'],
  { maxTokens }: Tenancy,
): Body | undefined {
  if (maxTokens === undefined) return undefined
  const asked = askedTokens(body)
  if (asked !== undefined && asked.value <= maxTokens) return undefined
  const usual = dialect === 'responses' ? 'max_output_tokens' : 'max_tokens'
  return { ...body, [asked?.key ?? usual]: maxTokens }
}

type Headers = AdmissionRequest['headers']

function keyOf(headers: Headers): string | undefined {
  const { authorization, 'x-api-key': key } = plain(headers)
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? key
}

function plain(headers: Headers): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value?.[0],
    ]),
  )
}
