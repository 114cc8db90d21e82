/**
 * What waits to go out, in the order in which it came. The head goes when nothing in it is open,
 * unjudged or an undecided call; what is behind it waits with it.
 */
import type { CallBook } from './calls.ts'
import type { Choices } from './choices.ts'
import type { Dialect, Made } from './dialect.ts'
import { bringsContent, spanPast } from './findings.ts'
import type { StreamOptions } from './guard-options.ts'
import type { Channel } from './holdback.ts'
import { type HeldFrame, releaseFrame } from './release.ts'
import type { SseFrame } from './sse.ts'

/** A frame without text (`[DONE]`), which passes when everything before it went. */
export type Passing = { readonly kind: 'passing'; readonly frame: SseFrame }

/** `text`: the place of injected text before a choice ends; `stop`: the end that policy makes. */
type Entry =
  | HeldFrame
  | Passing
  | { readonly kind: 'text'; readonly choice: number }
  | { readonly kind: 'stop'; readonly choice: number; readonly text: () => string }

const HOLDBACK_CHARS = 256

export type OutboxParts = {
  readonly options: StreamOptions
  readonly dialect: Dialect
  readonly calls: CallBook
  readonly choices: Choices
  readonly channels: ReadonlyMap<string, Channel>
  readonly send: (bytes: Uint8Array) => void
  readonly write: (frames: readonly Made[]) => void
  /** A frame without text is about to go. */
  readonly beforePassing: (frame: SseFrame) => void
  /** The end of a choice has its turn; `isLast`: nothing else waits. */
  readonly stop: (choice: number, text: string, isLast: boolean) => void
}

export class Outbox {
  readonly #parts: OutboxParts
  #queue: Entry[] = []
  bytes = 0

  constructor(parts: OutboxParts) {
    this.#parts = parts
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  add(entry: HeldFrame | Passing): void {
    if (entry.kind === 'frame') {
      for (const end of entry.view.ends) {
        if (!entry.dropped.has(end.choice)) this.#queue.push({ kind: 'text', choice: end.choice })
      }
    }
    this.#push(entry)
  }

  clear(): void {
    this.#queue = []
    this.bytes = 0
  }

  /** Lets go what may go, while `isLive` holds. */
  flush(isLive: () => boolean): void {
    while (isLive()) {
      const head = this.#queue[0]
      if (head === undefined || !this.#mayGo(head)) return
      this.#queue.shift()
      this.bytes -= sizeOf(head)
      this.#release(head)
    }
  }

  /** Ends a choice at an offset of one of its channels: what it has behind that goes no further. */
  cut(channel: Channel, at: number, message: string): void {
    const choice = channel.name.choice
    const from = this.#queue.findIndex((entry) => this.#isCut(entry, channel, at))
    const before = from < 0 ? this.#queue : this.#queue.slice(0, from)
    const after = from < 0 ? [] : this.#queue.slice(from)
    const first = after[0]
    const span = first?.kind === 'frame' ? spanPast(first, channel, at) : undefined
    const text = (): string => {
      const isContent = channel.name.field === 'content' && span !== undefined && at > span.start
      const kept = isContent ? span.piece.text.slice(0, at - span.start) : ''
      const clean = kept === '' || span === undefined ? '' : channel.render(span.start, kept)
      const gap = this.#parts.choices.hasSaid(choice) || clean.trim() !== '' ? '\n\n' : ''
      return clean + gap + message
    }
    this.#queue = [...before, { kind: 'stop', choice, text }]
    this.bytes = before.reduce((sum, entry) => sum + sizeOf(entry), 0)
    for (const entry of after) this.#keepWithout(choice, entry)
  }

  #push(entry: HeldFrame | Passing): void {
    this.#queue.push(entry)
    this.bytes += entry.frame.raw.length
  }

  /** The frame where a stop bites: text past the offset, the end, or a call that is not decided. */
  #isCut(entry: Entry, channel: Channel, at: number): boolean {
    const choice = channel.name.choice
    if (entry.kind === 'text') return entry.choice === choice
    if (entry.kind !== 'frame') return entry.kind === 'passing'
    if (spanPast(entry, channel, at) !== undefined) return true
    if (entry.view.ends.some((end) => end.choice === choice)) return true
    return entry.calls.some(
      (call) => call.choice === choice && !this.#parts.calls.isReady(call.key),
    )
  }

  #keepWithout(choice: number, entry: Entry): void {
    if (entry.kind === 'frame') {
      entry.dropped.add(choice)
      const choices = entry.view.choices
      if (choices.length === 0 || choices.some((one) => !entry.dropped.has(one))) this.#push(entry)
    } else if (entry.kind === 'passing') this.#push(entry)
    else if (entry.choice !== choice) this.#queue.push(entry)
  }

  #mayGo(entry: Entry): boolean {
    if (entry.kind === 'text') {
      // A late verdict may still add to it until the end itself goes.
      const next = this.#queue.find((one) => one.kind === 'frame')
      return next === undefined || this.#mayGo(next)
    }
    if (entry.kind !== 'frame') return true
    for (const call of entry.calls) {
      if (!entry.dropped.has(call.choice) && !this.#parts.calls.isReady(call.key)) return false
    }
    return entry.spans.every(({ channel, piece, start }) => {
      const end = start + piece.text.length
      return (
        entry.dropped.has(piece.choice) || channel.clear >= end || this.#isOverBound(channel, end)
      )
    })
  }

  /** The bound of the holdback; it does not hold for text that must be judged first. */
  #isOverBound(channel: Channel, end: number): boolean {
    const { judge, holdbackTokens: bound, holdbackChars = HOLDBACK_CHARS } = this.#parts.options
    if (judge?.release === 'judged' && channel.covered < end) return false
    if (channel.length - end < holdbackChars) return false
    let behind = 0
    for (const entry of this.#queue) {
      if (entry.kind !== 'frame') continue
      for (const span of entry.spans) if (span.channel === channel && span.start >= end) behind++
    }
    return behind >= bound
  }

  #release(entry: Entry): void {
    const { dialect, calls, channels, choices, send, write } = this.#parts
    if (entry.kind === 'passing') {
      this.#parts.beforePassing(entry.frame)
      send(entry.frame.raw)
    } else if (entry.kind === 'frame') {
      const channel = (key: string): Channel | undefined => channels.get(key)
      const bytes = releaseFrame(entry, { dialect, calls, channel, injection: choices })
      for (const span of entry.spans) choices.noteSaid(span.channel)
      if (bytes !== undefined) send(bytes)
    } else if (entry.kind === 'text') {
      // Text for a choice whose last frame brings content goes into that frame.
      const next = this.#queue.find((one) => one.kind === 'frame')
      const isInFrame = next?.kind === 'frame' && bringsContent(next, entry.choice)
      const text = isInFrame ? undefined : choices.takeAfter(entry.choice)
      if (text !== undefined) write(dialect.addText(entry.choice, text))
    } else {
      const isLast = !this.#queue.some((one) => one.kind === 'frame')
      this.#parts.stop(entry.choice, entry.text(), isLast)
    }
  }
}

function sizeOf(entry: Entry): number {
  return entry.kind === 'frame' || entry.kind === 'passing' ? entry.frame.raw.length : 0
}
