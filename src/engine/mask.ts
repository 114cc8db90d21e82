/**
 * A directive in force, applied to one row of logits. The strictest wins: a row that may not go on is
 * stopped, a token that a program denies is not forced.
 */
import type { Rule } from './rule.ts'
import { holds } from './rule.ts'

/** A set sent once and named by number; `invert` keeps only its tokens. */
export type DenySet = { readonly invert: boolean; readonly tokens: readonly number[] }

/** Sets at most; past it the one unused longest goes (engine.proto, DenySet). */
const MAX_SETS = 4096

export class DenySets {
  readonly #sets = new Map<number, DenySet>()

  add(id: number, set: DenySet): void {
    this.#sets.delete(id)
    this.#sets.set(id, set)
    const oldest = this.#sets.keys().next()
    if (this.#sets.size > MAX_SETS && oldest.done !== true) this.#sets.delete(oldest.value)
  }

  get(id: number): DenySet | undefined {
    const found = this.#sets.get(id)
    if (found !== undefined) this.add(id, found)
    return found
  }

  clear(): void {
    this.#sets.clear()
  }
}

export function deny(logits: Float32Array, tokens: Iterable<number>): void {
  for (const token of tokens) logits[token] = -Infinity
}

/** Only this token is left. Never its old logit, which a mask may have made minus infinity. */
export function force(logits: Float32Array, token: number): void {
  logits.fill(-Infinity)
  logits[token] = 0
}

export function isEmpty(logits: Float32Array): boolean {
  return !logits.some((value) => value > -Infinity)
}

/** Edits a row for the output position about to be sampled; false when the row has to be stopped. */
export function applyRule(
  logits: Float32Array,
  rule: Rule,
  position: number,
  sets: DenySets,
): boolean {
  if (!holds(rule, position)) return true
  if (rule.stop) return false
  for (const id of rule.denySets) {
    const set = sets.get(id)
    if (set === undefined) continue
    if (set.invert) keepOnly(logits, set.tokens)
    else
      deny(
        logits,
        set.tokens.filter((token) => token < logits.length),
      )
  }
  const forced = rule.force[position - rule.first]
  if (forced !== undefined) {
    // A forced token that is denied is a contradiction of the policy's: the row ends.
    if (!((logits[forced] ?? -Infinity) > -Infinity)) return false
    force(logits, forced)
  }
  return !isEmpty(logits)
}

function keepOnly(logits: Float32Array, tokens: readonly number[]): void {
  const kept = tokens.map((token) => logits[token] ?? -Infinity)
  logits.fill(-Infinity)
  for (const [i, token] of tokens.entries()) {
    if (token < logits.length) logits[token] = kept[i] ?? -Infinity
  }
}
