/**
 * Continuous batching: rows join and leave between two steps, and every step decodes all that are
 * live. A new row's prompt is read before the step that samples its first token.
 */
import { GuardError, invariant } from '../model/errors.ts'
import type { Row, RowLogits, StepHooks } from './hooks.ts'
import { RawLogprobs } from './logprobs.ts'
import { applyRequest, draw } from './sampler.ts'
import type { Sequence } from './sequence.ts'

/** What the scheduler needs of a network; see `onnx.ts`. */
export type Decoder = {
  readonly cache: { open(): number; close(row: number): number | undefined }
  prefill(row: number, tokens: readonly number[]): Promise<Float32Array>
  /** Logits [rows × vocabulary] of one more token for each of the first `tokens.length` rows. */
  decode(tokens: readonly number[]): Promise<Float32Array>
}

export type SchedulerParts = {
  readonly decoder: Decoder
  readonly hooks: StepHooks
  readonly rows: number
  /** Requests that may wait; past it `submit` throws `overloaded`. */
  readonly maxWaiting: number
  readonly prefillTokens: number
  /** Told of a step that failed; its rows have ended with an error. */
  readonly onFailure: (error: unknown) => void
}

type Prefilled = { readonly row: Row; readonly logits: Float32Array }

export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #waiting: Sequence[] = []
  /** Index = row of the cache. */
  readonly #live: Row[] = []
  readonly #freeSlots: number[]
  #running: Promise<void> | undefined
  #closed = false

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    this.#freeSlots = Array.from({ length: parts.rows }, (_, i) => parts.rows - 1 - i)
  }

  get live(): number {
    return this.#live.length
  }

  get waiting(): number {
    return this.#waiting.length
  }

  submit(sequence: Sequence): void {
    if (this.#closed) throw new GuardError('overloaded', 'the engine is shutting down')
    if (this.#waiting.length >= this.#parts.maxWaiting) {
      const bound = this.#parts.maxWaiting
      throw new GuardError('overloaded', `the engine has ${bound} waiting requests, its bound`)
    }
    this.#waiting.push(sequence)
    this.#running ??= this.#run()
  }

  /** Ends what is live and waits for the running step. */
  async close(): Promise<void> {
    this.#closed = true
    for (const sequence of [...this.#waiting, ...this.#live.map((row) => row.sequence)]) {
      sequence.aborted = true
    }
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 || this.#live.length > 0) {
      try {
        await this.#step()
      } catch (error) {
        this.#failAll(error)
      }
    }
    this.#running = undefined
  }

  async #step(): Promise<void> {
    const { hooks, decoder } = this.#parts
    this.#dropAborted()
    const decoding = [...this.#live]
    const fresh = await this.#admit()
    hooks.report()
    const rows: RowLogits[] = []
    if (decoding.length > 0) {
      const logits = await decoder.decode(decoding.map(lastToken))
      const width = logits.length / decoding.length
      for (const [i, row] of decoding.entries()) {
        rows.push({ row, logits: logits.subarray(i * width, (i + 1) * width) })
      }
    }
    rows.push(...fresh)
    if (rows.length > 0) await this.#sample(rows)
  }

  /** At most one new row a step while others are live, so that they do not stall behind prompts. */
  async #admit(): Promise<Prefilled[]> {
    const { decoder, hooks, rows, prefillTokens } = this.#parts
    const fresh: Prefilled[] = []
    const most = this.#live.length > 0 ? 2 : rows
    while (fresh.length < most && this.#live.length < rows) {
      const sequence = this.#waiting.shift()
      const slot = sequence === undefined ? undefined : this.#freeSlots.pop()
      if (sequence === undefined || slot === undefined) break
      const row: Row = { slot, sequence }
      const at = decoder.cache.open()
      this.#live.push(row)
      hooks.opened(row)
      const { promptIds } = sequence.options
      let logits: Float32Array = new Float32Array(0)
      for (let i = 0; i < promptIds.length; i += prefillTokens) {
        logits = await decoder.prefill(at, promptIds.slice(i, i + prefillTokens))
      }
      fresh.push({ row, logits })
    }
    return fresh
  }

  async #sample(rows: readonly RowLogits[]): Promise<void> {
    const { hooks } = this.#parts
    const raw = rows.map(({ row, logits }) => {
      const { logprobs, bias } = row.sequence.options
      const kept = logprobs === undefined ? undefined : new RawLogprobs(logits, logprobs)
      applyRequest(logits, bias, row.sequence.forbidden)
      return kept
    })
    await hooks.apply(rows)
    const over: Row[] = []
    for (const [i, { row, logits }] of rows.entries()) {
      const { sequence } = row
      if (sequence.aborted) continue
      const drawn = draw(logits, hooks.sampling(row), sequence.counts, sequence.random)
      const token = drawn ?? hooks.stopToken(row)
      hooks.sampled(row, token)
      const kept = raw[i]
      if (sequence.accept(token, kept === undefined ? [] : [kept.of(token)])) over.push(row)
    }
    for (const row of over) this.#remove(row)
  }

  #dropAborted(): void {
    for (const row of this.#live.filter((live) => live.sequence.aborted)) this.#remove(row)
    const kept = this.#waiting.filter((sequence) => !sequence.aborted)
    this.#waiting.splice(0, this.#waiting.length, ...kept)
  }

  #remove(row: Row): void {
    const at = this.#live.indexOf(row)
    this.#parts.decoder.cache.close(at)
    const last = this.#live.pop()
    if (last !== undefined && last !== row) this.#live[at] = last
    this.#freeSlots.push(row.slot)
    this.#parts.hooks.closed(row)
  }

  #failAll(error: unknown): void {
    this.#parts.onFailure(error)
    while (this.#live.length > 0) {
      const row = this.#live[0]
      invariant(row !== undefined, 'a live row is missing')
      this.#remove(row)
      row.sequence.fail()
    }
  }
}

/** The last token is not in the cache yet: feeding it gives the logits of the next. */
function lastToken(row: Row): number {
  const token = row.sequence.outputIds.at(-1)
  invariant(token !== undefined, 'a live row has no token to decode from')
  return token
}
