/**
 * A compiled policy: immutable, shared by every request of its revision, ready to be asked on the hot
 * path. What a document becomes; `compile.ts` makes it, `decide.ts` asks it.
 */
import type { Ban } from '../model/ban.ts'
import type { Decision } from '../model/decision.ts'
import type { SafeWords, TokenSet } from '../model/directive.ts'
import type { Mode, Phase, RequestContext } from '../model/finding.ts'
import type { SamplingParameters } from '../model/step.ts'
import type { AdaptPlan } from '../decoding/plan.ts'
import type { LinearPattern } from './compile/linear.ts'
import type { ActionDocument } from './schema/schema-actions.ts'
import type { ContextLeaf, ContextTrigger, ToolTrigger } from './schema/schema-triggers.ts'
import type { ToolPolicy } from '../tools/tool-policy.ts'
import type { ModelBar } from './bars.ts'

/** Of rules that name none, and of what acts beside rules. */
export const DEFAULT_PRIORITY = 50

export type OnFailure = 'closed' | 'open' | 'resident'

/** What decide may be told beyond the request's own facts. All optional: what is not told is not true. */
export type DecideContext = RequestContext & {
  /** Ceiling for the whole tenant: `monitor` turns every rule into a note. */
  readonly mode?: Mode
  /** Wall clock, for exceptions that expire; by default the moment of compilation. */
  readonly nowMs?: number
  readonly tool?: string
  /** Who calls tools for the user, as the caller names it. */
  readonly agent?: string
  /** Characters of the answer so far; estimated from the position when left out. */
  readonly responseLength?: number
  /** The client's own parameters: never loosened. */
  readonly sampling?: SamplingParameters
  readonly vocabulary?: {
    /** Tokens whose whole text is `text`, white space at the ends aside. */
    readonly tokensOf: (text: string) => readonly number[]
    readonly encode: (text: string) => readonly number[]
    /** Equal objects for the same `words`. */
    readonly safe: (words: SafeWords) => TokenSet
  }
}

export type Leaf =
  /** One of the texts was found. */
  | { readonly kind: 'match'; readonly bans: readonly string[] }
  | {
      readonly kind: 'verdict'
      readonly model: string
      readonly label: string | undefined
      /** Of a model that has none in `bars`: no lower than any there. */
      readonly min: number
      /** Each once; of a threshold that is written none. */
      readonly bars: readonly ModelBar[]
      readonly max: number
      readonly source: string
      /** The false positive rate that was asked for; `min` and `bars` are what it came to. */
      readonly rate?: number | undefined
    }
  | { readonly kind: 'pii'; readonly types: ReadonlySet<string> | undefined; readonly min: number }
  | {
      readonly kind: 'tool'
      readonly test: (name: string, values: unknown) => boolean
      /** As it was written, for what can be known before a call is whole. */
      readonly trigger: ToolTrigger
    }

export type Formula =
  | { readonly op: 'leaf'; readonly leaf: number }
  | {
      readonly op: 'context'
      readonly test: (context: DecideContext) => boolean
      readonly written: ContextLeaf
      /** Of a condition on the phase: where it can hold. */
      readonly phases?: readonly Phase[]
    }
  | { readonly op: 'any' | 'all'; readonly of: readonly Formula[] }
  | { readonly op: 'not'; readonly of: Formula }
  | {
      readonly op: 'count'
      readonly of: Formula
      readonly atLeast: number
      readonly withinTokens: number | undefined
      readonly window: number | undefined
    }

export type CompiledAction = {
  readonly kind: ActionDocument['type']
  readonly document: ActionDocument
  readonly phases: ReadonlySet<Phase>
  /** Of `adapt`: what holds at each level. */
  readonly plan: AdaptPlan | undefined
}

export type CompiledRule = {
  readonly name: string
  readonly index: number
  readonly mode: Mode
  readonly priority: number
  readonly phases: ReadonlySet<Phase>
  readonly continue: boolean
  readonly onFailure: OnFailure
  readonly wait: boolean
  readonly release: 'live' | 'judged'
  readonly regulation: string | undefined
  readonly tags: readonly string[]
  /** undefined: never by findings (a rule that is only `adaptive_decoding`). */
  readonly formula: Formula
  readonly leaves: readonly number[]
  readonly models: readonly string[]
  readonly isEnabled: ((context: DecideContext) => boolean) | undefined
  /** What `isEnabled` asks, as it was written. */
  readonly enabledWhen: ContextTrigger | undefined
  readonly exceptions: readonly {
    readonly reason: string
    readonly untilMs: number
    readonly holds: (context: DecideContext) => boolean
    /** What `holds` asks, as it was written; undefined: it is everyone's. */
    readonly when: ContextTrigger | undefined
  }[]
  readonly actions: readonly CompiledAction[]
  /** Output positions at which a condition of the rule may change by itself, rising. */
  readonly turns: readonly number[]
  readonly file: string
  readonly line: number
}

/** From a finding to the leaves that it satisfies, and from a leaf to its rules. */
export type PolicyIndex = {
  readonly byBan: ReadonlyMap<string, readonly number[]>
  /** Of each model: verdict leaves by rising lowest bar. */
  readonly byModel: ReadonlyMap<string, readonly number[]>
  readonly pii: readonly number[]
  readonly tool: readonly number[]
  readonly rulesOfLeaf: readonly (readonly number[])[]
  readonly rulesOfModel: ReadonlyMap<string, readonly number[]>
  readonly ruleByName: ReadonlyMap<string, number>
  /** Rules that may fire without any finding (context, not). */
  readonly always: readonly number[]
}

export type CompiledPolicy = {
  readonly name: string
  readonly version: string
  readonly description: string
  /** SHA-256 in hex of everything that decides. */
  readonly digest: string
  readonly mode: Mode
  /** Bans in force at the step phase: what the token program is compiled from. */
  readonly bans: readonly Ban[]
  /** Every phrase and bounded pattern that any rule asks for, bans included. */
  readonly texts: readonly Ban[]
  /** Patterns that no finite automaton of ours holds; scanned in linear time. */
  readonly linear: readonly LinearPattern[]
  /** Text id → the rule that wrote it first. */
  readonly ruleOfText: ReadonlyMap<string, string>
  readonly onFailure: OnFailure
  readonly rules: readonly CompiledRule[]
  readonly leaves: readonly Leaf[]
  readonly index: PolicyIndex
  /** Classifiers that some rule asks for. */
  readonly classifiers: readonly string[]
  /**
   * Classifiers whose judgements a `count` counts → how many of the last ones matter; 0 when only
   * those that hold do. Whoever hears such a classifier tells every judgement, not only news.
   */
  readonly counted: ReadonlyMap<string, number>
  readonly needs: { readonly pii: boolean; readonly tool: boolean }
  /** The `tools` sections in force, with the policy that wrote each; a call has to pass all. */
  readonly tools: readonly {
    readonly policy: string
    readonly mode: Mode
    readonly tools: ToolPolicy
  }[]
  /** Models whose verdict must cover text before it is released (`release: judged`). */
  readonly judgedBy: readonly string[]
  /** A row is waited for from its first token on. */
  readonly sync: boolean
  readonly compiledAtMs: number
  /** What decide answers when nothing fires. */
  readonly nothing: Decision
}
