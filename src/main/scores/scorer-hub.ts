/**
 * The streaming scorer as rows see it: every row feeds its new bytes, one batched run takes all that
 * has gathered while the last one ran. Scores come back later and are never waited for by a step.
 */
import type { DriftState, DriftWatch } from '../../classifiers/drift.ts'
import { BudgetGate, type OverBudget } from '../../classifiers/registry.ts'
import type { StreamScorer } from '../../model/verdict.ts'
import type { Scored, ScorerNames, ScoreSource } from './score-source.ts'

export class ScoredRow {
  readonly listener: Scored
  readonly handle: number
  chunks: Uint8Array[] = []
  position = 0
  isClosed = false
  isBusy = false
  waiting: (() => void)[] = []
  /** Highest score of every label of the model so far; empty before the first. */
  best: Float32Array = new Float32Array(0)

  constructor(handle: number, listener: Scored) {
    this.handle = handle
    this.listener = listener
  }
}

export type ScorerOptions = {
  /** Told of the highest scores of every row that closes. */
  readonly drift?: DriftWatch
  /** What being past the budget of a step means; `report` unless given. */
  readonly overBudget?: OverBudget
}

export class ScorerHub implements ScoreSource<ScoredRow> {
  readonly names: ScorerNames
  readonly #drift: DriftWatch | undefined
  readonly #gate: BudgetGate
  readonly #scorer: StreamScorer
  readonly #labels: readonly (readonly [name: string, label: string, index: number])[]
  #pending = new Set<ScoredRow>()
  #isRunning = false

  constructor(scorer: StreamScorer, names: ScorerNames, options: ScorerOptions = {}) {
    this.names = names
    this.#drift = options.drift
    this.#gate = new BudgetGate('A', options.overBudget ?? 'report')
    this.#scorer = scorer
    this.#labels = names.flatMap(({ name, label }) => {
      const index = scorer.labels.indexOf(label)
      return index < 0 ? [] : [[name, label, index] as const]
    })
  }

  get digest(): string {
    return this.#scorer.digest
  }

  /** Milliseconds of a run, 95th percentile, and whether that is past the budget of a step. */
  get budget(): { readonly p95Ms: number; readonly over: boolean; readonly refused: number } {
    const { meter, refused } = this.#gate
    return { p95Ms: meter.p95, over: meter.over, refused }
  }

  drift(): readonly DriftState[] {
    return this.#drift?.states() ?? []
  }

  open(listener: Scored): ScoredRow {
    return new ScoredRow(this.#scorer.open(), listener)
  }

  /** Bytes are copied: the row's own buffer moves on. */
  feed(row: ScoredRow, bytes: Uint8Array, position: number): void {
    if (row.isClosed) return
    if (bytes.length > 0) row.chunks.push(bytes.slice())
    row.position = position
    this.#pending.add(row)
    if (!this.#isRunning) {
      this.#isRunning = true
      queueMicrotask(() => void this.#run())
    }
  }

  /** Resolves when all that was fed is judged; undefined when it is already. */
  settled(row: ScoredRow): Promise<void> | undefined {
    if (!row.isBusy && !this.#pending.has(row)) return undefined
    return new Promise((resolve) => row.waiting.push(resolve))
  }

  close(row: ScoredRow): void {
    if (!row.isClosed) {
      row.best.forEach((score, i) => this.#drift?.record(this.#scorer.labels[i] ?? '', score))
    }
    row.isClosed = true
    this.#pending.delete(row)
    if (!row.isBusy) this.#scorer.close(row.handle)
    for (const resolve of row.waiting.splice(0)) resolve()
  }

  async #run(): Promise<void> {
    while (this.#pending.size > 0) {
      const rows = [...this.#pending]
      this.#pending = new Set()
      const bytes = rows.map((row) => Buffer.concat(row.chunks.splice(0)))
      const positions = rows.map((row) => row.position)
      for (const row of rows) row.isBusy = true
      const scores = await this.#score(rows, bytes)
      rows.forEach((row, i) => this.#settle(row, positions[i] ?? 0, scores, i))
    }
    this.#isRunning = false
  }

  async #score(
    rows: readonly ScoredRow[],
    bytes: readonly Uint8Array[],
  ): Promise<Float32Array | undefined> {
    if (!this.#gate.admits()) return undefined
    const begin = performance.now()
    try {
      const scores = await this.#scorer.score(
        rows.map((row) => row.handle),
        bytes,
      )
      this.#gate.meter.record(performance.now() - begin)
      // A score that is no number says nothing: the model failed, for whichever row it was.
      return scores.some((score) => Number.isNaN(score)) ? undefined : scores
    } catch {
      return undefined // told to every row as `failed`; the rule's on_failure decides
    }
  }

  #settle(row: ScoredRow, position: number, scores: Float32Array | undefined, i: number): void {
    row.isBusy = false
    if (row.isClosed) {
      this.#scorer.close(row.handle)
      return
    }
    if (scores === undefined) row.listener.failed()
    else {
      const width = this.#scorer.labels.length
      if (row.best.length === 0) row.best = new Float32Array(width)
      for (let k = 0; k < width; k++) {
        row.best[k] = Math.max(row.best[k] ?? 0, scores[i * width + k] ?? 0)
      }
      const found = this.#labels.map(([model, label, index]) => ({
        model,
        label,
        probability: scores[i * width + index] ?? 0,
      }))
      row.listener.scores(position, found)
    }
    if (!this.#pending.has(row)) for (const resolve of row.waiting.splice(0)) resolve()
  }
}
