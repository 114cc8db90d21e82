/** What the sidecar has said about one row: a directive and when it holds. */
import type { WireRowDirective } from '../step/wire.ts'
import type { Sampling } from './sampler.ts'

/** 0 leaves a value as it is. */
export type Adapt = {
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly repetitionPenalty: number
}

/** Replaces whatever held for the row. Positions are absolute output positions. */
export type Rule = {
  readonly first: number
  /** Exclusive; 0 = until replaced. */
  readonly until: number
  readonly adapt: Adapt | undefined
  readonly denySets: readonly number[]
  readonly force: readonly number[]
  readonly stop: boolean
  readonly sync: boolean
}

export function toRule(row: WireRowDirective): Rule {
  const { adapt } = row
  return {
    first: row.fromPosition,
    until: row.untilPosition,
    adapt:
      adapt === undefined || adapt === null
        ? undefined
        : {
            temperature: adapt.temperature ?? 0,
            topP: adapt.topP ?? 0,
            topK: adapt.topK ?? 0,
            minP: adapt.minP ?? 0,
            repetitionPenalty: adapt.repetitionPenalty ?? 0,
          },
    denySets: row.denySets,
    force: row.force,
    stop: row.stop,
    sync: row.sync,
  }
}

/** An empty rule means `allow`. */
export function isEmpty(rule: Rule): boolean {
  const edits = rule.stop || rule.force.length > 0 || rule.denySets.length > 0
  return !edits && rule.adapt === undefined && !rule.sync
}

export function holds(rule: Rule, position: number): boolean {
  return rule.first <= position && (rule.until === 0 || position < rule.until)
}

/** The stricter of each pair: a request's own values are only ever tightened. */
export function tighten(own: Sampling, adapt: Adapt | undefined): Sampling {
  if (adapt === undefined) return own
  return {
    ...own,
    temperature: Math.min(own.temperature, adapt.temperature || own.temperature),
    topP: Math.min(own.topP, adapt.topP || own.topP),
    topK: smaller(own.topK, adapt.topK),
    minP: Math.max(own.minP, adapt.minP),
    repetitionPenalty: Math.max(own.repetitionPenalty, adapt.repetitionPenalty),
  }
}

/** Of two top-k values, of which 0 or less is off. */
function smaller(a: number, b: number): number {
  return a <= 0 || b <= 0 ? Math.max(a, b, 0) : Math.min(a, b)
}
