/**
 * The PII scanner: pieces in, findings out, cut-anywhere safe and linear.
 *
 * Text is split into pieces at places that the text alone decides: a piece is one word, or several
 * words of digits (or short capitals) with single spaces between them, as cards, phone numbers and
 * IBANs are written. Every piece is judged once, when it is complete, with the 64 characters before
 * it; so how the text arrived cannot matter. A word over MAX_WORD characters is cut there.
 */
import { findEmails, findIps } from './contacts.ts'
import { mask, type Finding, type Hit, type Piece } from './finding.ts'
import { findIbans, findNumbers } from './numbers.ts'
import { PemState } from './pem.ts'
import { findPhones } from './phones.ts'
import { findSecrets, findUrlCredentials } from './secrets.ts'

const MAX_WORD = 4096
const MAX_CHAIN = 160
const BEFORE = 64
/** A longer word is no group of a number. */
const MAX_GROUP = 80
const MIN_SECRET = 6
const BREAKS: ReadonlySet<string> = new Set(['\t', '\n', '\r', '\v', '\f'])

export type PiiScanner = {
  /** Findings that the new text completes, in order. */
  push(text: string): Finding[]
  /** No more text: judges what is open. */
  end(): Finding[]
  /** Offset from which text could still be part of a finding; all before it is judged. */
  readonly openFrom: number
}

const isSpace = (code: number): boolean =>
  code === 32 ||
  (code >= 9 && code <= 13) ||
  code === 0xa0 ||
  (code >= 0x2000 && code <= 0x200a) ||
  code === 0x202f ||
  code === 0x3000

/** A word that may be one group of a number: the next word may belong to it. */
const CHAIN =
  /^(?:["'([]{0,3}(?:[A-Za-z_]{1,24}[:=#]{1,3})?["'([+]{0,3}[\d().\-–/+]{0,24}\d[\d().\-–/]{0,24}|["'([]{0,3}[A-Z0-9]{1,4}|\+|(?:x|ext\.?))$/
/** An IBAN is written in groups of four of either case: behind its head short words may belong to it. */
const IBAN_HEAD = /^["'([]{0,3}[A-Za-z]{2}\d{2}(?: |$)/
const IBAN_GROUP = /^[A-Za-z0-9]{1,4}$/
const NUMBER_HINT = /\d/

// Digits of other widths and scripts, and the dashes and spaces that typesetting puts into numbers.
const FOLDED = /[^\x20-\x7e]/
const ZEROES = [0xff10, 0x0660, 0x06f0, 0x0966]

/** The same length, so that offsets hold. */
function fold(text: string): string {
  if (!FOLDED.test(text)) return text
  return text.replaceAll(
    /[\u0660-\u06f9\u0966-\u096f\uff0d-\uff20\u00a0\u2000-\u2015\u202f\u2212\u3000]/g,
    (c) => {
      const code = c.charCodeAt(0)
      const zero = ZEROES.find((z) => code >= z && code < z + 10)
      if (zero !== undefined) return String(code - zero)
      if (code >= 0xff0d) return String.fromCharCode(code - 0xfee0)
      return isSpace(code) ? ' ' : code >= 0x2010 ? '-' : c
    },
  )
}

class Scanner implements PiiScanner {
  /** Complete words that the next one may continue, then the open word. */
  #piece = ''
  /** Where the open word begins in `#piece`. */
  #wordAt = 0
  #before = ''
  #total = 0
  readonly #pem = new PemState()

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
    const chains = this.#chains(word)
    if (!chains) this.#splitWord(found)
    if (chains && isSpace(space.charCodeAt(0)) && !BREAKS.has(space) && this.#hasRoom()) {
      this.#piece += space
      this.#total += 1
      this.#wordAt = this.#piece.length
      return
    }
    this.#judge(found)
    this.#pass(space)
  }

  #hasRoom(): boolean {
    return this.#piece.length < MAX_CHAIN
  }

  #chains(word: string): boolean {
    if (word.length > MAX_GROUP) return false
    if (CHAIN.test(fold(word)) || IBAN_HEAD.test(word)) return true
    return IBAN_GROUP.test(word) && IBAN_HEAD.test(this.#piece)
  }

  /** The open word is no part of the number before it: judges what is before, and keeps the word. */
  #splitWord(found: Finding[]): void {
    const word = this.#piece.slice(this.#wordAt)
    if (this.#wordAt === 0 || word === '' || mayEnd(fold(word))) return
    this.#piece = this.#piece.slice(0, this.#wordAt)
    this.#judgePiece(found, this.#total - word.length, word)
    this.#piece = word
  }

  #pass(space: string): void {
    this.#before = (this.#before + space).slice(-BEFORE)
    this.#total += 1
  }

  #judge(found: Finding[]): void {
    if (!this.#chains(this.#piece.slice(this.#wordAt))) this.#splitWord(found)
    this.#judgePiece(found, this.#total, '')
  }

  /** Judges `#piece`, which ends at `end` and before `after`, and makes it past. */
  #judgePiece(found: Finding[], end: number, after: string): void {
    const text = this.#piece
    if (text.length > 0) {
      const base = end - text.length
      const hits = this.#hits({ text: fold(text), before: this.#before, after })
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
    const { text, before } = piece
    const hits: Hit[] = this.#pem.take(text, before)
    if (text.length >= MIN_SECRET) hits.push(...findSecrets(piece))
    if (text.includes('@')) hits.push(...findUrlCredentials(piece), ...findEmails(piece))
    if (NUMBER_HINT.test(text)) {
      hits.push(...findIbans(piece), ...findNumbers(piece), ...findIps(piece), ...findPhones(piece))
    }
    return withoutOverlap(hits)
  }
}

/** A last group with closing punctuation, or with the name of the line: "1111.", "1111)", "38-Fax". */
const TAIL = /(?:-[A-Za-z]{2,12}(?:[\\,;/].*)?)?[.,;:!?)\]"'}>\\]{0,8}$/

function mayEnd(word: string): boolean {
  return word.length <= MAX_GROUP && CHAIN.test(word.replace(TAIL, ''))
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
