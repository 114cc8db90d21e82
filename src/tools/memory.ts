/**
 * Calls that were made, by who made them, for rules about number, order and rate. It lives in this
 * process only: a restart forgets, and replicas do not know of each other.
 *
 * Bounds: `maxKeys` callers, the quietest is forgotten; 256 calls of each, the oldest are.
 */
import type { MadeCall } from './decide.ts'

const MAX_CALLS = 256

export class CallMemory {
  readonly #maxKeys: number
  readonly #made = new Map<string, MadeCall[]>()

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  made(key: string): readonly MadeCall[] {
    return this.#made.get(key) ?? []
  }

  add(key: string, call: MadeCall): void {
    const calls = this.#made.get(key) ?? []
    this.#made.delete(key)
    this.#made.set(key, calls)
    calls.push(call)
    if (calls.length > MAX_CALLS) calls.shift()
    const quietest = this.#made.size > this.#maxKeys ? this.#made.keys().next().value : undefined
    if (quietest !== undefined) this.#made.delete(quietest)
  }
}

/**
 * The calls of a conversation as its messages tell them, and as we remember them: a client that leaves
 * some out does not win by it.
 */
export function conversationCalls(
  told: readonly string[],
  remembered: readonly MadeCall[],
): readonly MadeCall[] {
  const left = new Map<string, number>()
  for (const { name } of remembered) left.set(name, (left.get(name) ?? 0) + 1)
  const only = told.filter((name) => {
    const count = left.get(name) ?? 0
    left.set(name, count - 1)
    return count <= 0
  })
  return [...only.map((name) => ({ name, atMs: 0 })), ...remembered]
}
