/**
 * The PII scanner: pieces in, findings out, cut-anywhere safe and linear.
 *
 * Text is split into pieces at places that the text alone decides: a piece is one word, or several
 * words of digits (or short capitals) with single spaces between them, as cards, phone numbers and
 * IBANs are written. Every piece is judged once, when it is complete, with the 64 characters before
 * it; so how the text arrived cannot matter. A word over MAX_WORD characters is cut there.
 */
import { findEmails, findIps, findPhones } from './contacts.ts'
import { mask, type Finding, type Hit, type Piece } from './finding.ts'
import { findIbans, findNumbers } from './numbers.ts'
import { findSecrets, findUrlCredentials } from './secrets.ts'

const MAX_WORD = 4096
const MAX_CHAIN = 160
const BEFORE = 64

export type PiiScanner = {
  /** Findings that the new text completes, in order. */
  push(text: string): Finding[]
  /** No more text: judges what is open. */
  end(): Finding[]
  /** Offset from which text could still be part of a finding; all before it is judged. */
  readonly openFrom: number
}

const isSpace = (code: number): boolean =>
  code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x3000

/** A word that may be one group of a number: the next word may belong to it. */
const CHAIN =
  /^(?:["'([]*(?:[A-Za-z_]{1,24}[:=#]+)?["'([+]*[\d().\-–/+]{0,24}\d[\d().\-–/]{0,24}|["'([]*[A-Z0-9]{1,4}|\+|(?:x|ext\.?))$/
const NUMBER_HINT = /\d/
const SECRET_HINT = /[_\-:=./+]|[A-Za-z0-9]{16}/

class Scanner implements PiiScanner {
  /** Complete words that the next one may continue, then the open word. */
  #piece = ''
  /** Where the open word begins in `#piece`. */
  #wordAt = 0
  #before = ''
  #total = 0
  #pem = false

  get openFrom(): number {
    return this.#total - this.#piece.length
  }

  push(text: string): Finding[] {
    const found: Finding[] = []
    let from = 0
    for (let i = 0; i < text.length; i++) {
      const space = isSpace(text.charCodeAt(i))
      const room = MAX_WORD - (this.#piece.length - this.#wordAt)
      if (space) {
        this.#take(text.slice(from, i))
        from = i
        this.#closeWord(text[i] ?? ' ', found)
        from = i + 1
      } else if (i - from >= room) {
        this.#take(text.slice(from, i))
        from = i
        this.#judge(found)
      }
    }
    this.#take(text.slice(from))
    return found
  }

  end(): Finding[] {
    const found: Finding[] = []
    this.#judge(found)
    return found
  }

  #take(text: string): void {
    if (text.length === 0) return
    // A word that cannot be part of a chain ends the chain before it.
    this.#piece += text
    this.#total += text.length
  }

  /** A space came: the open word is complete. */
  #closeWord(space: string, found: Finding[]): void {
    const word = this.#piece.slice(this.#wordAt)
    if (word === '') {
      // A second space ends a chain.
      this.#judge(found)
      this.#pass(space)
      return
    }
    const chains = CHAIN.test(word)
    if (this.#wordAt > 0 && !mayEnd(word) && !chains) {
      // The word is no part of the number before it: judge both, one after the other.
      const rest = this.#piece.slice(this.#wordAt)
      this.#piece = this.#piece.slice(0, this.#wordAt)
      this.#judgePiece(found, this.#total - rest.length)
      this.#piece = rest
      this.#wordAt = 0
    }
    if (chains && space === ' ' && this.#piece.length < MAX_CHAIN) {
      this.#piece += space
      this.#total += 1
      this.#wordAt = this.#piece.length
      return
    }
    this.#judge(found)
    this.#pass(space)
  }

  #pass(space: string): void {
    this.#before = (this.#before + space).slice(-BEFORE)
    this.#total += 1
  }

  #judge(found: Finding[]): void {
    if (this.#wordAt > 0 && this.#wordAt < this.#piece.length) {
      const word = this.#piece.slice(this.#wordAt)
      if (!mayEnd(word) && !CHAIN.test(word)) {
        this.#piece = this.#piece.slice(0, this.#wordAt)
        this.#judgePiece(found, this.#total - word.length)
        this.#piece = word
      }
    }
    this.#judgePiece(found, this.#total)
  }

  /** Judges `#piece`, which ends at `end`, and makes it past. */
  #judgePiece(found: Finding[], end: number): void {
    const text = this.#piece
    if (text.length > 0) {
      const base = end - text.length
      const hits = this.#hits({ text, before: this.#before })
      for (const hit of hits) {
        const masked = mask(hit.type, text.slice(hit.start, hit.end))
        found.push({ ...hit, start: base + hit.start, end: base + hit.end, masked })
      }
      this.#before = (this.#before + text).slice(-BEFORE)
    }
    this.#piece = ''
    this.#wordAt = 0
  }

  #hits(piece: Piece): Hit[] {
    const { text } = piece
    const hits: Hit[] = []
    if (text.includes('-----END')) this.#pem = false
    if (this.#pem || SECRET_HINT.test(text) || text.length >= 6) {
      hits.push(...findSecrets(piece, this.#pem))
    }
    // RFC 7468: the header's last word; its first is at most 40 characters back.
    if (text.endsWith('KEY-----') && /-----BEGIN.*PRIVATE/.test(piece.before + text)) {
      this.#pem = true
    }
    if (text.includes('@')) hits.push(...findUrlCredentials(piece), ...findEmails(piece))
    if (NUMBER_HINT.test(text)) {
      hits.push(...findIbans(piece), ...findNumbers(piece), ...findIps(piece), ...findPhones(piece))
    } else if (text.includes('::')) {
      hits.push(...findIps(piece))
    }
    return withoutOverlap(hits)
  }
}

/** A last group with closing punctuation: "1111." or "1111)". */
function mayEnd(word: string): boolean {
  return CHAIN.test(word.replace(/[.,;:!?)\]"'}>]+$/, ''))
}

const size = (hit: Hit): number => hit.end - hit.start

/** Keeps the surest finding of those that overlap, then the longest, then the first detector's. */
function withoutOverlap(hits: readonly Hit[]): Hit[] {
  const kept: Hit[] = []
  for (const hit of hits.toSorted((a, b) => b.confidence - a.confidence || size(b) - size(a))) {
    if (kept.every((other) => hit.end <= other.start || hit.start >= other.end)) kept.push(hit)
  }
  return kept.sort((a, b) => a.start - b.start)
}

export function createPiiScanner(): PiiScanner {
  return new Scanner()
}

export function scanPii(text: string): Finding[] {
  const scanner = createPiiScanner()
  return [...scanner.push(text), ...scanner.end()]
}
