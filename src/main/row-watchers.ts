/** What follows a row's text inside the step: the policy's own texts, and the streaming scorer. */
import type { Finding } from '../model/finding.ts'
import type { CompiledPolicy } from '../policy/compiled.ts'
import { RiskTracker } from '../policy/risk.ts'
import type { Score } from '../policy/risk.ts'
import { createPolicyScanner } from '../policy/scan.ts'
import type { PolicyScanner } from '../policy/scan.ts'
import type { Row, Watcher } from '../session/row.ts'
import type { ScoredRow, ScorerHub } from './scorer-hub.ts'
import type { SitePolicy } from './site-policies.ts'

type Report = (findings: readonly Finding[]) => void

export function createWatchers(
  row: Row<SitePolicy>,
  report: Report,
  scorer: ScorerHub | undefined,
): readonly Watcher[] {
  const { compiled } = row.policy
  const watchers: Watcher[] = []
  if (readsText(compiled)) watchers.push(new TextWatcher(row))
  if (scorer !== undefined && readsScores(compiled, scorer)) {
    watchers.push(new ScoreWatcher(row, report, scorer))
  }
  return watchers
}

/** Bans alone are held by the mask; the text is read for what else a rule does at the step phase. */
function readsText(policy: CompiledPolicy): boolean {
  return policy.rules.some(
    (rule) =>
      rule.phases.has('step') &&
      rule.actions.some((action) => action.kind !== 'ban' && action.phases.has('step')) &&
      rule.leaves.some((leaf) => policy.leaves[leaf]?.kind === 'match'),
  )
}

function readsScores(policy: CompiledPolicy, scorer: ScorerHub): boolean {
  const known = new Set(scorer.names.map(({ name }) => name))
  return policy.rules.some(
    (rule) => rule.phases.has('step') && rule.models.some((model) => known.has(model)),
  )
}

class TextWatcher implements Watcher {
  readonly #row: Row<SitePolicy>
  #scanner: PolicyScanner
  #read = 0

  constructor(row: Row<SitePolicy>) {
    this.#row = row
    this.#scanner = createPolicyScanner(row.policy.compiled)
  }

  advance(): readonly Finding[] {
    const text = this.#row.text()
    if (text.length <= this.#read) return []
    const found = this.#scanner.push(text.slice(this.#read))
    this.#read = text.length
    const position = this.#row.position
    return found.map((match) => ({ kind: 'match', ...match, position }))
  }

  /** Reads the shortened text again: rewinds are rare, and starts stay exact. */
  rewind(): void {
    this.#scanner = createPolicyScanner(this.#row.policy.compiled)
    this.#scanner.push(this.#row.text())
    this.#read = this.#row.text().length
  }

  close(): void {
    this.#read = Number.MAX_SAFE_INTEGER
  }
}

class ScoreWatcher implements Watcher {
  readonly #row: Row<SitePolicy>
  readonly #report: Report
  readonly #hub: ScorerHub
  readonly #risk: RiskTracker
  /** Highest probability told per classifier, so that a verdict is told when it is news. */
  readonly #told = new Map<string, number>()
  #scored: ScoredRow
  #bytes = 0
  /** Of the last judged token, over all classifiers. */
  #highest = 0

  constructor(row: Row<SitePolicy>, report: Report, hub: ScorerHub) {
    this.#row = row
    this.#report = report
    this.#hub = hub
    this.#risk = new RiskTracker(row.policy.compiled)
    this.#scored = this.#open()
  }

  advance(): readonly Finding[] {
    const { text } = this.#row.session
    const bytes = text.bytesFrom(this.#bytes)
    this.#bytes = text.length
    this.#hub.feed(this.#scored, bytes, this.#row.position)
    return []
  }

  rewind(position: number): void {
    this.#risk.rewind(position)
    this.#hub.close(this.#scored)
    this.#scored = this.#open()
    this.#bytes = 0
    this.advance()
  }

  close(): void {
    this.#hub.close(this.#scored)
  }

  get risk(): number {
    return this.#risk.isNeeded ? this.#risk.risk : this.#highest
  }

  settled(): Promise<void> | undefined {
    return this.#hub.settled(this.#scored)
  }

  #open(): ScoredRow {
    return this.#hub.open({
      scores: (position, scores) => this.#hear(position, scores),
      failed: () => this.#report(this.#hub.names.map(({ name }) => unjudged(name))),
    })
  }

  #hear(position: number, scores: readonly Score[]): void {
    this.#highest = Math.max(0, ...scores.map(({ probability }) => probability))
    const verdicts = scores.flatMap((score) => this.#verdict(score, position))
    const levels = this.#risk.isNeeded ? this.#risk.judge(position, scores) : []
    if (verdicts.length + levels.length > 0) this.#report([...verdicts, ...levels])
  }

  /** A verdict is a finding when it passes a threshold that the one before did not. */
  #verdict({ model, label, probability }: Score, position: number): Finding[] {
    const { index, leaves } = this.#row.policy.compiled
    const before = this.#told.get(model) ?? 0
    const passed = (index.byModel.get(model) ?? []).some((i) => {
      const leaf = leaves[i]
      return leaf?.kind === 'verdict' && probability >= leaf.min && before < leaf.min
    })
    if (!passed) return []
    this.#told.set(model, probability)
    const span = [0, this.#row.text().length] as const
    const verdict = { model, label, probability, span, digest: this.#hub.digest }
    return [{ kind: 'verdict', verdict, position }]
  }
}

const unjudged = (model: string): Finding => ({ kind: 'unjudged', model, reason: 'failed' })
