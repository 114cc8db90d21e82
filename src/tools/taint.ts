/**
 * Where a value came from: from what the user and the operator wrote, from content that nobody vouches
 * for (tool results, retrieved pages), or from nowhere in the conversation.
 *
 * Trusted wins: a value that the user gave stays usable when a web page repeats it.
 */
import { decodings, foldText } from './folded.ts'

export type Origin = 'trusted' | 'untrusted' | 'unknown'

export type Provenance = {
  readonly origin: Origin
  /** Label of the content that the value came from. */
  readonly source?: string
}

type Content = {
  readonly source: string
  readonly folded: string
  readonly words: ReadonlySet<string>
}

/** Folded values shorter than this are compared as whole words, not as parts of words. */
const MIN_PART = 6
/** Words of letters up to this length (`all`, `day`) are everybody's: untrusted content does not own them. */
const COMMON_WORD = /^\p{L}{1,3}$/u
/** Characters kept of one conversation; at the bound the oldest content is forgotten first. */
const MAX_CHARS = 2 * 1024 * 1024

export class Taint {
  readonly #trusted: Content[] = []
  readonly #untrusted: Content[] = []
  #chars = 0
  /** Contents forgotten at the bound: an unknown origin is then no proof of anything. */
  forgotten = 0

  trust(source: string, text: string): void {
    this.#add(this.#trusted, source, text)
  }

  distrust(source: string, text: string): void {
    this.#add(this.#untrusted, source, text)
    // What the content says once decoded is as untrusted as the content.
    for (const decoded of decodings(text)) this.#add(this.#untrusted, source, decoded)
  }

  /** Where a value of a call came from, also when the call spells it in another form. */
  originOf(value: string): Provenance {
    const readings = [value, ...decodings(value)].map(readingOf).filter((one) => one.folded !== '')
    const trusted = readings[0] === undefined ? undefined : from(this.#trusted, [readings[0]])
    if (trusted !== undefined) return { origin: 'trusted', source: trusted }
    if (COMMON_WORD.test(readings[0]?.folded ?? '')) return { origin: 'unknown' }
    const untrusted = from(this.#untrusted, readings)
    if (untrusted !== undefined) return { origin: 'untrusted', source: untrusted }
    return { origin: 'unknown' }
  }

  /**
   * Whether some part of a longer value came from untrusted content and from nowhere else: addresses,
   * links, account numbers and other words that carry identity.
   */
  partOf(value: string): Provenance & { readonly part?: string } {
    const whole = this.originOf(value)
    if (whole.origin !== 'unknown') return whole
    for (const part of identifiersIn(value)) {
      const origin = this.originOf(part)
      if (origin.origin === 'untrusted') return { ...origin, part }
    }
    return whole
  }

  #add(list: Content[], source: string, text: string): void {
    const { folded, words } = readingOf(text)
    if (folded === '') return
    list.push({ source, folded, words: new Set(words) })
    this.#chars += folded.length
    while (this.#chars > MAX_CHARS && list.length > 1) {
      this.#chars -= list.shift()?.folded.length ?? 0
      this.forgotten++
    }
  }
}

type Read = { readonly folded: string; readonly words: readonly string[] }

function readingOf(text: string): Read {
  const words = text
    .split(/[^\p{L}\p{N}\p{M}\p{Cf}]+/u)
    .map(foldText)
    .filter((word) => word !== '')
  return { folded: foldText(text), words }
}

function from(contents: readonly Content[], readings: readonly Read[]): string | undefined {
  for (const content of contents) {
    for (const { folded, words } of readings) {
      const isThere =
        folded.length >= MIN_PART
          ? content.folded.includes(folded)
          : words.every((word) => content.words.has(word))
      if (isThere) return content.source
    }
  }
  return undefined
}

/** Mail addresses, links, host names, paths, and long numbers or mixed identifiers in a text. */
function identifiersIn(text: string): string[] {
  const found = text.match(
    /[\w.+-]+@[\w.-]+|https?:\/\/[^\s"'<>]+|(?:[\w-]+\.)+[a-z]{2,}|(?:\/[\w.-]+){2,}|[A-Z]{2}\d{2}[A-Z0-9 ]{10,30}|\b[\w-]*\d[\w-]{5,}\b/gi,
  )
  return [...new Set(found)].slice(0, 64)
}
