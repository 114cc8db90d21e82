/**
 * Who asks → under which policy, mode and limits. Pure: facts of a request in, a binding out.
 *
 * A tenant is bound by authentication: an API key or a Kubernetes service account. A header or a path
 * names one only where the deployment says that it may, because a client can write both.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { suggestion } from '../model/nearest.ts'
import { GuardError } from '../model/errors.ts'
import { MODES } from '../model/finding.ts'
import type { Mode } from '../model/finding.ts'

const word = z.string().min(1).max(256)
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits')

const limits = z.strictObject({
  requests_per_minute: z.number().int().min(1).optional(),
  concurrent_requests: z.number().int().min(1).optional(),
  /** Of prompts and answers together. */
  tokens_per_minute: z.number().int().min(1).optional(),
  /** Of one answer: a request that asks for more gets this many. */
  max_tokens: z.number().int().min(1).optional(),
})
export type TenantLimits = z.output<typeof limits>

const tenant = z.strictObject({
  policy: word,
  mode: z.enum(MODES).optional(),
  limits: limits.default({}),
  api_keys: z.array(digest).max(1_000).default([]),
  service_accounts: z
    .array(z.string().regex(/^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$/))
    .max(1_000)
    .default([]),
  header_values: z.array(word).max(1_000).default([]),
  paths: z
    .array(z.string().regex(/^\/[^\s]*$/))
    .max(100)
    .default([]),
})

const accounts = z
  .strictObject({
    issuer: z.string().min(1).max(2048),
    audience: z.union([word, z.array(word).min(1).max(16)]),
    /** A JWKS, or a public key in PEM. */
    keys_file: z.string().min(1).max(4096).optional(),
    /** Where the cluster serves its JWKS, such as https://kubernetes.default.svc/openid/v1/jwks. */
    jwks_url: z.url({ protocol: /^https?$/ }).optional(),
    /** Certificate of that server, and the token that it wants to see. */
    ca_file: z.string().min(1).max(4096).optional(),
    token_file: z.string().min(1).max(4096).optional(),
  })
  .refine((a) => (a.keys_file === undefined) !== (a.jwks_url === undefined), {
    message: 'expected keys_file or jwks_url',
  })
export type AccountsConfig = z.output<typeof accounts>

export const tenantsSchema = z.strictObject({
  tenants: z.record(word, tenant).default({}),
  /** What a request gets that no tenant claims. */
  unknown: z
    .union([
      z.literal('refuse'),
      z.strictObject({ policy: word, mode: z.enum(MODES).optional(), limits: limits.default({}) }),
    ])
    .default('refuse'),
  header: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/)
    .default('x-checkstream-tenant'),
  /** `never`: headers and paths name nobody. `trusted`: something in front sets them. */
  trust_header: z.enum(['never', 'trusted']).default('never'),
  trust_path: z.enum(['never', 'trusted']).default('never'),
  /** How tokens of Kubernetes service accounts are verified; without it none is. */
  service_account: accounts.optional(),
})

export type TenantsConfig = z.output<typeof tenantsSchema>

/** What is known of a request before anything is decided about it. */
export type RequestFacts = {
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The client's key, as it was sent; never logged. */
  readonly apiKey: string | undefined
  /** Verified by the caller (TokenReview or a signed token), never taken from a header here. */
  readonly serviceAccount: string | undefined
}

export type TenantBinding = {
  readonly tenant: string
  readonly policy: string
  readonly mode: Mode | undefined
  readonly limits: TenantLimits
  /** What bound it; evidence names it. */
  readonly by: 'api_key' | 'service_account' | 'header' | 'path' | 'default'
}

export type TenantResult =
  | { readonly kind: 'bound'; readonly binding: TenantBinding }
  /** `isKnown`: the client proved who it is, and may not have what it asked for. */
  | { readonly kind: 'refused'; readonly reason: string; readonly isKnown: boolean }

/**
 * Names no policy that does not exist; two tenants never claim the same key. Throws GuardError, whose
 * message begins with what `placeOf` says of the path of the mistake.
 */
export function checkTenants(
  config: TenantsConfig,
  policies: Iterable<string>,
  placeOf: (path: readonly string[]) => string = () => '',
): void {
  const known = new Set(policies)
  const refuse = (path: readonly string[], message: string): never => {
    throw new GuardError('config_invalid', `${placeOf(path)}${path.join('.')}: ${message}`)
  }
  const owner = new Map<string, string>()
  for (const [name, { policy, api_keys, service_accounts }] of Object.entries(config.tenants)) {
    if (!known.has(policy)) {
      const message = `no policy is called ${policy}${suggestion(policy, known)}`
      refuse(['tenants', name, 'policy'], message)
    }
    for (const claim of [...api_keys, ...service_accounts]) {
      const other = owner.get(claim)
      if (other !== undefined) {
        refuse(['tenants', name], `${claim} is already claimed by ${other}`)
      }
      owner.set(claim, name)
    }
  }
  const { unknown } = config
  if (unknown !== 'refuse' && !known.has(unknown.policy)) {
    const message = `no policy is called ${unknown.policy}${suggestion(unknown.policy, known)}`
    refuse(['unknown', 'policy'], message)
  }
}

/**
 * Authentication first; a name that the client only states counts where it is trusted, and is refused
 * when it contradicts who the client has proved to be.
 */
export function resolveTenant(config: TenantsConfig, facts: RequestFacts): TenantResult {
  const proved = byKey(config, facts.apiKey) ?? byAccount(config, facts.serviceAccount)
  const stated = byHeader(config, facts) ?? byPath(config, facts)
  if (proved !== undefined && stated !== undefined && proved.tenant !== stated.tenant) {
    const reason = `this client is not of tenant ${stated.tenant}`
    return { kind: 'refused', reason, isKnown: true }
  }
  const binding = proved ?? stated
  if (binding !== undefined) return { kind: 'bound', binding }
  if (config.unknown === 'refuse') {
    return { kind: 'refused', reason: 'the tenant is not known', isKnown: false }
  }
  const { policy, mode, limits: own } = config.unknown
  return { kind: 'bound', binding: { tenant: '', policy, mode, limits: own, by: 'default' } }
}

/** How a key is written in the configuration: never the key itself. */
export const keyDigest = (key: string): string =>
  `sha256:${createHash('sha256').update(key).digest('hex')}`

function byKey(config: TenantsConfig, key: string | undefined): TenantBinding | undefined {
  if (key === undefined || key === '') return undefined
  const asked = Buffer.from(keyDigest(key))
  // Every key is compared in constant time, and all of them: how long it takes tells nothing.
  let found: TenantBinding | undefined
  for (const [name, { api_keys }] of Object.entries(config.tenants)) {
    for (const known of api_keys) {
      if (timingSafeEqual(Buffer.from(known), asked)) found = bind(config, name, 'api_key')
    }
  }
  return found
}

function byAccount(config: TenantsConfig, account: string | undefined): TenantBinding | undefined {
  if (account === undefined) return undefined
  const owns = (t: TenantsConfig['tenants'][string]): boolean =>
    t.service_accounts.includes(account)
  const found = Object.entries(config.tenants).find(([, t]) => owns(t))
  return found === undefined ? undefined : bind(config, found[0], 'service_account')
}

function byHeader(config: TenantsConfig, { headers }: RequestFacts): TenantBinding | undefined {
  const value = headers[config.header.toLowerCase()]
  if (config.trust_header === 'never' || value === undefined) return undefined
  const named = Object.entries(config.tenants).find(
    ([name, t]) => name === value || t.header_values.includes(value),
  )
  return named === undefined ? undefined : bind(config, named[0], 'header')
}

/** The longest claimed prefix wins; a prefix ends at a slash. */
function byPath(config: TenantsConfig, { path }: RequestFacts): TenantBinding | undefined {
  if (config.trust_path === 'never') return undefined
  const claims = Object.entries(config.tenants).flatMap(([name, t]) =>
    t.paths.map((prefix) => ({ name, prefix: prefix.replace(/\/+$/, '') })),
  )
  const fitting = claims.filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
  const longest = fitting.sort((a, b) => b.prefix.length - a.prefix.length)[0]
  return longest === undefined ? undefined : bind(config, longest.name, 'path')
}

function bind(config: TenantsConfig, name: string, by: TenantBinding['by']): TenantBinding {
  const found = config.tenants[name]
  return {
    tenant: name,
    policy: found?.policy ?? '',
    mode: found?.mode,
    limits: found?.limits ?? {},
    by,
  }
}
