/**
 * The requests under way. One counts against the bound when it has arrived whole: a client that
 * dribbles holds a connection until its time is over, and never the place of another.
 */
import { GuardError } from '../model/errors.ts'
import type { Cancel } from './cancel.ts'

export class Running {
  readonly #most: number
  readonly #all = new Map<string, Cancel>()
  readonly #arrived = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#all.size
  }

  has(requestId: string): boolean {
    return this.#all.has(requestId)
  }

  open(requestId: string, cancel: Cancel): void {
    this.#all.set(requestId, cancel)
  }

  /** Throws `overloaded` when there is no place for one more. */
  arrive(requestId: string): void {
    if (this.#arrived.size >= this.#most) {
      throw new GuardError('overloaded', `at most ${this.#most} requests at once; try again`)
    }
    this.#arrived.add(requestId)
  }

  close(requestId: string): void {
    this.#all.delete(requestId)
    this.#arrived.delete(requestId)
  }

  abortAll(): void {
    for (const cancel of this.#all.values()) cancel.abort()
  }
}
