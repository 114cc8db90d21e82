/**
 * Publish and subscribe for events, with a bound for every subscriber.
 *
 * Publishing never blocks and never throws. A subscriber that does not keep up loses its oldest
 * events and is told how many (`lost`), so one slow reader costs neither memory nor the path.
 */

export type Lost = { readonly kind: 'lost'; readonly count: number }

export interface Subscription<T> extends AsyncIterable<T | Lost> {
  /** Ends the iteration; what is queued is dropped. */
  close(): void
}

export interface Feed<T> {
  publish(event: T): void
  /** At most `capacity` events wait for this subscriber; `wants` filters before they are queued. */
  subscribe(capacity: number, wants?: (event: T) => boolean): Subscription<T>
  readonly subscribers: number
}

class Queue<T> implements Subscription<T> {
  readonly #capacity: number
  readonly #onClose: () => void
  #events: T[] = []
  #lost = 0
  #closed = false
  #wake: (() => void) | undefined

  constructor(capacity: number, onClose: () => void) {
    this.#capacity = capacity
    this.#onClose = onClose
  }

  add(event: T): void {
    if (this.#events.length >= this.#capacity) {
      this.#events.shift()
      this.#lost++
    }
    this.#events.push(event)
    this.#wake?.()
  }

  close(): void {
    this.#closed = true
    this.#events = []
    this.#onClose()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T | Lost, void, undefined> {
    try {
      while (!this.#closed) {
        if (this.#lost > 0) {
          const count = this.#lost
          this.#lost = 0
          yield { kind: 'lost', count }
        }
        const event = this.#events.shift()
        if (event !== undefined) yield event
        else await this.#sleep()
      }
    } finally {
      this.close()
    }
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}

export function createFeed<T>(): Feed<T> {
  const queues = new Map<Queue<T>, ((event: T) => boolean) | undefined>()
  return {
    publish(event) {
      for (const [queue, wants] of queues) if (wants === undefined || wants(event)) queue.add(event)
    },
    subscribe(capacity, wants) {
      const queue: Queue<T> = new Queue<T>(capacity, () => queues.delete(queue))
      queues.set(queue, wants)
      return queue
    },
    get subscribers() {
      return queues.size
    },
  }
}
