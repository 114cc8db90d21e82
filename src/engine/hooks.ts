/**
 * The seam between decoding and whoever guards it: the place that logits processors have in vLLM.
 * The scheduler calls in this order, once a step: `opened` for new rows, `report`, (the network
 * runs), `apply`, `sampled` for each row, `closed` for rows that are over. Nothing here may throw.
 */
import type { Sampling } from './sampler.ts'
import type { Sequence } from './sequence.ts'

/** A live row. Slots are reused; the object is not. */
export type Row = { readonly slot: number; readonly sequence: Sequence }

export type RowLogits = { readonly row: Row; readonly logits: Float32Array }

export interface StepHooks {
  opened(row: Row): void
  /** Tells what the last step sampled, before the network runs, so that the way there and back overlaps it. */
  report(): void
  /** Masks the rows in place; waits only for rows that must be waited for, and not past a deadline. */
  apply(rows: readonly RowLogits[]): Promise<void> | void
  /** What is used instead of the request's own values. */
  sampling(row: Row): Sampling
  /** The token to take when every token of the row is denied. */
  stopToken(row: Row): number
  sampled(row: Row, token: number): void
  closed(row: Row): void
}

/** No guard: every row goes its own way. */
export const UNGUARDED: StepHooks = {
  opened: () => {},
  report: () => {},
  apply: () => {},
  sampling: (row) => row.sequence.options.sampling,
  stopToken: (row) => row.sequence.options.endTokenId,
  sampled: () => {},
  closed: () => {},
}
