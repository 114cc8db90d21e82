/** What happened, told to whoever watches: the playground, `checkstream watch`, tests. Never waited for. */
import type { Adapt } from './directive.ts'
import type { RuleFiring } from './decision.ts'

export type Asked = {
  readonly tenant: string
  readonly policy: string
  readonly model: string
  readonly revision: string
}

/**
 * What stands at a span of the text that a firing is about; undefined when it is kept no longer. A
 * function, so that it goes to no wire by itself.
 */
export type TextAt = (start: number, end: number) => string | undefined

export type GuardEvent =
  | {
      readonly kind: 'opened'
      readonly requestId: string
      readonly tenant: string
      readonly policy: string
      readonly model: string
      /** Of the first row of a request; 0 for the others. */
      readonly promptTokens: number
    }
  /** Tokens of one request that one Step reported. */
  | {
      readonly kind: 'tokens'
      readonly requestId: string
      readonly position: number
      readonly count: number
      /** Highest calibrated risk of the last token, when a scorer is loaded. */
      readonly risk?: number
      readonly adapt?: Adapt
      /** Time spent on the whole Step in the sidecar, in microseconds. */
      readonly addedUs: number
    }
  | {
      readonly kind: 'decision'
      readonly requestId: string
      readonly position: number
      readonly firings: readonly RuleFiring[]
      /** Time that the decision took, in microseconds, where it was measured. */
      readonly tookUs?: number
      readonly textAt?: TextAt
      /** Who asked, where no `opened` says so: at ingress, and without an engine of ours. */
      readonly asked?: Asked
    }
  /** The row can no longer be judged as its policy wants (`divergence`, `violation`, `gap`, …). */
  | {
      readonly kind: 'latched'
      readonly requestId: string
      readonly position: number
      readonly reason: string
    }
  /** A tool call waits for a person, or waits no longer. */
  | {
      readonly kind: 'approval'
      readonly requestId: string
      readonly id: string
      readonly tool: string
      readonly state: 'waiting' | 'approved' | 'denied' | 'expired'
      /** Who answered; empty while it waits. */
      readonly by: string
    }
  | { readonly kind: 'closed'; readonly requestId: string; readonly tokens: number }
  | { readonly kind: 'engine'; readonly engine: string; readonly attached: boolean }
  | {
      readonly kind: 'policy'
      readonly revision: string
      readonly error?: string
      /** What is doubtful in the policies in force, with its place. */
      readonly warnings?: readonly string[]
    }
  /** How many tenants are in force, and why those on the disk are not. */
  | { readonly kind: 'tenants'; readonly tenants: number; readonly error?: string }
