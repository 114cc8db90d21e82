/** One answer as it grows: its tokens, its text, and when it is over. */
import type { TokenLogprob } from './logprobs.ts'
import { Detokenizer } from './detokenizer.ts'
import { createRandom, type Random } from './random.ts'
import { TokenCounts, type Sampling } from './sampler.ts'
import type { Tokenizer } from './tokenizer.ts'

export type SequenceOptions = {
  readonly promptIds: readonly number[]
  readonly sampling: Sampling
  readonly seed: number
  /** Already cut to what the context leaves. */
  readonly maxTokens: number
  readonly minTokens: number
  readonly stop: readonly string[]
  readonly keepStop: boolean
  readonly stopTokenIds: readonly number[]
  readonly endTokenId: number
  readonly ignoreEnd: boolean
  readonly showSpecial: boolean
  /** How many alternatives to list; undefined = no logprobs. */
  readonly logprobs: number | undefined
  readonly bias: ReadonlyMap<number, number>
  /** The request's `vllm_xargs`, untouched: the guard's hooks read them. */
  readonly extra: Readonly<Record<string, unknown>>
  /** Which of the request's n answers. */
  readonly index: number
}

export type Finish = {
  readonly reason: 'stop' | 'length' | 'error'
  readonly stopReason: number | string | null
}

export type Delta = {
  readonly index: number
  readonly text: string
  readonly tokenIds: readonly number[]
  readonly logprobs: readonly TokenLogprob[]
  readonly finish?: Finish
}

export class Sequence {
  readonly options: SequenceOptions
  readonly outputIds: number[] = []
  readonly counts: TokenCounts
  readonly random: Random
  /** Told of every token, in order; the last call has `finish`. Must not throw. */
  readonly deliver: (delta: Delta) => void
  readonly #tokenizer: Tokenizer
  readonly #detokenizer: Detokenizer
  /** The client has gone: the scheduler drops the row at its next step. */
  aborted = false

  constructor(options: SequenceOptions, tokenizer: Tokenizer, deliver: (delta: Delta) => void) {
    this.options = options
    this.deliver = deliver
    this.counts = new TokenCounts(options.promptIds)
    this.random = createRandom(options.seed + options.index)
    this.#tokenizer = tokenizer
    this.#detokenizer = new Detokenizer(options.stop, options.keepStop)
  }

  /** Tokens that must not come yet, because the answer is too short. */
  get forbidden(): readonly number[] {
    if (this.outputIds.length >= this.options.minTokens) return []
    return [this.options.endTokenId, ...this.options.stopTokenIds]
  }

  /** Takes the next token and delivers what it adds; true when the answer is over. */
  accept(token: number, logprobs: readonly TokenLogprob[]): boolean {
    this.outputIds.push(token)
    this.counts.add(token)
    const ended = this.#endOf(token)
    const hidden = ended?.reason === 'stop' && !this.options.keepStop
    const shown = !hidden && (this.options.showSpecial || this.#tokenizer.isText(token))
    const bytes = shown ? this.#tokenizer.bytes(token) : new Uint8Array(0)
    const mayStop = this.outputIds.length > this.options.minTokens
    const piece = this.#detokenizer.push(bytes, mayStop)
    let finish = ended
    let text = piece.text
    if (piece.stopped !== undefined && ended?.reason !== 'stop') {
      finish = { reason: 'stop', stopReason: piece.stopped }
    } else if (finish !== undefined) {
      text += this.#detokenizer.flush()
    }
    const delta = { index: this.options.index, text, tokenIds: [token], logprobs }
    this.deliver(finish === undefined ? delta : { ...delta, finish })
    return finish !== undefined
  }

  /** Ends the answer without a further token: the engine failed. */
  fail(): void {
    const finish: Finish = { reason: 'error', stopReason: null }
    this.deliver({ index: this.options.index, text: '', tokenIds: [], logprobs: [], finish })
  }

  // vllm/v1/core/sched/utils.py check_stop: end token, stop tokens, length.
  #endOf(token: number): Finish | undefined {
    const { endTokenId, ignoreEnd, stopTokenIds, maxTokens } = this.options
    if (token === endTokenId && !ignoreEnd) return { reason: 'stop', stopReason: null }
    if (stopTokenIds.includes(token)) return { reason: 'stop', stopReason: token }
    if (this.outputIds.length >= maxTokens) return { reason: 'length', stopReason: null }
    return undefined
  }
}
