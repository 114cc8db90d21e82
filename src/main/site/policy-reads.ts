/** What a policy asks of whom, read off its rules once per compiled policy. */
import type { Finding, Phase } from '../../model/finding.ts'
import { scanPii } from '../../pii/scanner.ts'
import type { CompiledPolicy, CompiledRule } from '../../policy/compiled.ts'
import { scanText } from '../../policy/decide/scan.ts'

/** Remembers what `read` says of a compiled policy, which never changes, for each list of phases. */
function once<T>(
  read: (policy: CompiledPolicy, phases: readonly Phase[]) => T,
): (policy: CompiledPolicy, phases: readonly Phase[]) => T {
  const known = new WeakMap<CompiledPolicy, Map<string, T>>()
  return (policy, phases) => {
    let said = known.get(policy)
    if (said === undefined) known.set(policy, (said = new Map()))
    const key = phases.join(' ')
    let value = said.get(key)
    if (value === undefined) said.set(key, (value = read(policy, phases)))
    return value
  }
}

/** Classifiers that rules of these phases ask. */
export const modelsOf: (policy: CompiledPolicy, phases: readonly Phase[]) => ReadonlySet<string> =
  once((policy, phases) => new Set(rulesOf(policy, phases).flatMap((rule) => rule.models)))

function rulesOf(policy: CompiledPolicy, phases: readonly Phase[]): readonly CompiledRule[] {
  return policy.rules.filter((rule) => phases.some((phase) => rule.phases.has(phase)))
}

/** Whether rules of the phase look at text, beside what classifiers say of it. */
export function readsText(policy: CompiledPolicy, phase: Phase): boolean {
  return rulesOf(policy, [phase]).some((rule) =>
    rule.leaves.some((i) => {
      const kind = policy.leaves[i]?.kind
      return kind === 'match' || kind === 'pii'
    }),
  )
}

/** Output positions, in tokens, at which rules of these phases have to be asked again, rising. */
export const turnsOf: (policy: CompiledPolicy, phases: readonly Phase[]) => readonly number[] =
  once((policy, phases) => {
    const turns = rulesOf(policy, phases).flatMap((rule) => rule.turns)
    return [...new Set(turns)].toSorted((a, b) => a - b)
  })

/** Everything that a whole text holds. */
export function findingsIn(policy: CompiledPolicy, text: string): readonly Finding[] {
  const matches = scanText(policy, text)
  if (!policy.needs.pii) return matches
  return [...matches, ...scanPii(text).map((found) => ({ kind: 'pii', ...found }) as const)]
}
