/**
 * What all request bodies that are being read may hold together. Bytes count as they come, not as they
 * are announced: who announces much and sends nothing takes nobody's place.
 */
import { RequestError } from './answers.ts'

export class BodyBudget {
  readonly #most: number
  #held = 0

  constructor(most: number) {
    this.#most = most
  }

  get held(): number {
    return this.#held
  }

  /** Counts `bytes` more; throws a RequestError with 503 `bodies_full`, and counts none, past the bound. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#most) {
      throw new RequestError({
        status: 503,
        message:
          `the bodies that are being read hold ${this.#held} bytes, and ${bytes} more would pass ` +
          `server.bodies_limit (${this.#most}); try again`,
        code: 'bodies_full',
      })
    }
    this.#held += bytes
  }

  release(bytes: number): void {
    this.#held -= bytes
  }
}
