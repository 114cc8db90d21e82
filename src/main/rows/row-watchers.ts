/**
 * What follows a row inside the step: the policy's own texts, personal data, the streaming scorer, and
 * the levels of adaptive decoding that all of them move.
 */
import type { Finding } from '../../model/finding.ts'
import { createPiiScanner } from '../../pii/scanner.ts'
import type { PiiScanner } from '../../pii/scanner.ts'
import { barFor } from '../../policy/bars.ts'
import type { CompiledPolicy, Leaf } from '../../policy/compiled.ts'
import { RiskTracker } from '../../policy/decide/risk.ts'
import type { Score } from '../../policy/decide/risk.ts'
import { createPolicyScanner } from '../../policy/decide/scan.ts'
import type { PolicyScanner } from '../../policy/decide/scan.ts'
import type { Row, Watcher } from '../../session/row.ts'
import { turnsOf } from '../site/policy-reads.ts'
import type { ScoreSource } from '../scores/score-source.ts'
import type { SitePolicy } from '../site/site-policies.ts'

type Report = (findings: readonly Finding[]) => void

export type WatcherParts = {
  /** The streaming scorer and the engine's probe, as far as there are any. */
  readonly sources: readonly ScoreSource<unknown>[]
  /** Follows tool calls; undefined when they are not followed in the engine. */
  readonly calls: () => Watcher | undefined
}

export function createWatchers(
  row: Row<SitePolicy>,
  report: Report,
  { sources, calls }: WatcherParts,
): readonly Watcher[] {
  const { compiled } = row.policy
  const heard = sources.filter((source) => readsScores(compiled, source))
  const levels = new Levels(compiled, heard.length > 0)
  const watchers: Watcher[] = []
  if (reads(compiled, 'match')) watchers.push(new TextWatcher(row, levels))
  if (reads(compiled, 'pii')) watchers.push(new PiiWatcher(row))
  const turns = turnsOf(compiled, ['step'])
  if (turns.length > 0) watchers.push(new TurnWatcher(row, turns))
  for (const source of heard) watchers.push(new ScoreWatcher(row, report, source, levels))
  const called = compiled.needs.tool ? calls() : undefined
  if (called !== undefined) watchers.push(called)
  return watchers
}

/** Bans alone are held by the mask; the text is read for what else a rule does at the step phase. */
function reads(policy: CompiledPolicy, kind: Leaf['kind']): boolean {
  return policy.rules.some(
    (rule) =>
      rule.phases.has('step') &&
      rule.actions.some((action) => action.kind !== 'ban' && action.phases.has('step')) &&
      rule.leaves.some((leaf) => policy.leaves[leaf]?.kind === kind),
  )
}

function readsScores(policy: CompiledPolicy, scorer: ScoreSource<unknown>): boolean {
  const known = new Set(scorer.names.map(({ name }) => name))
  return policy.rules.some(
    (rule) => rule.phases.has('step') && rule.models.some((model) => known.has(model)),
  )
}

/** The levels of one row: scores drive them where there are any, matches alone otherwise. */
class Levels {
  readonly isScored: boolean
  readonly #risk: RiskTracker
  /** Matches since the last judgement. */
  #found: Finding[] = []

  constructor(policy: CompiledPolicy, isScored: boolean) {
    this.#risk = new RiskTracker(policy)
    this.isScored = isScored
  }

  match(position: number, found: readonly Finding[]): readonly Finding[] {
    if (!this.#risk.isNeeded) return []
    if (found.length > 0) this.#found.push(...found)
    return this.isScored ? [] : this.judge(position, [])
  }

  judge(position: number, scores: readonly Score[]): readonly Finding[] {
    if (!this.#risk.isNeeded) return []
    const found = this.#found
    if (found.length > 0) this.#found = []
    return this.#risk.judge(position, scores, found)
  }

  rewind(position: number): void {
    this.#risk.rewind(position)
    this.#found = []
  }

  /** Smoothed; undefined when no rule has levels. */
  get risk(): number | undefined {
    return this.#risk.isNeeded ? this.#risk.risk : undefined
  }
}

class TextWatcher implements Watcher {
  readonly #row: Row<SitePolicy>
  readonly #levels: Levels
  #scanner: PolicyScanner
  #read = 0

  constructor(row: Row<SitePolicy>, levels: Levels) {
    this.#row = row
    this.#levels = levels
    this.#scanner = createPolicyScanner(row.policy.compiled)
  }

  advance(): readonly Finding[] {
    const text = this.#row.text()
    const { position, session } = this.#row
    const fresh = text.slice(this.#read)
    this.#read = Math.max(this.#read, text.length)
    const found = fresh === '' ? [] : this.#scanner.push(fresh)
    const findings = found.map((match) => ({
      kind: 'match' as const,
      ...match,
      // Several tokens may come at once: the match is at the one that completed it.
      position: session.positionAfter(match.end),
    }))
    return [...findings, ...this.#levels.match(position, findings)]
  }

  /** Reads the shortened text again: rewinds are rare, and starts stay exact. */
  rewind(position: number): void {
    this.#scanner = createPolicyScanner(this.#row.policy.compiled)
    this.#scanner.push(this.#row.text())
    this.#read = this.#row.text().length
    if (!this.#levels.isScored) this.#levels.rewind(position)
  }

  close(): void {
    this.#read = Number.MAX_SAFE_INTEGER
  }
}

/** Found where a turn is passed: no rule looks for it, so all that it does is to have rules asked. */
const TURN: Finding = { kind: 'match', ban: '', start: 0, end: 0 }

class TurnWatcher implements Watcher {
  readonly #row: Row<SitePolicy>
  readonly #turns: readonly number[]
  #passed = 0

  constructor(row: Row<SitePolicy>, turns: readonly number[]) {
    this.#row = row
    this.#turns = turns
  }

  advance(): readonly Finding[] {
    const before = this.#passed
    while ((this.#turns[this.#passed] ?? Infinity) <= this.#row.position) this.#passed++
    return this.#passed === before ? [] : [TURN]
  }

  rewind(position: number): void {
    while (this.#passed > 0 && (this.#turns[this.#passed - 1] ?? 0) > position) this.#passed--
  }

  close(): void {
    this.#passed = this.#turns.length
  }
}

class PiiWatcher implements Watcher {
  readonly #row: Row<SitePolicy>
  #scanner: PiiScanner = createPiiScanner()
  #read = 0

  constructor(row: Row<SitePolicy>) {
    this.#row = row
  }

  advance(): readonly Finding[] {
    const text = this.#row.text()
    if (text.length <= this.#read) return []
    const found = this.#scanner.push(text.slice(this.#read))
    this.#read = text.length
    const { session } = this.#row
    return found.map((finding) => ({
      kind: 'pii' as const,
      ...finding,
      position: session.positionAfter(finding.end),
    }))
  }

  rewind(): void {
    this.#scanner = createPiiScanner()
    this.#scanner.push(this.#row.text())
    this.#read = this.#row.text().length
  }

  close(): void {
    this.#read = Number.MAX_SAFE_INTEGER
  }
}

class ScoreWatcher<H> implements Watcher {
  readonly #row: Row<SitePolicy>
  readonly #report: Report
  readonly #hub: ScoreSource<H>
  readonly #levels: Levels
  /** Highest probability told per classifier, so that a verdict is told when it is news. */
  readonly #told = new Map<string, number>()
  /** Of classifiers that a `count` counts: judgements that are still told, after one that held. */
  readonly #counting = new Map<string, number>()
  #scored: H
  #bytes = 0
  /** Of the last judged token, over all classifiers. */
  #highest = 0

  constructor(row: Row<SitePolicy>, report: Report, hub: ScoreSource<H>, levels: Levels) {
    this.#row = row
    this.#report = report
    this.#hub = hub
    this.#levels = levels
    this.#scored = this.#open()
  }

  advance(): readonly Finding[] {
    const { text } = this.#row.session
    const bytes = text.bytesFrom(this.#bytes)
    this.#bytes = text.length
    this.#hub.feed(this.#scored, bytes, this.#row.position, this.#row.probability)
    return []
  }

  rewind(position: number): void {
    this.#levels.rewind(position)
    this.#hub.close(this.#scored)
    this.#scored = this.#open()
    this.#bytes = 0
    this.advance()
  }

  close(): void {
    this.#hub.close(this.#scored)
  }

  get risk(): number {
    return this.#levels.risk ?? this.#highest
  }

  settled(): Promise<void> | undefined {
    return this.#hub.settled(this.#scored)
  }

  #open(): H {
    return this.#hub.open({
      scores: (position, scores) => this.#hear(position, scores),
      failed: () => this.#report(this.#hub.names.map(({ name }) => unjudged(name))),
    })
  }

  #hear(position: number, scores: readonly Score[]): void {
    this.#highest = Math.max(0, ...scores.map(({ probability }) => probability))
    const verdicts = scores.flatMap((score) => this.#verdict(score, position))
    const levels = this.#levels.judge(position, scores)
    if (verdicts.length + levels.length > 0) this.#report([...verdicts, ...levels])
  }

  /**
   * A verdict is a finding when it passes a threshold that none before it did, or when it is counted:
   * then every one is told that holds, and as many after it as a window can reach.
   */
  #verdict({ model, label, probability }: Score, position: number): Finding[] {
    const { index, leaves } = this.#row.policy.compiled
    const before = this.#told.get(model) ?? 0
    const { digest } = this.#hub
    let isNews = false
    let holds = false
    for (const i of index.byModel.get(model) ?? []) {
      const leaf = leaves[i]
      if (leaf?.kind !== 'verdict') continue
      const bar = barFor(leaf, digest)
      if (probability < bar) continue
      holds = true
      if (before < bar) isNews = true
    }
    if (!this.#isCounted(model, holds) && !isNews) return []
    this.#told.set(model, Math.max(before, probability))
    const span = [0, this.#row.text().length] as const
    const verdict = { model, label, probability, span, digest }
    return [{ kind: 'verdict', verdict, position }]
  }

  #isCounted(model: string, holds: boolean): boolean {
    const window = this.#row.policy.compiled.counted.get(model)
    if (window === undefined) return false
    const left = holds ? window : (this.#counting.get(model) ?? 0) - 1
    this.#counting.set(model, Math.max(0, left))
    return holds || left > 0
  }
}

const unjudged = (model: string): Finding => ({ kind: 'unjudged', model, reason: 'failed' })
