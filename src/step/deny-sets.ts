/**
 * Deny sets of one stream: each travels once and is named by id afterwards.
 *
 * A set is known by the identity of its object (decisions reuse the sets of their compiled policy).
 * At the bound the set that was not named for longest is forgotten and would travel again under a
 * new id; ids are never reused, so a row that still obeys an old id keeps its meaning.
 */
import type { TokenSet } from '../model/directive.ts'

export const MAX_DENY_SETS = 4_096

export class DenySets {
  readonly #ids = new Map<TokenSet, number>()
  readonly #bound: number
  #next = 1

  constructor(bound = MAX_DENY_SETS) {
    this.#bound = bound
  }

  /** The id of the set; `fresh` when the engine has to be told what it is first. */
  name(set: TokenSet): { readonly id: number; readonly fresh: boolean } {
    const known = this.#ids.get(set)
    if (known !== undefined) {
      this.#ids.delete(set)
      this.#ids.set(set, known)
      return { id: known, fresh: false }
    }
    if (this.#ids.size >= this.#bound) {
      const oldest = this.#ids.keys().next()
      if (oldest.done !== true) this.#ids.delete(oldest.value)
    }
    const id = this.#next++
    this.#ids.set(set, id)
    return { id, fresh: true }
  }

  get size(): number {
    return this.#ids.size
  }
}
