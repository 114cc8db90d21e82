/** What a classifier says of a span of text; it arrives later than the text it is about. */

export type Verdict = {
  /** Registered name of the classifier (`toxicity_detector`). */
  readonly model: string
  readonly label: string
  /** Calibrated, 0 to 1. */
  readonly probability: number
  /** UTF-16 offsets into the judged text, end exclusive. */
  readonly span: readonly [number, number]
  /** Digest of the model's files. */
  readonly digest: string
  readonly threshold?: number
  readonly thresholdSource?: string
}

export type ClassifyResult =
  | { readonly kind: 'verdicts'; readonly verdicts: readonly Verdict[] }
  | { readonly kind: 'late' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Tier B: runs off the path. Resolves to a value, never rejects. */
export interface TextClassifier {
  classify(
    text: string,
    options: { readonly priority: 'prompt' | 'tool' | 'stream'; readonly deadlineMs: number },
  ): Promise<ClassifyResult>
}

/** Tier A: scores every token inside the step, one batched run for all rows. */
export interface StreamScorer {
  readonly labels: readonly string[]
  readonly digest: string
  /** A fresh row; the handle is a small integer, reused after `close`. */
  open(): number
  close(handle: number): void
  snapshot(handle: number): Float32Array
  restore(handle: number, state: Float32Array): void
  /** `bytes[i]` are the new bytes of `handles[i]`; gives [rows × labels] probabilities, row-major. */
  score(handles: readonly number[], bytes: readonly Uint8Array[]): Promise<Float32Array>
}
