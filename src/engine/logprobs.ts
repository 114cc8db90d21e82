/**
 * Log probabilities of the raw logits, before any mask or penalty, as vLLM's default `raw_logprobs`.
 * So a token that a guard denied is still in the list: the proxy decides who may see it.
 */

export type TokenLogprob = {
  readonly id: number
  readonly logprob: number
  /** The chosen token's place, 1 = most probable. */
  readonly rank: number
  readonly top: readonly { readonly id: number; readonly logprob: number }[]
}

/** Must be called before the row is changed: it needs the raw logits. */
export class RawLogprobs {
  readonly #logits: Float32Array
  readonly #logTotal: number
  readonly #count: number

  /** `count` alternatives are listed beside the chosen token. */
  constructor(logits: Float32Array, count: number) {
    this.#logits = logits.slice()
    this.#count = count
    let top = -Infinity
    for (const value of logits) if (value > top) top = value
    let total = 0
    for (const value of logits) total += Math.exp(value - top)
    this.#logTotal = top + Math.log(total)
  }

  of(token: number): TokenLogprob {
    const chosen = this.#logits[token] ?? -Infinity
    let rank = 1
    for (const value of this.#logits) if (value > chosen) rank++
    return { id: token, logprob: chosen - this.#logTotal, rank, top: this.#best() }
  }

  #best(): { readonly id: number; readonly logprob: number }[] {
    const best: number[] = []
    const at = (id: number): number => this.#logits[id] ?? -Infinity
    for (let id = 0; id < this.#logits.length && this.#count > 0; id++) {
      const last = best.at(-1)
      if (best.length === this.#count && last !== undefined && at(id) <= at(last)) continue
      let place = best.length
      while (place > 0 && at(best[place - 1] ?? 0) < at(id)) place--
      best.splice(place, 0, id)
      if (best.length > this.#count) best.pop()
    }
    return best.map((id) => ({ id, logprob: at(id) - this.#logTotal }))
  }
}
