/**
 * Where growing JSON text stands: the path of the value that is being spelled, and how much of it is
 * there. Every character is read once; text that is no JSON gives a place that means nothing.
 */

export type JsonPlace =
  /** After the colon, before the value's first character; `gap` is the white space so far. */
  | { readonly kind: 'value'; readonly path: readonly string[]; readonly gap: string }
  /** Inside a string value; `raw` is its text as it is spelled, without the quote. */
  | { readonly kind: 'string'; readonly path: readonly string[]; readonly raw: string }
  /** Right after the quote that closed a string value. */
  | { readonly kind: 'end'; readonly path: readonly string[] }

type Level = { readonly isObject: boolean; key: string }

export class JsonCursor {
  readonly #levels: Level[] = []
  #state: 'key' | 'colon' | 'value' | 'string' | 'end' | 'other' = 'other'
  #text = ''
  #isKey = false
  #isEscaped = false

  push(text: string): void {
    for (const char of text) this.#read(char)
  }

  /** Undefined where no member's value is being spelled, and inside lists. */
  get place(): JsonPlace | undefined {
    if (this.#levels.some((level) => !level.isObject)) return undefined
    const path = this.#levels.map((level) => level.key)
    if (this.#state === 'value') return { kind: 'value', path, gap: this.#text }
    if (this.#state === 'string' && !this.#isKey) return { kind: 'string', path, raw: this.#text }
    if (this.#state === 'end') return { kind: 'end', path }
    return undefined
  }

  #read(char: string): void {
    if (this.#state === 'string') return this.#readString(char)
    const level = this.#levels.at(-1)
    if (char === '"') {
      this.#isKey = this.#state === 'key'
      this.#state = 'string'
      this.#text = ''
    } else if (char === '{' || char === '[') {
      this.#levels.push({ isObject: char === '{', key: '' })
      this.#state = char === '{' ? 'key' : 'other'
    } else if (char === '}' || char === ']') {
      this.#levels.pop()
      this.#state = 'other'
    } else if (char === ':' && this.#state === 'colon') {
      this.#state = 'value'
      this.#text = ''
    } else if (char === ',') this.#state = level?.isObject === true ? 'key' : 'other'
    else if (this.#state === 'value') {
      if (/\s/.test(char)) this.#text += char
      else this.#state = 'other'
    } else if (this.#state === 'end') this.#state = 'other'
  }

  #readString(char: string): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (char === '\\') this.#isEscaped = true
    else if (char === '"') {
      const level = this.#levels.at(-1)
      if (this.#isKey && level !== undefined) level.key = keyOf(this.#text)
      this.#state = this.#isKey ? 'colon' : 'end'
      return
    }
    this.#text += char
  }
}

/** A key with a broken escape is read as it stands. */
function keyOf(raw: string): string {
  try {
    return String(JSON.parse(`"${raw}"`))
  } catch {
    return raw // not an error of ours: the raw spelling is the key then
  }
}
