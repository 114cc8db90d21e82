/**
 * A bounded queue with priorities: prompts and tool arguments first, windows of streams last.
 *
 * At the bound a newcomer takes the place of the newest entry of a lower priority, which is given
 * back as dropped; without one the newcomer itself is dropped. First in, first out within a level.
 */

export type Priority = 'prompt' | 'tool' | 'stream'

const LEVEL: Readonly<Record<Priority, number>> = { prompt: 0, tool: 0, stream: 1 }

export class PriorityQueue<T> {
  readonly #levels: T[][] = [[], []]
  readonly #bound: number

  constructor(bound: number) {
    this.#bound = bound
  }

  get size(): number {
    return this.#levels.reduce((sum, level) => sum + level.length, 0)
  }

  /** Gives the entry that had to go, if any: it may be `item` itself. */
  push(item: T, priority: Priority): T | undefined {
    const level = LEVEL[priority]
    let dropped: T | undefined
    if (this.size >= this.#bound) {
      const lower = this.#levels.findLast((entries, i) => i > level && entries.length > 0)
      if (lower === undefined) return item
      dropped = lower.pop()
    }
    this.#levels[level]?.push(item)
    return dropped
  }

  /** Takes at most `count` entries, highest priority first. */
  take(count: number): T[] {
    const out: T[] = []
    for (const level of this.#levels) out.push(...level.splice(0, count - out.length))
    return out
  }

  /** Removes one entry, wherever it is. */
  remove(item: T): void {
    for (const level of this.#levels) {
      const at = level.indexOf(item)
      if (at >= 0) level.splice(at, 1)
    }
  }
}
