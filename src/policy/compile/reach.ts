/** Rules that can never fire, or whose effect can never be seen, and why. Warnings, with their places. */
import { barFor } from '../bars.ts'
import type { CompiledRule, Formula, Leaf } from '../compiled.ts'
import { isNote } from './legal.ts'
import type { Problem } from '../read/problem.ts'

export function findUnreachable(
  rules: readonly CompiledRule[],
  leaves: readonly Leaf[],
): readonly Problem[] {
  return rules.flatMap((rule): Problem[] => {
    const { file, line } = rule
    const at = { file, line, column: 1 }
    if (!mayHold(rule.formula, rule)) {
      const where = [...rule.phases].join(', ')
      const message = `rule ${rule.name}: can never fire: it is looked at in ${where}, and its condition asks for another phase`
      return [{ severity: 'error', code: 'never-fires', message, ...at }]
    }
    const earlier = rules.find((other) => other.index < rule.index && shadows(other, rule, leaves))
    if (earlier === undefined) return []
    const why = earlier.continue ? 'stops the text' : 'ends the search'
    const message = `rule ${rule.name}: never has an effect, because ${earlier.name} looks at the same things first and ${why}`
    return [{ severity: 'warning', code: 'shadowed', message, ...at }]
  })
}

/** False when the phases that a condition asks for are none of the rule's. */
function mayHold(formula: Formula, { phases }: CompiledRule): boolean {
  const may = (part: Formula): boolean => {
    switch (part.op) {
      case 'leaf':
        return true
      case 'context':
        return part.phases?.some((phase) => phases.has(phase)) ?? true
      case 'any':
        return part.of.length === 0 || part.of.some(may)
      case 'all':
        return part.of.every(may)
      case 'count':
        return may(part.of)
      case 'not': {
        const { of } = part
        const asked = of.op === 'context' ? of.phases : undefined
        return asked === undefined || ![...phases].every((phase) => asked.includes(phase))
      }
    }
  }
  return may(formula)
}

/** True when whatever fires `later` has fired `first` before, and `first` leaves it nothing to do. */
function shadows(first: CompiledRule, later: CompiledRule, leaves: readonly Leaf[]): boolean {
  if (first.mode !== 'enforce' || first.isEnabled !== undefined || first.exceptions.length > 0) {
    return false
  }
  const isStop = first.actions.some((action) => action.kind === 'stop')
  const isOnlyText = later.actions.every(
    ({ kind }) => kind === 'redact' || kind === 'replace' || kind === 'inject',
  )
  if (first.continue && !(isStop && isOnlyText)) return false
  if (later.actions.every(({ kind }) => isNote(kind)) && first.continue) return false
  if (![...later.phases].every((phase) => first.phases.has(phase))) return false
  const wide = alternatives(first.formula)
  const narrow = alternatives(later.formula)
  if (wide === undefined || narrow === undefined || narrow.length === 0) return false
  return narrow.every((i) => wide.some((j) => covers(leaves[j], leaves[i])))
}

/** The leaves of a formula of which any one is enough; undefined for any other formula. */
function alternatives(formula: Formula): readonly number[] | undefined {
  if (formula.op === 'leaf') return [formula.leaf]
  if (formula.op !== 'any') return undefined
  const parts = formula.of.map(alternatives)
  return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part ?? [])
}

function covers(wide: Leaf | undefined, narrow: Leaf | undefined): boolean {
  if (wide?.kind === 'match' && narrow?.kind === 'match') {
    const all = new Set(wide.bans)
    return narrow.bans.length > 0 && narrow.bans.every((ban) => all.has(ban))
  }
  if (wide?.kind === 'verdict' && narrow?.kind === 'verdict') {
    const isSameLabel = wide.label === undefined || wide.label === narrow.label
    // Whichever model it is of; one without a bar of its own is held to `min`.
    const isLower = [...wide.bars, ...narrow.bars].every(
      ({ digest }) => barFor(wide, digest) <= barFor(narrow, digest),
    )
    const isInside = isLower && wide.min <= narrow.min && wide.max >= narrow.max
    return wide.model === narrow.model && isSameLabel && isInside
  }
  if (wide?.kind === 'pii' && narrow?.kind === 'pii') {
    if (wide.min > narrow.min) return false
    if (wide.types === undefined) return true
    return narrow.types !== undefined && [...narrow.types].every((type) => wide.types?.has(type))
  }
  return false
}
