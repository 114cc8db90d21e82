/**
 * The streaming scorer as rows see it: every row feeds its new bytes, one batched run takes all that
 * has gathered while the last one ran. Scores come back later and are never waited for by a step.
 */
import type { StreamScorer } from '../model/verdict.ts'
import type { Score } from '../policy/risk.ts'

/** Which registered name a label of the model answers for. */
export type ScorerNames = readonly { readonly name: string; readonly label: string }[]

export type Scored = {
  /** What the classifiers say of the text up to `position`. */
  readonly scores: (position: number, scores: readonly Score[]) => void
  /** The scorer failed; it is not asked again for this row. */
  readonly failed: () => void
}

export class ScoredRow {
  readonly listener: Scored
  readonly handle: number
  chunks: Uint8Array[] = []
  position = 0
  isClosed = false
  isBusy = false
  waiting: (() => void)[] = []

  constructor(handle: number, listener: Scored) {
    this.handle = handle
    this.listener = listener
  }
}

export class ScorerHub {
  readonly names: ScorerNames
  readonly #scorer: StreamScorer
  readonly #labels: readonly (readonly [name: string, label: string, index: number])[]
  #pending = new Set<ScoredRow>()
  #isRunning = false

  constructor(scorer: StreamScorer, names: ScorerNames) {
    this.names = names
    this.#scorer = scorer
    this.#labels = names.flatMap(({ name, label }) => {
      const index = scorer.labels.indexOf(label)
      return index < 0 ? [] : [[name, label, index] as const]
    })
  }

  get digest(): string {
    return this.#scorer.digest
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
    try {
      return await this.#scorer.score(
        rows.map((row) => row.handle),
        bytes,
      )
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
