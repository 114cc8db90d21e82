/**
 * Private keys in PEM (RFC 7468): from the header's end to the footer, over any number of pieces.
 *
 * A header without a footer must not swallow the rest of an answer: the first word of prose ends the
 * key, and so does its size.
 */
import type { Hit } from './finding.ts'

const HEADER = /-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----/g
const FOOTER = '-----END'
const PROSE = /^[A-Za-z]{1,15}[.,;:!?]?$/
// RFC 1421 §4.6: "Proc-Type: 4,ENCRYPTED" stands between header and key.
const FIELD = /^(?:Proc-Type|DEK-Info|Version|Comment):$|^4,ENCRYPTED$/
const MAX_CHARS = 16_384

export class PemState {
  #left = 0

  /** The parts of `text` that are key; `before` is what stood before it. */
  take(text: string, before: string): Hit[] {
    const hits: Hit[] = []
    let from = this.#left > 0 ? 0 : this.#open(text, before, 0)
    while (from >= 0 && from <= text.length) {
      const footer = text.indexOf(FOOTER, from)
      const end = footer < 0 ? text.length : footer
      const body = text.slice(from, end)
      if (footer < 0 && PROSE.test(body)) {
        this.#left = 0
        break
      }
      if (/[A-Za-z0-9]{2}/.test(body) && !FIELD.test(body)) {
        hits.push({ type: 'secret', start: from, end, confidence: 0.95 })
      }
      this.#left = footer < 0 ? Math.max(0, this.#left - body.length) : 0
      if (footer < 0) break
      from = this.#open(text, before, footer)
    }
    return hits
  }

  /** Where the key begins whose header ends in `text` at or behind `from`; -1 without one. */
  #open(text: string, before: string, from: number): number {
    if (!text.includes('-----', from)) return -1
    const whole = before + text
    for (const match of whole.matchAll(HEADER)) {
      const at = match.index + match[0].length - before.length
      if (at > from) {
        this.#left = MAX_CHARS
        return at
      }
    }
    return -1
  }
}
