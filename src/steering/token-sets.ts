/** Token sets for texts that may, or may not, be spelled next; equal questions get the same set. */
import type { TokenSet } from '../model/directive.ts'
import type { TokenLookup } from '../programs/token-lookup.ts'

/** Sets remembered of one vocabulary; past it the memory starts over. */
const MAX_SETS = 1_024

const known = new WeakMap<TokenLookup, Map<string, TokenSet>>()

export class TokenSets {
  readonly #lookup: TokenLookup
  readonly #sets: Map<string, TokenSet>

  constructor(lookup: TokenLookup) {
    this.#lookup = lookup
    const sets = known.get(lookup) ?? new Map<string, TokenSet>()
    known.set(lookup, sets)
    this.#sets = sets
  }

  /** Everything but what one of the texts begins with is denied. `skip`: bytes spelled already. */
  only(texts: readonly string[], skip: number): TokenSet {
    return this.#set(`only ${skip}`, texts, () => ({
      tokens: this.#lookup.towards(texts, skip),
      invert: true,
    }))
  }

  /** What would complete one of the texts is denied. */
  never(texts: readonly string[], skip: number): TokenSet {
    return this.#set(`never ${skip}`, texts, () => ({
      tokens: this.#lookup.completing(texts, skip),
      invert: false,
    }))
  }

  /** Tokens that spell the text; none when a character of it is half spelled. */
  encode(text: string, skip: number): readonly number[] {
    return skip === 0 ? this.#lookup.encode(text) : []
  }

  #set(kind: string, texts: readonly string[], make: () => TokenSet): TokenSet {
    const key = `${kind} ${texts.join('\u0000')}`
    const found = this.#sets.get(key)
    if (found !== undefined) return found
    if (this.#sets.size >= MAX_SETS) this.#sets.clear()
    const set = make()
    this.#sets.set(key, set)
    return set
  }
}
