/**
 * Follows the risk of one row for the adaptive rules of its policy: scores in, a `level` finding out
 * whenever a rule goes to another level. Rewinds restore the state at that position.
 *
 * Bound: 256 positions can be gone back, as sessions can; further back the level is kept as it is.
 */
import { CALM, nextLevel } from '../../decoding/level.ts'
import type { LevelState } from '../../decoding/level.ts'
import type { AdaptPlan } from '../../decoding/plan.ts'
import type { Finding } from '../../model/finding.ts'
import type { CompiledPolicy, CompiledRule } from '../compiled.ts'

export type Score = {
  readonly model: string
  readonly label: string
  readonly probability: number
}

type Tracked = {
  readonly rule: CompiledRule
  readonly plan: AdaptPlan
  /** Past states, one a judged token: positions and states run in parallel. */
  readonly positions: number[]
  readonly states: LevelState[]
}

const HISTORY = 256

export class RiskTracker {
  readonly #policy: CompiledPolicy
  readonly #tracked: readonly Tracked[]

  constructor(policy: CompiledPolicy) {
    this.#policy = policy
    this.#tracked = trackedRules(policy).map(({ rule, plan }) => ({
      rule,
      plan,
      positions: [],
      states: [],
    }))
  }

  /** False: the policy has no rule for it, and nothing needs to be told. */
  get isNeeded(): boolean {
    return this.#tracked.length > 0
  }

  /**
   * The token at `position` was judged. `scores` are what the classifiers say at it, `found` what was
   * matched at it; both may be empty, which lets a level decay.
   */
  judge(position: number, scores: readonly Score[], found: readonly Finding[] = []): Finding[] {
    const out: Finding[] = []
    for (const tracked of this.#tracked) {
      const before = tracked.states.at(-1) ?? CALM
      const score = this.#scoreOf(tracked.rule, scores, found)
      const state = nextLevel(tracked.plan, before, position, score)
      tracked.positions.push(position)
      tracked.states.push(state)
      if (tracked.states.length > HISTORY) {
        tracked.states.shift()
        tracked.positions.shift()
      }
      if (state.level === before.level) continue
      const { level, risk } = state
      out.push({ kind: 'level', rule: tracked.rule.name, level, score: risk, position })
    }
    return out
  }

  /** The row goes on from `position`: what was judged at it and after it never happened. */
  rewind(position: number): void {
    for (const { positions, states } of this.#tracked) {
      while (positions.length > 1 && (positions.at(-1) ?? -1) >= position) {
        positions.pop()
        states.pop()
      }
    }
  }

  /** Highest smoothed risk of the row, for those who watch. */
  get risk(): number {
    return Math.max(0, ...this.#tracked.map(({ states }) => states.at(-1)?.risk ?? 0))
  }

  #scoreOf(rule: CompiledRule, scores: readonly Score[], found: readonly Finding[]): number {
    let best = 0
    for (const i of rule.leaves) {
      const leaf = this.#policy.leaves[i]
      if (leaf?.kind === 'match') {
        if (found.some((f) => f.kind === 'match' && leaf.bans.includes(f.ban))) return 1
      } else if (leaf?.kind === 'verdict') {
        for (const { model, label, probability } of scores) {
          if (model !== leaf.model || (leaf.label !== undefined && leaf.label !== label)) continue
          if (probability > best || Number.isNaN(probability)) best = probability
        }
      }
    }
    return best
  }
}

function trackedRules(policy: CompiledPolicy): { rule: CompiledRule; plan: AdaptPlan }[] {
  return policy.rules.flatMap((rule) =>
    rule.actions.flatMap(({ plan }) => (plan?.isTracked === true ? [{ rule, plan }] : [])),
  )
}
