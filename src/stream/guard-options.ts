/** What the guard of one response is given: how to read, what to scan with, who decides, the bounds. */
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import type { TextAt } from '../model/event.ts'
import type { Finding } from '../model/finding.ts'
import type { ChannelName, Usage } from './dialect.ts'
import type { JudgeTerms, Window } from './windows.ts'

export type DialectName =
  'openai-chat' | 'openai-completions' | 'openai-responses' | 'anthropic-messages'

/**
 * Follows one growing text. `openFrom` is the offset of the oldest start that may still become a
 * match; at or past `length`, negative or undefined means that nothing is open.
 */
export type TextScan<Found> = {
  push(text: string): readonly Found[]
  end(): readonly Found[]
  readonly openFrom: number | undefined
}

export type PhraseMatch = { readonly ban: string; readonly start: number; readonly end: number }

/** A personal datum or a secret; further members pass through. */
export type PiiMatch = {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly confidence: number
  readonly masked: string
}

export type TextDecision = {
  readonly effects: readonly TextEffect[]
  readonly firings: readonly RuleFiring[]
  /**
   * Of tool calls: what the findings would fire by themselves, also where the rule was told of before.
   */
  readonly alone?: readonly RuleFiring[]
  /** Time that the decision took, in microseconds. */
  readonly tookUs?: number
}

export type CallText = {
  /** The call's own key within the response. */
  readonly key: string
  readonly choice: number
  readonly id: string | undefined
  readonly name: string
  readonly arguments: string
}

export type CallOutcome =
  | { readonly kind: 'allow' }
  | {
      readonly kind: 'rewrite'
      readonly arguments: string
      /** Values in it that policy had the engine say: text rules leave them. */
      readonly chosen?: readonly string[]
      readonly firings?: readonly RuleFiring[]
    }
  | { readonly kind: 'block'; readonly message: string; readonly firings?: readonly RuleFiring[] }
  /** Waits for `settleCall`: approval by a person. */
  | { readonly kind: 'hold' }

/** Text to be judged; offsets are of the channel's text, and `text` may begin earlier for context. */
export type JudgeJob = Window & { readonly channel: ChannelName }

export type Judge = JudgeTerms & {
  /** Must not block; the answer comes back through `settle`. */
  readonly submit: (job: JudgeJob) => void
}

/** One thing that was decided about a request or its response, for headers, audit and events. */
export type StreamDecision = {
  readonly channel: string
  readonly choice: number
  readonly effects: readonly string[]
  readonly firings: readonly RuleFiring[]
  /** Part of the span had already been released when the finding came. */
  readonly isLate: boolean
}

export type StreamLimits = {
  /** One event of the upstream; at the bound the response ends with an error. */
  readonly maxFrameBytes: number
  /** Everything that waits in one response; at the bound the response ends with an error. */
  readonly maxHeldBytes: number
  /** The arguments of one call; at the bound the call is blocked. */
  readonly maxArgumentChars: number
}

export const DEFAULT_LIMITS: StreamLimits = {
  maxFrameBytes: 4 * 1024 * 1024,
  maxHeldBytes: 8 * 1024 * 1024,
  maxArgumentChars: 1024 * 1024,
}

export type StreamOptions = {
  readonly dialect: DialectName
  readonly scan?: (channel: ChannelName) => TextScan<PhraseMatch> | undefined
  readonly pii?: (channel: ChannelName) => TextScan<PiiMatch> | undefined
  /** Called in the order of the text, with new findings of one channel. Must not throw. */
  readonly decide: (findings: readonly Finding[], channel: ChannelName) => TextDecision
  /**
   * Told of firings as they came to be, which of a tool call's text is after the call. Must not throw.
   * `textAt` is of the text that their spans are of.
   */
  readonly observe?: (decision: TextDecision, textAt: TextAt) => void
  /** Present: every call is held until it is whole and decided. */
  readonly decideCall?: (call: CallText) => CallOutcome
  readonly judge?: Judge
  /**
   * Tokens, and characters (256 unless given), that an open match may hold back, whichever is more: a
   * key or a phrase that is spelled letter by letter has many tokens and must not leak its beginning.
   * Past both the oldest text goes out, and a match that completes later is redacted in what is left.
   */
  readonly holdbackTokens: number
  readonly holdbackChars?: number
  /** `n` of the request. */
  readonly choices?: number
  /** The request asked for a usage chunk (`stream_options.include_usage`). */
  readonly includeUsage?: boolean
  /** Content is JSON itself (`response_format`): redaction keeps it valid. */
  readonly jsonContent?: boolean
  /** What the engine counted so far, for the usage of a response that was stopped. */
  readonly usage?: () => Usage | undefined
  readonly limits?: Partial<StreamLimits>
  /** A frame that is no JSON: `closed` ends the response with an error, `open` forwards it unread. */
  readonly onMalformed: 'closed' | 'open'
  /** A last comment frame with the decisions, which every client library skips. */
  readonly finalComment?: boolean
  /** What was decided about the request: the comment begins with it. */
  readonly before?: readonly StreamDecision[]
}
