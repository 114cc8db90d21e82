/** Whatever scores rows token by token: the streaming scorer, or a probe inside the engine. */
import type { Score } from '../../policy/decide/risk.ts'

/** Which registered name a label of the model answers for. */
export type ScorerNames = readonly { readonly name: string; readonly label: string }[]

export type Scored = {
  /** What the classifiers say of the text up to `position`. */
  readonly scores: (position: number, scores: readonly Score[]) => void
  /** The scorer failed; it is not asked again for this row. */
  readonly failed: () => void
}

/** `H` is what it knows a row by. */
export interface ScoreSource<H> {
  readonly names: ScorerNames
  readonly digest: string
  open(listener: Scored): H
  /** New bytes up to `position`, and the engine's own score of the newest token where it has one. */
  feed(row: H, bytes: Uint8Array, position: number, probability?: number): void
  /** Resolves when all that was fed is judged; undefined when it is already. */
  settled(row: H): Promise<void> | undefined
  close(row: H): void
}
