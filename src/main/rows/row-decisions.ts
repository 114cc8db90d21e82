/**
 * What a row's policy decides in the engine, with what only the engine's vocabulary knows: which
 * tokens a rule's words are, and the token ids of `banned_tokens_file`.
 */
import type { GuardParts } from '../../guard.ts'
import type { TokenSet } from '../../model/directive.ts'
import { decide } from '../../policy/decide/decide.ts'
import type { TokenLookup } from '../../programs/token-lookup.ts'
import type { SitePolicy } from '../site/site-policies.ts'

type Words = Pick<TokenLookup, 'tokensOf' | 'encode' | 'safe'>

export type RowDecisionParts = {
  /** Ids that are denied in every row: no guarantee, because text has other segmentations. */
  readonly bannedTokens: readonly number[]
  readonly lookup: (vocabularyDigest: string) => Words | undefined
  /** Milliseconds since the epoch: exceptions end while we run. */
  readonly nowMs: () => number
}

export function createDecide(parts: RowDecisionParts): GuardParts<SitePolicy>['decide'] {
  const { bannedTokens, lookup } = parts
  // One object, so that its deny set travels once.
  const banned: TokenSet | undefined =
    bannedTokens.length === 0 ? undefined : { tokens: bannedTokens, invert: false }
  return ({ compiled, isOwn }, findings, context) => {
    const vocabulary = lookup(context.vocabularyDigest)
    const now = { ...context, nowMs: parts.nowMs() }
    const told = vocabulary === undefined ? now : { ...now, vocabulary }
    const decision = decide(compiled, findings, told)
    if (banned === undefined || isOwn === true) return decision
    return { ...decision, deny: [...(decision.deny ?? []), banned] }
  }
}

/** Makes the token sets of the policy's safe vocabularies: off the step path, which only reads them. */
export function prepareWords({ compiled }: SitePolicy, words: Pick<Words, 'safe'>): void {
  for (const { actions } of compiled.rules) {
    for (const { plan } of actions) {
      for (const { safe } of plan?.levels ?? []) if (safe !== undefined) words.safe(safe)
    }
  }
}
