/** A rule that fires, with everything that its actions need to know about why. */
import type { Finding, Phase } from '../../model/finding.ts'
import type { CompiledRule, DecideContext } from '../compiled.ts'

export type Shot = {
  readonly rule: CompiledRule
  readonly context: DecideContext
  readonly phases: readonly Phase[]
  readonly found: readonly Finding[]
  readonly level: Extract<Finding, { kind: 'level' }> | undefined
  /** The formula holds; false when only the level machine speaks. */
  readonly isFired: boolean
}

/** The place of a finding in the text, if it has one. */
export function spanOf(finding: Finding): readonly [number, number] | undefined {
  if (finding.kind === 'match' || finding.kind === 'pii' || finding.kind === 'tool') {
    return [finding.start, finding.end]
  }
  return finding.kind === 'verdict' ? finding.verdict.span : undefined
}

/** The highest probability or confidence among findings that have one. */
export function highestScore(findings: readonly Finding[]): number | undefined {
  let best: number | undefined
  for (const finding of findings) {
    const score = scoreOf(finding)
    if (score !== undefined && (best === undefined || score > best)) best = score
  }
  return best
}

function scoreOf(finding: Finding): number | undefined {
  if (finding.kind === 'verdict') return finding.verdict.probability
  return finding.kind === 'pii' ? finding.confidence : undefined
}
