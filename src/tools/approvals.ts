/**
 * Calls that wait for a person. Nothing is decided by silence: what is not answered in time expires,
 * and an expired call is a refused one. Pure: the clock is a part.
 */
import { GuardError } from '../model/errors.ts'

export type Pending = {
  readonly id: string
  readonly requestId: string
  readonly tool: string
  readonly reason: string
  readonly expiresAtMs: number
}

export type Answer = { readonly kind: 'approved' | 'denied' | 'expired'; readonly by: string }

export type ApprovalParts = {
  readonly now: () => number
  /** Calls that may wait at one time; past it new ones are refused at once. */
  readonly maxPending: number
  /** Told of every end of a wait, once. Must not throw. */
  readonly observe: (pending: Pending, answer: Answer) => void
}

export class Approvals {
  readonly #parts: ApprovalParts
  readonly #pending = new Map<
    string,
    { readonly pending: Pending; readonly done: (a: Answer) => void }
  >()

  constructor(parts: ApprovalParts) {
    this.#parts = parts
  }

  /** `done` is called once: by `answer`, by `expire`, or at once when too many wait. */
  open(pending: Pending, done: (answer: Answer) => void): void {
    if (this.#pending.size >= this.#parts.maxPending || this.#pending.has(pending.id)) {
      this.#finish(pending, done, { kind: 'denied', by: 'bound' })
      return
    }
    this.#pending.set(pending.id, { pending, done })
  }

  /** A person's answer; an answer that comes too late is refused. */
  answer(id: string, kind: 'approved' | 'denied', by: string): Answer {
    this.expire()
    const entry = this.#pending.get(id)
    if (entry === undefined) {
      throw new GuardError('request_invalid', `approval ${id}: nothing waits under this id`)
    }
    this.#pending.delete(id)
    const answer: Answer = { kind, by }
    this.#finish(entry.pending, entry.done, answer)
    return answer
  }

  /** The caller went away. */
  cancel(id: string): void {
    this.#pending.delete(id)
  }

  /** Refuses what is overdue; call it from time to time. */
  expire(): void {
    const now = this.#parts.now()
    for (const [id, { pending, done }] of this.#pending) {
      if (pending.expiresAtMs > now) continue
      this.#pending.delete(id)
      this.#finish(pending, done, { kind: 'expired', by: 'clock' })
    }
  }

  list(): readonly Pending[] {
    return [...this.#pending.values()].map((entry) => entry.pending)
  }

  #finish(pending: Pending, done: (answer: Answer) => void, answer: Answer): void {
    this.#parts.observe(pending, answer)
    done(answer)
  }
}
