/**
 * A ban: text that must not be produced, whatever its tokenization or disguise.
 * The noun crosses rooms: policy writes it, automata compiles it, stream scans for it.
 */

/** What is made equal before comparing. `case` … `split` as in docs/token-programs.md. */
export const FOLDS = [
  'case',
  'width',
  'marks',
  'confusables',
  'zero_width',
  'leet',
  'spacing',
  'split',
] as const
export type Fold = (typeof FOLDS)[number]

export type Ban = {
  /** Unique within one compile; decisions name it. */
  readonly id: string
  readonly kind: 'phrase' | 'regex'
  /** The phrase, or the source of the regular expression. */
  readonly text: string
  readonly match: 'word' | 'substring'
  readonly folds: readonly Fold[]
  /**
   * A word whose end boundary is not decided yet: `allow` lets it grow (`ass` into `asset`) and
   * denies what would close it; `deny` refuses it at once.
   */
  readonly pending: 'allow' | 'deny'
  /** Where it was written (`file:line:column`), for messages. */
  readonly place?: string
}
