/**
 * Shares of the event loop. A socket that is always full is read up to 32 times before the loop turns
 * (libuv, `uv__read`), and every byte is scanned as it comes: a few upstreams that send as fast as they
 * can would keep everybody else waiting for seconds.
 */

/** Bytes of answers that one turn takes, of all answers together; a chunk that was read is taken whole. */
const BYTES = 256 * 1024

export class Turns {
  readonly #bytes: number
  #taken = 0
  #isCounting = false
  #waiting: (() => void)[] = []

  constructor(bytes = BYTES) {
    this.#bytes = bytes
  }

  /** Counts what was taken; false when nothing more should be before the next turn. */
  take(bytes: number): boolean {
    this.#taken += bytes
    if (!this.#isCounting) {
      this.#isCounting = true
      setImmediate(() => this.#turn())
    }
    return this.#taken < this.#bytes
  }

  /** Calls back in the next turn, in the order of asking. Only after `take`. */
  next(resume: () => void): void {
    this.#waiting.push(resume)
  }

  #turn(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#isCounting = false
    this.#taken = 0
    for (const resume of waiting) resume()
  }
}

/** There is one loop for all connections of the process. */
export const turns = new Turns()
