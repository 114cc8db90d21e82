/**
 * What tools may be called, and with which values. Plain data: the `tools` section of a policy
 * compiles to it. What is not granted is refused; there is no other default.
 */
import type { Origin } from './taint.ts'

export type ToolPolicy = {
  /**
   * Who may call what; a call that no entry allows is blocked. `*` at the end of a name matches the
   * rest. Undefined: every tool may be called.
   */
  readonly grants?: readonly ToolGrant[]
  readonly tools: Readonly<Record<string, ToolRule>>
  /** Said in place of a blocked call. */
  readonly message?: string
}

export type ToolGrant = {
  readonly tools: readonly string[]
  /** Undefined: every tenant, every agent. */
  readonly tenants?: readonly string[]
  readonly agents?: readonly string[]
}

export type ToolRule = {
  /** JSON Schema of the arguments. */
  readonly schema?: Readonly<Record<string, unknown>>
  readonly values?: readonly ValueRule[]
  /** Calls of this tool in one session. */
  readonly atMost?: number
  readonly rate?: { readonly calls: number; readonly windowMs: number }
  /** Tools that must have been called before in the session, each at least once. */
  readonly after?: readonly string[]
  /** Tools after which this one may no longer be called. */
  readonly notAfter?: readonly string[]
  /** Every call waits for a person. */
  readonly stepUp?: StepUp
}

export type StepUp = { readonly reason: string; readonly expiresMs: number }

export type ValueRule = {
  /** Name of the rule, for decisions and logs. */
  readonly name: string
  /** Members by dots; `*` is any member or element (`items.*.url`). Absent values satisfy every test. */
  readonly path: string
  readonly test: ValueTest
  readonly otherwise: ValueEffect
}

export type ValueTest =
  | { readonly kind: 'one_of'; readonly values: readonly (string | number | boolean | null)[] }
  /** The host of a mail address, a URL or a bare name; `*.example.com` for every name under it. */
  | { readonly kind: 'domain'; readonly domains: readonly string[] }
  | { readonly kind: 'path'; readonly under: readonly string[] }
  | {
      readonly kind: 'url'
      readonly schemes?: readonly string[]
      readonly hosts?: readonly string[]
    }
  | {
      readonly kind: 'number'
      readonly min?: number
      readonly max?: number
      readonly integer?: boolean
    }
  | { readonly kind: 'length'; readonly max: number }
  /** A regular expression that the whole value has to match. */
  | { readonly kind: 'pattern'; readonly pattern: string }
  /** Origins that are fine; `parts` also looks at addresses, links and identifiers inside the value. */
  | { readonly kind: 'origin'; readonly allow: readonly Origin[]; readonly parts?: boolean }
  /** At least one of them holds: from the user, or on the list. */
  | { readonly kind: 'any'; readonly of: readonly ValueTest[] }
  | { readonly kind: 'all'; readonly of: readonly ValueTest[] }

export type ValueEffect =
  | { readonly kind: 'block' }
  /** The safe value in its place. */
  | { readonly kind: 'rewrite'; readonly value: string | number | boolean | null }
  | { readonly kind: 'step_up'; readonly expiresMs: number }
  | { readonly kind: 'note' }
