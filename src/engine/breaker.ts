/**
 * Whether the sidecar is worth waiting for. Closed: wait. After `misses` deadlines missed in a row it
 * opens and nothing is waited for; after `openMs` one step is tried, and its answer decides.
 */

export type BreakerState = 'closed' | 'open' | 'half_open'

export class Breaker {
  readonly #misses: number
  readonly #openMs: number
  #state: BreakerState = 'closed'
  #missed = 0
  #openedAt = 0

  constructor(misses: number, openMs: number) {
    this.#misses = misses
    this.#openMs = openMs
  }

  get state(): BreakerState {
    return this.#state
  }

  mayWait(nowMs: number): boolean {
    if (this.#state === 'open' && nowMs - this.#openedAt >= this.#openMs) this.#state = 'half_open'
    return this.#state !== 'open'
  }

  answered(): void {
    this.#missed = 0
    this.#state = 'closed'
  }

  missed(nowMs: number): void {
    this.#missed++
    if (this.#state === 'half_open' || this.#missed >= this.#misses) {
      this.#state = 'open'
      this.#openedAt = nowMs
    }
  }
}
