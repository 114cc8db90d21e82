/**
 * One channel: what was read, what may go, what is redacted. Text may go when no scanner can still
 * make it part of a match, and, where the policy says so, when a verdict covers it.
 *
 * Offsets are UTF-16. Scanners see decoded text (escapes of JSON arguments undone); everything that
 * leaves this class is in offsets of the raw text.
 */
import type { Finding } from '../model/finding.ts'
import type { ChannelName } from './dialect.ts'
import type { PhraseMatch, PiiMatch, StreamOptions, TextScan } from './guard-options.ts'
import { type JsonText, createJsonText } from './json-text.ts'
import { type Window, Windows } from './windows.ts'

type Redaction = {
  readonly start: number
  end: number
  /** Undefined masks digits in place: a JSON number must stay one. */
  readonly with: string | undefined
  isSaid: boolean
}

/** Text kept for context and for "already said" checks; older text is forgotten. */
const KEEP_CHARS = 64 * 1024

export class Channel {
  readonly name: ChannelName
  /** Raw characters read, released, and covered by verdicts. */
  length = 0
  released = 0
  covered = 0
  /** Raw offset at which policy ended the text. */
  cutAt = Infinity
  /** Windows for classifiers; undefined when none is asked. */
  readonly windows: Windows | undefined
  isEnded = false
  isEdited = false
  /** The end of the decoded text, and the offset where it begins. */
  text = ''
  textFrom = 0
  /** What was released, kept only for dialects that say it again. */
  emitted = ''

  readonly #scans: readonly TextScan<Finding>[]
  readonly #json: JsonText | undefined
  readonly #isJudged: boolean
  readonly #keepsEmitted: boolean
  #redactions: Redaction[] = []
  #unjudged = ''

  constructor(name: ChannelName, options: StreamOptions, keepsEmitted: boolean) {
    this.name = name
    this.#scans = scansOf(name, options)
    const isJson = isJsonText(name, options.jsonContent === true)
    this.#json = isJson ? createJsonText() : undefined
    this.#isJudged = options.judge?.release === 'judged'
    this.windows = options.judge === undefined ? undefined : new Windows(options.judge)
    this.#keepsEmitted = keepsEmitted
  }

  /** Length of the decoded text. */
  get decodedLength(): number {
    return this.textFrom + this.text.length
  }

  /** What stands at a span of the decoded text; undefined when part of it was forgotten. */
  readonly textAt = (start: number, end: number): string | undefined =>
    start < this.textFrom ? undefined : this.text.slice(start - this.textFrom, end - this.textFrom)

  push(raw: string): readonly Finding[] {
    this.length += raw.length
    const decoded = this.#json === undefined ? raw : this.#json.push(raw)
    if (this.windows !== undefined) this.#unjudged += decoded
    this.text += decoded
    if (this.text.length > 2 * KEEP_CHARS) {
      this.textFrom += this.text.length - KEEP_CHARS
      this.text = this.text.slice(-KEEP_CHARS)
    }
    if (decoded === '' || this.#scans.length === 0) return []
    return this.#collect((scan) => scan.push(decoded))
  }

  /** Windows of the text since the last call that are complete now, or the rest of it at the end. */
  takeWindows(): readonly Window[] {
    if (this.windows === undefined) return []
    const windows = this.windows.push(this.#unjudged, this.isEnded)
    this.#unjudged = ''
    return windows
  }

  end(): readonly Finding[] {
    if (this.isEnded) return []
    this.isEnded = true
    return this.#collect((scan) => scan.end())
  }

  /** Raw offset up to which text may go. */
  get clear(): number {
    const judged = this.#isJudged ? this.covered : this.length
    if (this.isEnded) return Math.min(judged, this.length)
    let open = this.decodedLength
    for (const scan of this.#scans) {
      const from = scan.openFrom
      if (from !== undefined && from >= 0 && from < open) open = from
    }
    return Math.min(judged, this.#toRaw(open))
  }

  /** Decoded span to raw span, clipped to what is still here; false when part of it has gone. */
  redact(start: number, end: number, replacement: string): boolean {
    const from = this.#toRaw(start)
    const to = this.#toRaw(end)
    const isWhole = from >= this.released
    const spans = this.#json?.stringParts(from, to) ?? [[from, to] as const]
    let left: string | undefined = replacement
    for (const [a, b] of spans) {
      const shown = this.#json === undefined ? left : JSON.stringify(left).slice(1, -1)
      this.#add({ start: Math.max(a, this.released), end: b, with: shown, isSaid: false })
      left = ''
    }
    if (spans.length === 0) {
      this.#add({ start: Math.max(from, this.released), end: to, with: undefined, isSaid: false })
    }
    this.isEdited = true
    return isWhole
  }

  /** Where a decoded offset stands in the raw text. */
  rawAt(offset: number): number {
    return this.#toRaw(offset)
  }

  /** The piece [start, end) as it may go; pieces are rendered once, in order. */
  render(start: number, piece: string): string {
    const end = start + piece.length
    let out = ''
    let at = start
    for (const redaction of this.#redactions) {
      if (redaction.start >= end || redaction.end <= start) continue
      const from = Math.max(redaction.start, start)
      const to = Math.min(redaction.end, end)
      if (from > at) out += piece.slice(at - start, from - start)
      if (redaction.with === undefined) {
        out += piece.slice(from - start, to - start).replaceAll(/[0-9]/g, '9')
      } else if (!redaction.isSaid) out += redaction.with
      redaction.isSaid = true
      at = Math.max(at, to)
    }
    out += piece.slice(at - start)
    this.released = Math.max(this.released, end)
    if (this.#redactions.length > 0) {
      this.#redactions = this.#redactions.filter((redaction) => redaction.end > end)
    }
    if (this.#keepsEmitted) this.emitted += out
    return out
  }

  /** Lets the newest piece go as it is; false, and nothing happens, when that may not be. */
  passes(piece: string): boolean {
    if (this.#redactions.length > 0 || this.clear < this.length) return false
    if (this.released !== this.length - piece.length) return false
    this.released = this.length
    if (this.#keepsEmitted) this.emitted += piece
    return true
  }

  /** As `render`, without letting it go. */
  preview(start: number, piece: string): string {
    const { released, emitted } = this
    const redactions = this.#redactions.map((one) => ({ ...one }))
    const out = this.render(start, piece)
    this.#redactions = redactions
    this.released = released
    this.emitted = emitted
    return out
  }

  #toRaw(offset: number): number {
    return this.#json === undefined ? offset : this.#json.rawAt(offset)
  }

  /** Keeps the list sorted and disjoint; one that overlaps an earlier one extends it. */
  #add(next: Redaction): void {
    if (next.end <= next.start) return
    const joined = this.#redactions.find((one) => one.start < next.end && next.start < one.end)
    if (joined === undefined) {
      this.#redactions = [...this.#redactions, next].sort((a, b) => a.start - b.start)
      return
    }
    this.#redactions = this.#redactions.filter((one) => one !== joined)
    this.#add({
      start: Math.min(joined.start, next.start),
      end: Math.max(joined.end, next.end),
      with: joined.with ?? next.with,
      isSaid: joined.isSaid,
    })
  }

  #collect(of: (scan: TextScan<Finding>) => readonly Finding[]): readonly Finding[] {
    if (this.#scans.length === 1 && this.#scans[0] !== undefined) return of(this.#scans[0])
    return this.#scans.flatMap((scan) => of(scan))
  }
}

/** The channel's text is JSON, so it is read decoded. */
export const isJsonText = ({ field }: ChannelName, jsonContent: boolean): boolean =>
  field === 'arguments' || (field === 'content' && jsonContent)

function scansOf(name: ChannelName, options: StreamOptions): readonly TextScan<Finding>[] {
  const phrases = options.scan?.(name)
  const pii = options.pii?.(name)
  return [
    ...(phrases === undefined ? [] : [new Adapted(phrases, toMatch)]),
    ...(pii === undefined ? [] : [new Adapted(pii, toPii)]),
  ]
}

const toMatch = (found: PhraseMatch): Finding => ({ kind: 'match', ...found })
const toPii = (found: PiiMatch): Finding => ({ kind: 'pii', ...found })
const NONE: readonly Finding[] = []

class Adapted<Found> implements TextScan<Finding> {
  readonly #scan: TextScan<Found>
  readonly #to: (found: Found) => Finding

  constructor(scan: TextScan<Found>, to: (found: Found) => Finding) {
    this.#scan = scan
    this.#to = to
  }

  push(more: string): readonly Finding[] {
    const found = this.#scan.push(more)
    return found.length === 0 ? NONE : found.map(this.#to)
  }

  end(): readonly Finding[] {
    return this.#scan.end().map(this.#to)
  }

  get openFrom(): number | undefined {
    return this.#scan.openFrom
  }
}
