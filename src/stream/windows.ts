/**
 * Windows of a growing text for classifiers. Where a window ends is decided by the text alone, never by
 * how the upstream cut it, so a stream and a whole body are judged in the very same pieces.
 *
 * Tokens are estimated: four ASCII characters, or one other character, are one.
 */
import type { Finding } from '../model/finding.ts'

export type JudgeTerms = {
  /** New tokens, estimated, after which a window is submitted; at the end of a channel the rest is. */
  readonly checkInterval: number
  /** `judged`: text waits until a verdict covers it; `live`: verdicts act on what is still held. */
  readonly release: 'live' | 'judged'
  /** Context before the new text, in characters. */
  readonly contextChars: number
}

/** New text is [from, to); `text` begins at `textFrom`, earlier, for context. */
export type Window = {
  readonly text: string
  readonly textFrom: number
  readonly from: number
  readonly to: number
}

type Open = { readonly window: Window; findings: readonly Finding[] | undefined }

const UNITS = 4

export class Windows {
  readonly #terms: JudgeTerms
  readonly #open: Open[] = []
  #context = ''
  #length = 0
  #from = 0
  #units = 0

  constructor(terms: JudgeTerms) {
    this.#terms = terms
  }

  /** Windows that are complete with this text; at the end the rest is one, whatever its size. */
  push(text: string, isEnd: boolean): readonly Window[] {
    const windows: Window[] = []
    const bound = UNITS * this.#terms.checkInterval
    let taken = 0
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      this.#units += unit < 0x80 ? 1 : UNITS
      const isHigh = unit >= 0xd800 && unit < 0xdc00
      if (this.#units < bound || isHigh) continue
      this.#context += text.slice(taken, i + 1)
      taken = i + 1
      windows.push(this.#cut(this.#length + taken))
    }
    this.#context += text.slice(taken)
    this.#length += text.length
    if (isEnd && this.#length > this.#from) windows.push(this.#cut(this.#length))
    return windows
  }

  #cut(to: number): Window {
    const from = this.#from
    const size = Math.min(this.#context.length, to - from + this.#terms.contextChars)
    const text = this.#context.slice(-size)
    const window = { text, textFrom: to - size, from, to }
    this.#context = this.#context.slice(-this.#terms.contextChars || this.#context.length)
    this.#from = to
    this.#units = 0
    this.#open.push({ window, findings: undefined })
    return window
  }

  /**
   * An answer, in any order; gives what can be acted on now: windows are taken in the order of the
   * text, so that a fast answer does not overtake a slow one.
   */
  settle(to: number, findings: readonly Finding[]): readonly Settled[] {
    const answered = this.#open.find((one) => one.window.to === to)
    if (answered !== undefined) answered.findings = findings
    const ready: Settled[] = []
    for (let head = this.#open[0]; head?.findings !== undefined; head = this.#open[0]) {
      ready.push({ window: head.window, findings: head.findings })
      this.#open.shift()
    }
    return ready
  }
}

export type Settled = { readonly window: Window; readonly findings: readonly Finding[] }

/** All windows of a whole text. */
export function windowsOf(text: string, terms: JudgeTerms): readonly Window[] {
  return new Windows(terms).push(text, true)
}
