/**
 * Limits of tenants: requests and tokens per minute as token buckets, and requests at once. Pure: time
 * comes in as a number.
 *
 * A bucket holds one minute's worth, so a tenant that was quiet may spend a minute at once. Tokens are
 * charged when they are known: a request is admitted while the bucket is not empty, and may overdraw
 * it; the tenant then waits until it is paid back.
 *
 * Bound: one entry a tenant of the configuration, one a request that is running, and the last 4 096
 * that ended, because an engine may tell of their tokens a moment later.
 */
import type { TenantLimits } from './tenants.ts'

export type LimitName = 'requests_per_minute' | 'concurrent_requests' | 'tokens_per_minute'

export type Admitted =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly limit: LimitName; readonly retryAfterS: number }

type Account = {
  requests: Bucket
  tokens: Bucket
  running: number
  limits: TenantLimits
}

const MINUTE_MS = 60_000
const MAX_ENDED = 4_096

export class TenantLimiter {
  readonly #accounts = new Map<string, Account>()
  readonly #running = new Map<
    string,
    { readonly account: Account; readonly limits: TenantLimits }
  >()
  readonly #ended = new Map<string, { readonly account: Account; readonly limits: TenantLimits }>()
  readonly #refused = new Map<string, number>()

  /** Whoever is admitted is finished later, by `finish`; asked again, a request is not counted twice. */
  admit(requestId: string, tenant: string, limits: TenantLimits, nowMs: number): Admitted {
    if (this.#running.has(requestId)) return { kind: 'admitted' }
    const account = this.#account(tenant, limits, nowMs)
    const { requests_per_minute, concurrent_requests, tokens_per_minute } = limits
    if (concurrent_requests !== undefined && account.running >= concurrent_requests) {
      return this.#refuse('concurrent_requests', 1_000)
    }
    if (tokens_per_minute !== undefined) {
      const waitMs = account.tokens.waitMs(1, tokens_per_minute, nowMs)
      if (waitMs > 0) return this.#refuse('tokens_per_minute', waitMs)
    }
    if (requests_per_minute !== undefined) {
      const waitMs = account.requests.waitMs(1, requests_per_minute, nowMs)
      if (waitMs > 0) return this.#refuse('requests_per_minute', waitMs)
      account.requests.level -= 1
    }
    account.running++
    this.#running.set(requestId, { account, limits })
    return { kind: 'admitted' }
  }

  /** Tokens that a request used; those of requests that are not known are nobody's. */
  charge(requestId: string, tokens: number, nowMs: number): void {
    const running = this.#running.get(requestId) ?? this.#ended.get(requestId)
    const perMinute = running?.limits.tokens_per_minute
    if (running === undefined || perMinute === undefined) return
    running.account.tokens.refill(perMinute, nowMs)
    running.account.tokens.level -= tokens
  }

  finish(requestId: string): void {
    const running = this.#running.get(requestId)
    if (running === undefined) return
    this.#running.delete(requestId)
    running.account.running--
    this.#ended.set(requestId, running)
    const oldest = this.#ended.size > MAX_ENDED ? this.#ended.keys().next().value : undefined
    if (oldest !== undefined) this.#ended.delete(oldest)
  }

  /** Forgets tenants that are not among these and have no request running. */
  keep(tenants: ReadonlySet<string>): void {
    for (const [name, { running }] of this.#accounts) {
      if (!tenants.has(name) && running === 0) this.#accounts.delete(name)
    }
  }

  /** Requests refused so far, by limit. */
  get refused(): ReadonlyMap<string, number> {
    return this.#refused
  }

  #account(tenant: string, limits: TenantLimits, nowMs: number): Account {
    const known = this.#accounts.get(tenant)
    if (known !== undefined) {
      // A limit that came while the tenant was there begins with a whole minute.
      const { requests_per_minute, tokens_per_minute } = limits
      if (known.limits.requests_per_minute === undefined && requests_per_minute !== undefined) {
        known.requests = new Bucket(requests_per_minute, nowMs)
      }
      if (known.limits.tokens_per_minute === undefined && tokens_per_minute !== undefined) {
        known.tokens = new Bucket(tokens_per_minute, nowMs)
      }
      known.limits = limits
      return known
    }
    const made = {
      requests: new Bucket(limits.requests_per_minute ?? 0, nowMs),
      tokens: new Bucket(limits.tokens_per_minute ?? 0, nowMs),
      running: 0,
      limits,
    }
    this.#accounts.set(tenant, made)
    return made
  }

  #refuse(limit: LimitName, waitMs: number): Admitted {
    this.#refused.set(limit, (this.#refused.get(limit) ?? 0) + 1)
    return { kind: 'refused', limit, retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)) }
  }
}

class Bucket {
  level: number
  #atMs: number

  constructor(full: number, nowMs: number) {
    this.level = full
    this.#atMs = nowMs
  }

  refill(perMinute: number, nowMs: number): void {
    const gained = (Math.max(0, nowMs - this.#atMs) / MINUTE_MS) * perMinute
    this.level = Math.min(perMinute, this.level + gained)
    this.#atMs = nowMs
  }

  /** Milliseconds until it holds `wanted`. */
  waitMs(wanted: number, perMinute: number, nowMs: number): number {
    this.refill(perMinute, nowMs)
    return this.level >= wanted ? 0 : ((wanted - this.level) / perMinute) * MINUTE_MS
  }
}
