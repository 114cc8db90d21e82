/** What the engine is told to do with one row, from weak to strong: allow, adapt, deny, force, stop. */

/** Decoding parameters in force instead of the request's own; they only ever tighten. */
export type Adapt = {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
}

/** A set of token ids; `invert` makes it an allow-list (a safe vocabulary). */
export type TokenSet = { readonly tokens: readonly number[]; readonly invert: boolean }

/** A safe vocabulary as people write it: whoever has the vocabulary makes a token set of it. */
export type SafeWords = {
  readonly tokens: readonly number[]
  /** Every token that is made of nothing but these characters. */
  readonly characters: string
  /** Every token that is one of these, white space at its ends aside, or those that spell it. */
  readonly words: readonly string[]
}

/** Replaces everything that was in force for the row; an empty one means `allow`. */
export type Directive = {
  /** First output position it holds for. */
  readonly fromPosition: number
  /** Exclusive; undefined = until replaced. */
  readonly untilPosition?: number
  readonly adapt?: Adapt
  readonly deny?: readonly TokenSet[]
  /** Token ids played from exactly `fromPosition`. */
  readonly force?: readonly number[]
  readonly stop?: { readonly reason: string }
  /** The engine waits for the sidecar at every further step of this row. */
  readonly sync: boolean
}

export type RowDirective = {
  readonly slot: number
  readonly generation: number
  readonly directive: Directive
}
