/**
 * Whether a request is still wanted. The part of AbortSignal that is used here: a platform signal is
 * one too, but costs more to make and to listen to than all the rest of a short request.
 */
export interface CancelSignal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Both sides of it. Listeners are told once, in the order in which they came. */
export class Cancel implements CancelSignal {
  readonly #listeners = new Set<() => void>()
  #reason: Error | undefined

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#reason !== undefined) throw this.#reason
  }

  addEventListener(_: 'abort', listener: () => void): void {
    if (!this.aborted) this.#listeners.add(listener)
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  abort(reason = new Error('the request is not wanted any longer')): void {
    if (this.aborted) return
    this.#reason = reason
    const all = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of all) listener()
  }
}
