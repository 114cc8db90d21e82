/**
 * One engine step as the guard sees it: plain arrays, already checked against every bound.
 * The wire form is proto/checkstream/v1/engine.proto; only src/step knows it.
 */

/** Which row of which engine: slots are reused, so the generation is part of the key. */
export type RowKey = { readonly engine: string; readonly slot: number; readonly generation: number }

export type SamplingParameters = {
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  readonly repetitionPenalty: number
  readonly maxTokens: number
  /** The reserved id that a forced stop samples, or undefined. */
  readonly stopToken: number | undefined
}

export type Opened = {
  readonly slot: number
  readonly generation: number
  /** Empty for a request that reached the engine around the proxy. */
  readonly requestId: string
  readonly tenant: string
  readonly policy: string
  /** Hex digest of the program that the engine applies to the row; empty for none. */
  readonly program: string
  readonly promptLength: number
  readonly promptTokenIds: readonly number[]
  readonly outputTokenIds: readonly number[]
  readonly sampling: SamplingParameters
  readonly child: number
}

export type Closed = {
  readonly slot: number
  readonly generation: number
  readonly finalPosition: number
}

export type Step = {
  readonly engine: string
  readonly sequence: number
  readonly awaited: boolean
  readonly opened: readonly Opened[]
  readonly closed: readonly Closed[]
  /** Parallel arrays, one entry a token. */
  readonly slot: readonly number[]
  readonly generation: readonly number[]
  readonly position: readonly number[]
  readonly token: readonly number[]
  /** Packed program states after each token; empty when the engine did not report them. */
  readonly state: readonly number[]
  readonly probe: readonly number[]
}
