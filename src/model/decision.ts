/** What the policy made of the findings: the strictest effect, and every rule that had a part in it. */
import type { Adapt, TokenSet } from './directive.ts'
import type { Mode, Phase } from './finding.ts'

/** What is done to text that goes to the client (or comes from it); offsets are UTF-16, end exclusive. */
export type TextEffect =
  | { readonly kind: 'redact'; readonly start: number; readonly end: number; readonly with: string }
  | { readonly kind: 'inject'; readonly where: 'before' | 'after'; readonly text: string }
  | { readonly kind: 'stop'; readonly message: string; readonly status: number }

/** What is done to a tool call; `argument` is a dotted path into its arguments. */
export type ToolEffect =
  | { readonly kind: 'rewrite'; readonly argument: string; readonly value: string }
  | { readonly kind: 'block'; readonly message: string }
  /** A person has to agree; silence refuses when the time is over. */
  | { readonly kind: 'step_up'; readonly reason: string; readonly expiresMs: number }

export type RuleFiring = {
  readonly rule: string
  readonly phase: Phase
  readonly mode: Mode
  readonly action: string
  readonly priority: number
  readonly regulation?: string
  /** Offsets of the evidence, when it has a place in the text. */
  readonly span?: readonly [number, number]
  /** Output position after the token that completed the evidence, when that is known. */
  readonly position?: number
  readonly score?: number
  /** Of `log`, `audit` and `notify`: what the policy's author wants it to be known as. */
  readonly message?: string
  readonly category?: string
  readonly severity?: string
  /** Of `notify`: who is told, as the policy names it. */
  readonly to?: string
  /** Salted commitment to a value that was refused or replaced; the value itself is told to nobody. */
  readonly commitment?: string
}

export type Decision = {
  /** Digest of the compiled policy that decided. */
  readonly revision: string
  /** Effects in force (rules in `monitor` are in `firings` only). */
  readonly adapt?: Adapt
  readonly deny?: readonly TokenSet[]
  readonly force?: readonly number[]
  readonly stop?: { readonly reason: string; readonly message: string; readonly status: number }
  /** The row is to be waited for from now on. */
  readonly sync: boolean
  readonly text: readonly TextEffect[]
  readonly tool?: readonly ToolEffect[]
  readonly firings: readonly RuleFiring[]
}
