/**
 * Decides about one growing text (a channel of an answer, a row): remembers what was found, and tells
 * only what is new, so that an effect is applied once and a firing is logged once.
 *
 * Bound: 256 findings; past it the oldest is forgotten, and what it caused has happened.
 */
import type { RuleFiring, TextEffect } from '../../model/decision.ts'
import type { Decision } from '../../model/decision.ts'
import type { Finding } from '../../model/finding.ts'
import type { CompiledPolicy, DecideContext } from '../compiled.ts'
import { decide } from './decide.ts'

const MAX_FINDINGS = 256
/** Keys of what was told; past it the memory starts over, so something may be told twice. */
const MAX_TOLD = 4_096

export type News = {
  readonly effects: readonly TextEffect[]
  readonly firings: readonly RuleFiring[]
  /** Everything in force, as decide gives it. */
  readonly decision: Decision
}

/** Remembers what was told already. */
export class Told {
  readonly #keys = new Set<string>()

  firings(firings: readonly RuleFiring[]): readonly RuleFiring[] {
    return firings.filter((f) =>
      this.#isNew(`f ${f.rule} ${f.phase} ${f.action} ${f.span?.join('-') ?? ''}`),
    )
  }

  effects(effects: readonly TextEffect[]): readonly TextEffect[] {
    return effects.filter((e) => this.#isNew(`e ${JSON.stringify(e)}`))
  }

  #isNew(key: string): boolean {
    if (this.#keys.has(key)) return false
    if (this.#keys.size >= MAX_TOLD) this.#keys.clear()
    this.#keys.add(key)
    return true
  }
}

export class ChannelDecider {
  readonly #policy: CompiledPolicy
  readonly #context: () => DecideContext
  readonly #findings: Finding[] = []
  readonly #told = new Told()

  /** `context` is asked anew for each decision: its phase, position and length move on. */
  constructor(policy: CompiledPolicy, context: () => DecideContext) {
    this.#policy = policy
    this.#context = context
  }

  /** What the new findings, with all before them, mean now. */
  decide(findings: readonly Finding[]): News {
    this.#findings.push(...findings)
    const excess = this.#findings.length - MAX_FINDINGS
    if (excess > 0) this.#findings.splice(0, excess)
    const decision = decide(this.#policy, this.#findings, this.#context())
    const effects = this.#told.effects(decision.text)
    const firings = this.#told.firings(decision.firings)
    return { effects, firings, decision }
  }
}
