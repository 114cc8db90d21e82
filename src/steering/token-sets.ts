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

  /**
   * Everything but what one of the texts begins with is denied. `skip`: bytes spelled already; `marks`:
   * control tokens that may come next.
   */
  only(texts: readonly string[], skip: number, marks: readonly string[] = []): TokenSet {
    return this.#set(`only ${skip}`, [texts, marks], () => ({
      tokens: [...this.#lookup.towards(texts, skip), ...this.#named(marks)],
      invert: true,
    }))
  }

  /** What would complete one of the texts is denied, and the control tokens `marks`. */
  never(texts: readonly string[], skip: number, marks: readonly string[] = []): TokenSet {
    return this.#set(`never ${skip}`, [texts, marks], () => ({
      tokens: [...this.#lookup.completing(texts, skip), ...this.#named(marks)],
      invert: false,
    }))
  }

  /** Whether the vocabulary has a control token of that name. */
  isMark(name: string): boolean {
    return this.#lookup.named(name).length > 0
  }

  /** Tokens that spell the text; none when a character of it is half spelled. */
  encode(text: string, skip: number): readonly number[] {
    return skip === 0 ? this.#lookup.encode(text) : []
  }

  #named(marks: readonly string[]): readonly number[] {
    return marks.flatMap((mark) => this.#lookup.named(mark))
  }

  #set(kind: string, lists: readonly (readonly string[])[], make: () => TokenSet): TokenSet {
    const key = `${kind} ${lists.map((list) => list.join('\u0000')).join('\u0001')}`
    const found = this.#sets.get(key)
    if (found !== undefined) return found
    if (this.#sets.size >= MAX_SETS) this.#sets.clear()
    const set = make()
    this.#sets.set(key, set)
    return set
  }
}
