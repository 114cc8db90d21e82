/**
 * Bytes of tokens to text as it grows, with stop strings. Unfinished characters are kept back; with
 * stop strings the text lags behind by the longest of them less one (vllm/v1/engine/detokenizer.py).
 * Holds the whole text of one answer, which max_tokens bounds.
 */

/** `stopped` is the stop string that is complete now; nothing may be pushed after it. */
export type Piece = { readonly text: string; readonly stopped?: string }

export class Detokenizer {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #stop: readonly string[]
  readonly #keepStop: boolean
  readonly #lag: number
  #text = ''
  #sent = 0

  constructor(stop: readonly string[], keepStop: boolean) {
    this.#stop = stop
    this.#keepStop = keepStop
    this.#lag = keepStop ? 0 : Math.max(0, ...stop.map((text) => text.length - 1))
  }

  /** Text that may go out after these bytes. */
  push(bytes: Uint8Array, mayStop: boolean): Piece {
    const before = this.#text.length
    this.#text += this.#decoder.decode(bytes, { stream: true })
    const found = mayStop ? this.#find(before) : undefined
    if (found === undefined) return { text: this.#release(this.#text.length - this.#lag) }
    const end = found.at + (this.#keepStop ? found.stop.length : 0)
    return { text: this.#release(end), stopped: found.stop }
  }

  /** What was kept back, at the end; the bytes of an unfinished character become U+FFFD. */
  flush(): string {
    this.#text += this.#decoder.decode()
    return this.#release(this.#text.length)
  }

  #release(end: number): string {
    const text = this.#text.slice(this.#sent, Math.max(this.#sent, end))
    this.#sent += text.length
    return text
  }

  /** The first stop string that ends in what is new since `before`. */
  #find(before: number): { readonly at: number; readonly stop: string } | undefined {
    if (this.#text.length === before) return undefined
    for (const stop of this.#stop) {
      const at = this.#text.indexOf(stop, Math.max(0, before - stop.length + 1))
      if (at >= 0) return { at, stop }
    }
    return undefined
  }
}
