/** Something that was observed about one request: the input of a decision. */
import type { Verdict } from './verdict.ts'

export const PHASES = ['ingress', 'step', 'tool', 'midstream', 'egress'] as const
export type Phase = (typeof PHASES)[number]

export const MODES = ['monitor', 'alert', 'enforce'] as const
export type Mode = (typeof MODES)[number]

export type Finding =
  /** A phrase, keyword or pattern of the policy's automaton; offsets are UTF-16, end exclusive. */
  | {
      readonly kind: 'match'
      readonly ban: string
      readonly start: number
      readonly end: number
      readonly position?: number
    }
  | {
      readonly kind: 'pii'
      readonly type: string
      readonly start: number
      readonly end: number
      readonly confidence: number
      readonly masked: string
      readonly position?: number
    }
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly position?: number }
  /** A classifier that did not answer: the rule's `on_failure` decides. */
  | { readonly kind: 'unjudged'; readonly model: string; readonly reason: 'late' | 'failed' }
  /** A tool call that grows or is complete in the row's text. */
  | {
      readonly kind: 'tool'
      readonly name: string
      readonly arguments: string
      readonly complete: boolean
      readonly start: number
      readonly end: number
    }
  /** Adaptive decoding of a rule went to another level; 0 is the request's own parameters. */
  | {
      readonly kind: 'level'
      readonly rule: string
      readonly level: number
      readonly score: number
      readonly position: number
    }
  /** The engine's program state differs from ours: an incident, latches the row's fail mode. */
  | { readonly kind: 'divergence'; readonly position: number }

/** What a condition may ask about the request itself. */
export type RequestContext = {
  readonly requestId: string
  readonly tenant: string
  readonly user: string
  readonly model: string
  readonly phase: Phase
  readonly position: number
  readonly parameters: Readonly<Record<string, string | number | boolean>>
}
