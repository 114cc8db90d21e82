/**
 * Deny sets of one stream: each travels once and is named by id afterwards.
 *
 * A set is known by its content, which is read once per object. At the bound the set that was not named for longest is forgotten and would travel again under a
 * new id; ids are never reused, so a row that still obeys an old id keeps its meaning.
 */
import { createHash } from 'node:crypto'
import type { TokenSet } from '../model/directive.ts'

export const MAX_DENY_SETS = 4_096

export class DenySets {
  readonly #ids = new Map<string, number>()
  readonly #keys = new WeakMap<TokenSet, string>()
  readonly #bound: number
  #next = 1

  constructor(bound = MAX_DENY_SETS) {
    this.#bound = bound
  }

  /** The id of the set; `fresh` when the engine has to be told what it is first. */
  name(set: TokenSet): { readonly id: number; readonly fresh: boolean } {
    const key = this.#key(set)
    const known = this.#ids.get(key)
    if (known !== undefined) {
      this.#ids.delete(key)
      this.#ids.set(key, known)
      return { id: known, fresh: false }
    }
    if (this.#ids.size >= this.#bound) {
      const oldest = this.#ids.keys().next()
      if (oldest.done !== true) this.#ids.delete(oldest.value)
    }
    const id = this.#next++
    this.#ids.set(key, id)
    return { id, fresh: true }
  }

  #key(set: TokenSet): string {
    const known = this.#keys.get(set)
    if (known !== undefined) return known
    const hash = createHash('sha256').update(set.invert ? 'i' : 'd')
    const key = hash.update(Uint32Array.from(set.tokens)).digest('base64')
    this.#keys.set(set, key)
    return key
  }

  get size(): number {
    return this.#ids.size
  }
}
