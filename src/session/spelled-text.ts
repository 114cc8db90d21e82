/**
 * A row's text with the names of its control tokens where they stand: what recognisers of tool calls
 * read, and nobody else. A row without control tokens has its text alone.
 */
import type { Mark } from './session.ts'

/** What is read of a row. */
export type Spelled = {
  text(): string
  readonly session: {
    readonly marks: readonly Mark[]
    readonly text: { unitsAt(length: number): number }
  }
}

export class SpelledText {
  readonly #row: Spelled
  #text = ''
  /** How much of the row's text and of its marks is in `#text`. */
  #units = 0
  #marks = 0
  /** Where each name ends in `#text`, and the length of all names up to there. */
  readonly #named: { readonly end: number; readonly length: number }[] = []

  constructor(row: Spelled) {
    this.#row = row
  }

  toString(): string {
    const plain = this.#row.text()
    const { marks, text } = this.#row.session
    if (marks.length === 0) return plain
    for (const { at, name } of marks.slice(this.#marks)) {
      // A character that the token cut in two stands after it.
      const units = Math.max(this.#units, text.unitsAt(at))
      this.#text += plain.slice(this.#units, units) + name
      this.#units = units
      const length = (this.#named.at(-1)?.length ?? 0) + name.length
      this.#named.push({ end: this.#text.length, length })
    }
    this.#marks = marks.length
    if (plain.length > this.#units) {
      this.#text += plain.slice(this.#units)
      this.#units = plain.length
    }
    return this.#text
  }

  /** The place in the row's own text; one inside of a name is where the name stands. */
  plainOffset(offset: number): number {
    let names = 0
    for (const { end, length } of this.#named) {
      if (end > offset) return Math.min(offset - names, end - length)
      names = length
    }
    return offset - names
  }

  /** The row went back. */
  reset(): void {
    this.#text = ''
    this.#units = 0
    this.#marks = 0
    this.#named.length = 0
  }
}
