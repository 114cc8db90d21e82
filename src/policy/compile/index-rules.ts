/** Indexes from a finding to the rules that it may fire, made once per compile. */
import { lowestBar } from '../bars.ts'
import type { CompiledRule, Formula, Leaf, PolicyIndex } from '../compiled.ts'

export function indexRules(leaves: readonly Leaf[], rules: readonly CompiledRule[]): PolicyIndex {
  const rulesOfLeaf: number[][] = leaves.map(() => [])
  const rulesOfModel = new Map<string, number[]>()
  for (const rule of rules) {
    for (const leaf of new Set(rule.leaves)) rulesOfLeaf[leaf]?.push(rule.index)
    for (const model of rule.models) add(rulesOfModel, model, rule.index)
  }
  const byBan = new Map<string, number[]>()
  const byModel = new Map<string, number[]>()
  const pii: number[] = []
  const tool: number[] = []
  for (const [i, leaf] of leaves.entries()) {
    if (rulesOfLeaf[i]?.length === 0) continue // of a rule that is not enabled
    if (leaf.kind === 'match') for (const ban of new Set(leaf.bans)) add(byBan, ban, i)
    else if (leaf.kind === 'verdict') add(byModel, leaf.model, i)
    else (leaf.kind === 'pii' ? pii : tool).push(i)
  }
  for (const list of byModel.values()) list.sort((a, b) => barOf(leaves[a]) - barOf(leaves[b]))
  return {
    byBan,
    byModel,
    pii,
    tool,
    rulesOfLeaf,
    rulesOfModel,
    ruleByName: new Map(rules.map((rule) => [rule.name, rule.index])),
    always: rules.filter((rule) => mayHoldAlone(rule.formula)).map((rule) => rule.index),
  }
}

const barOf = (leaf: Leaf | undefined): number => (leaf?.kind === 'verdict' ? lowestBar(leaf) : 0)

/** Can the formula hold when nothing at all was found? */
export function mayHoldAlone(formula: Formula): boolean {
  switch (formula.op) {
    case 'leaf':
      return false
    case 'context':
    case 'not':
      return true
    case 'any':
      return formula.of.some(mayHoldAlone)
    case 'all':
      return formula.of.every(mayHoldAlone)
    case 'count':
      return mayHoldAlone(formula.of)
  }
}

/** What `CompiledPolicy.counted` says. */
export function countedModels(
  leaves: readonly Leaf[],
  rules: readonly CompiledRule[],
): ReadonlyMap<string, number> {
  const counted = new Map<string, number>()
  const visit = (formula: Formula, window: number | undefined): void => {
    switch (formula.op) {
      case 'leaf': {
        const leaf = leaves[formula.leaf]
        if (leaf?.kind !== 'verdict' || window === undefined) return
        counted.set(leaf.model, Math.max(window, counted.get(leaf.model) ?? 0))
        return
      }
      case 'context':
        return
      case 'any':
      case 'all':
        for (const part of formula.of) visit(part, window)
        return
      case 'not':
        visit(formula.of, window)
        return
      case 'count':
        visit(formula.of, Math.max(window ?? 0, formula.window ?? 0))
    }
  }
  for (const { formula } of rules) visit(formula, undefined)
  return counted
}

function add(map: Map<string, number[]>, key: string, value: number): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
