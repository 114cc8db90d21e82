/** What adaptive decoding does at each level of risk, and how it goes from one level to the next. */
import type { Adapt, SafeWords, TokenSet } from '../model/directive.ts'

export type Smoothing =
  | { readonly kind: 'max' }
  | { readonly kind: 'ema'; readonly alpha: number }
  | { readonly kind: 'n_of_m'; readonly n: number; readonly m: number }

export type AdaptLevel = {
  /** Smoothed risk at or above which the level is entered. */
  readonly enter: number
  /** Smoothed risk below which it is left, once it has dwelt; below `enter`. */
  readonly leave: number
  readonly adapt: Adapt
  readonly deny: TokenSet | undefined
  /** Beside `deny`, where a safe vocabulary is written as text. */
  readonly safe?: SafeWords
}

export type AdaptPlan = {
  /** By rising `enter`; level n of the state machine is `levels[n - 1]`. */
  readonly levels: readonly AdaptLevel[]
  readonly smoothing: Smoothing
  /** Tokens that a level is kept at least after its last evidence. */
  readonly dwellTokens: number
  /** True: the level machine drives it. False: it holds from the first firing to the end. */
  readonly isTracked: boolean
}
