/**
 * The growing text that a format reads, and the calls it saw. Text before the oldest open marker is
 * forgotten; a call that outgrows the bound is abandoned as incomplete.
 */

import type { NameForm } from './name-form.ts'

/** Yields when more text is needed; the text may have ended then (`isClosed`). */
export type Reading<Result> = Generator<void, Result, void>

/** A call as far as it is spelled; `arguments` is JSON text, cut where the text ends. */
export type SeenCall = {
  readonly name: string
  readonly arguments: string
  readonly complete: boolean
  /** UTF-16 offsets of the whole call in the text, with its markers. */
  readonly start: number
  readonly end: number
}

export type SpelledName = { readonly text: string; readonly form: NameForm }

type OpenCall = { -readonly [Field in keyof SeenCall]: SeenCall[Field] }

export class Source {
  isClosed = false
  place: 'text' | 'name' | 'arguments' = 'text'
  readonly #maxCallChars: number
  /** `#text[0]` stands at offset `#base`. */
  #text = ''
  #base = 0
  #pos = 0
  #mark: number | undefined
  #call: OpenCall | undefined
  #nameFrom: number | undefined
  #nameForm: NameForm | undefined
  #valueFrom: number | undefined
  #valueKey = ''
  #hasChanged = false
  #seen: SeenCall[] = []

  constructor(maxCallChars: number) {
    this.#maxCallChars = maxCallChars
  }

  get offset(): number {
    return this.#pos
  }

  get length(): number {
    return this.#base + this.#text.length
  }

  get openFrom(): number {
    return this.#mark ?? this.#call?.start ?? this.#pos
  }

  get isOverBound(): boolean {
    return this.#call !== undefined && this.#pos - this.#call.start > this.#maxCallChars
  }

  push(text: string): void {
    const keep = Math.min(this.openFrom, this.#pos)
    if (keep > this.#base) {
      this.#text = this.#text.slice(keep - this.#base)
      this.#base = keep
    }
    this.#text += text
  }

  close(): void {
    this.isClosed = true
  }

  takeSeen(): readonly SeenCall[] {
    if (this.#call !== undefined && this.#hasChanged)
      this.#seen.push({ ...this.#call, end: this.#pos })
    this.#hasChanged = false
    const seen = this.#seen
    this.#seen = []
    return seen
  }

  /** The next character without taking it; undefined at the end of what is there. */
  peek(): string | undefined {
    return this.#text[this.#pos - this.#base]
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#pos - this.#base)
  }

  skip(count: number): void {
    this.#pos += count
  }

  /** From here on text may be a call, although none is open yet. */
  mark(offset: number | undefined): void {
    this.#mark = offset
  }

  /** From here on the call's name is spelled, in this form. */
  naming(form: NameForm): void {
    this.#nameFrom = this.#pos
    this.#nameForm = form
  }

  /** No name is spelled any more, although the call may be named only later. */
  unname(): void {
    this.#nameFrom = undefined
  }

  /** From here on the value of an argument is spelled as plain text (tag formats). */
  valuing(key: string): void {
    this.#valueKey = key
    this.#valueFrom = this.#pos
  }

  /** The value is whole. */
  valued(): void {
    this.#valueFrom = undefined
  }

  /** What is spelled of the name so far; undefined outside of a name. */
  get spelledName(): SpelledName | undefined {
    const [from, form] = [this.#nameFrom, this.#nameForm]
    if (from === undefined || form === undefined) return undefined
    return { text: this.slice(from, this.length), form }
  }

  get spelledValue(): { readonly key: string; readonly text: string } | undefined {
    const from = this.#valueFrom
    return from === undefined
      ? undefined
      : { key: this.#valueKey, text: this.slice(from, this.length) }
  }

  /** Back to an earlier offset that is still remembered. */
  rewind(offset: number): void {
    this.#pos = offset
  }

  slice(from: number, to: number): string {
    return this.#text.slice(from - this.#base, to - this.#base)
  }

  open(start: number): void {
    this.#call = { name: '', arguments: '', complete: false, start, end: start }
    this.#mark = undefined
    this.place = 'name'
  }

  named(name: string): void {
    if (this.#call === undefined) return
    this.#call.name = name
    this.#nameFrom = undefined
    this.#hasChanged = true
    this.place = 'arguments'
  }

  grow(more: string): void {
    if (this.#call === undefined || more === '') return
    this.#call.arguments += more
    this.#hasChanged = true
  }

  /** The call is whole; one without a name was none. */
  complete(): void {
    const call = this.#call
    this.abandon()
    if (call === undefined || call.name === '') return
    this.#seen.push({ ...call, complete: true, end: this.#pos })
  }

  abandon(): void {
    this.#call = undefined
    this.#mark = undefined
    this.#nameFrom = undefined
    this.#valueFrom = undefined
    this.#hasChanged = false
    this.place = 'text'
  }
}

/** Waits for a character; undefined when the text has ended. */
export function* next(source: Source): Reading<string | undefined> {
  for (;;) {
    const char = source.peek()
    if (char !== undefined) return char
    if (source.isClosed) return undefined
    yield
  }
}

export function* skipSpace(source: Source): Reading<string | undefined> {
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || !/\s/.test(char)) return char
    source.skip(1)
  }
}

/** Whether the text goes on with `word`, waiting while it still may; takes it when it does. */
export function* take(source: Source, word: string): Reading<boolean> {
  const from = source.offset
  for (const char of word) {
    if ((yield* next(source)) !== char[0]) {
      source.rewind(from)
      return false
    }
    source.skip(char.length)
  }
  return true
}

/**
 * Skips text up to one of the markers and takes it. While a marker may be growing at the end, the
 * source is marked there. Undefined when the text ends first.
 */
export function* find(
  source: Source,
  markers: readonly string[],
): Reading<{ readonly marker: string; readonly at: number } | undefined> {
  for (;;) {
    const char = yield* next(source)
    if (char === undefined) return undefined
    const at = source.offset
    for (const marker of markers) {
      if (marker[0] !== char) continue
      source.mark(at)
      if (yield* take(source, marker)) return { marker, at }
    }
    source.mark(undefined)
    source.skip(1)
  }
}

/** Text up to one of the markers, which is taken; `report` hears of text as it grows. */
export function* until(
  source: Source,
  markers: readonly string[],
  report?: (more: string) => void,
): Reading<{ readonly text: string; readonly marker: string | undefined }> {
  let text = ''
  for (;;) {
    const char = yield* next(source)
    if (char === undefined || source.isOverBound) return { text, marker: undefined }
    for (const marker of markers) {
      if (marker[0] === char && (yield* take(source, marker))) return { text, marker }
    }
    text += char
    report?.(char)
    source.skip(1)
  }
}
