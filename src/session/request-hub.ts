/**
 * Requests by the id that the proxy injected: what the step plane knows of them, for the proxy.
 *
 * Rows come and go (n > 1, preemption, reconnects); a request keeps one entry for all of them.
 * Bound: `maxRequests` entries; past it the finished entry that was quiet for longest is forgotten,
 * and when none is finished the oldest one.
 */
import type { Decision } from '../model/decision.ts'
import type { Mode } from '../model/finding.ts'

/** Decisions kept per request; older ones have already been told to whoever listens. */
const MAX_DECISIONS = 64

export type PlacedDecision = {
  readonly child: number
  readonly position: number
  readonly decision: Decision
}

export type Latch =
  'divergence' | 'violation' | 'gap' | 'unmasked' | 'engine_lost' | 'evicted' | 'refused' | 'failed'

export type RequestEvent =
  | { readonly kind: 'opened'; readonly child: number }
  | { readonly kind: 'tokens'; readonly child: number; readonly position: number }
  | ({ readonly kind: 'decision' } & PlacedDecision)
  /** The row can no longer be judged as the policy wants; its on_failure is in force. */
  | { readonly kind: 'latched'; readonly child: number; readonly reason: Latch }
  | { readonly kind: 'closed'; readonly child: number; readonly position: number }

/** One row as the proxy may see it. */
export type RequestRow = {
  readonly child: number
  readonly position: number
  readonly text: () => string
}

/** What the proxy knows before the engine does; rows of the request are judged with it. */
export type RequestOrigin<P> = {
  readonly tenant: string
  readonly user: string
  /** The policy revision that the request keeps to its end. */
  readonly policy: P
  /** Ceiling of the tenant. */
  readonly mode?: Mode
  readonly parameters: Readonly<Record<string, string | number | boolean>>
}

export type Listener = (event: RequestEvent) => void

export class RequestEntry<P> {
  readonly requestId: string
  readonly rows = new Set<RequestRow>()
  readonly decisions: PlacedDecision[] = []
  origin: RequestOrigin<P> | undefined
  /** Set by the proxy: every row, also one that opens later, is stopped with this reason. */
  stopReason: string | undefined
  readonly #listeners = new Set<Listener>()

  constructor(requestId: string) {
    this.requestId = requestId
  }

  /** `listener` is called at once and must neither block nor throw. Gives the way to leave. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get isListened(): boolean {
    return this.#listeners.size > 0
  }

  tell(event: RequestEvent): void {
    if (event.kind === 'decision') {
      if (this.decisions.length >= MAX_DECISIONS) this.decisions.shift()
      this.decisions.push({
        child: event.child,
        position: event.position,
        decision: event.decision,
      })
    }
    for (const listener of this.#listeners) listener(event)
  }
}

export class RequestHub<P> {
  readonly #entries = new Map<string, RequestEntry<P>>()
  readonly #maxRequests: number
  #forgotten = 0

  constructor(maxRequests: number) {
    this.#maxRequests = maxRequests
  }

  get size(): number {
    return this.#entries.size
  }

  /** Entries given up at the bound. */
  get forgotten(): number {
    return this.#forgotten
  }

  find(requestId: string): RequestEntry<P> | undefined {
    return this.#entries.get(requestId)
  }

  /** The entry, made when it is new. The empty id (a request without identity) has none. */
  enter(requestId: string): RequestEntry<P> | undefined {
    if (requestId === '') return undefined
    const known = this.#entries.get(requestId)
    if (known !== undefined) return known
    if (this.#entries.size >= this.#maxRequests) this.#forgetOne()
    const entry = new RequestEntry<P>(requestId)
    this.#entries.set(requestId, entry)
    return entry
  }

  leave(requestId: string): void {
    this.#entries.delete(requestId)
  }

  #forgetOne(): void {
    let oldest: string | undefined
    for (const [id, entry] of this.#entries) {
      oldest ??= id
      if (entry.rows.size === 0 && !entry.isListened) {
        oldest = id
        break
      }
    }
    if (oldest !== undefined) this.#entries.delete(oldest)
    this.#forgotten++
  }
}
