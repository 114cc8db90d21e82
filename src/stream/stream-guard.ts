/**
 * The guard of one streamed response: bytes of the upstream in, bytes for the client out.
 *
 * Frames leave in the order in which they came, whole, and byte for byte unless a decision changed
 * them. A frame waits only while something in it is open, unjudged, or a call that is not decided.
 */
import type { TextEffect } from '../model/decision.ts'
import type { Finding } from '../model/finding.ts'
import { invariant } from '../model/errors.ts'
import { CallBook } from './calls.ts'
import { Choices } from './choices.ts'
import { createDialect } from './dialects.ts'
import {
  type ChannelName,
  type Dialect,
  type FrameView,
  type JsonObject,
  type Made,
  type Usage,
  isObject,
  valueAt,
} from './dialect.ts'
import {
  type CallOutcome,
  type StreamDecision,
  type StreamLimits,
  type StreamOptions,
  DEFAULT_LIMITS,
} from './guard-options.ts'
import { inOrder, startOf, unseenEchoes } from './findings.ts'
import { Channel } from './holdback.ts'
import { Ledger } from './ledger.ts'
import { Outbox } from './outbox.ts'
import type { HeldFrame, Span } from './release.ts'
import { finalComment } from './final-comment.ts'
import { type SseFrame, type SseParser, createSseParser, writeFrame } from './sse.ts'
import { type Template, createTemplate } from './template.ts'

/** The answer to a `JudgeJob`: verdicts with spans in the channel's text, or that there are none. */
export type Settlement = {
  readonly channel: string
  readonly to: number
  readonly findings: readonly Finding[]
}

export type StreamGuard = {
  push(chunk: Uint8Array): Uint8Array[]
  /** The upstream ended; what may go goes. Text that waits for a verdict or an approval still may. */
  end(): Uint8Array[]
  settle(settlement: Settlement): Uint8Array[]
  settleCall(key: string, outcome: CallOutcome): Uint8Array[]
  /** Nobody reads any longer: nothing of what waits will happen. */
  close(): void
  /** Nothing more will come: abort the upstream. */
  readonly stopped: boolean
  /** Everything was released after `end`, or the response was stopped. */
  readonly finished: boolean
  readonly heldBytes: number
  readonly decisions: readonly StreamDecision[]
  /** Decisions that came after the bound of the list, and were only counted. */
  readonly lostDecisions: number
}

type Found = readonly [Channel, readonly Finding[]]

/** Templates kept, and made at most, in one response. */
const MAX_TEMPLATES = 4
const MAX_TEMPLATES_MADE = 16
const COLON = 0x3a

export function createStreamGuard(options: StreamOptions): StreamGuard {
  return new Guard(options)
}

/** Events after which nothing of an answer comes, in dialects without `[DONE]`. */
const LAST_EVENTS = new Set([
  'message_stop',
  'response.completed',
  'response.incomplete',
  'response.failed',
])

class Guard implements StreamGuard {
  readonly #options: StreamOptions
  readonly #limits: StreamLimits
  readonly #parser: SseParser
  readonly #dialect: Dialect
  readonly #calls: CallBook
  readonly #choices: Choices
  readonly #ledger: Ledger
  readonly #channels = new Map<string, Channel>()
  readonly #outbox: Outbox
  #templates: readonly Template[] = []
  #templatesMade = 0
  #unlearned:
    { readonly data: string; readonly json: JsonObject; readonly view: FrameView } | undefined
  #out: Uint8Array[] = []
  #usage: Usage | undefined
  #tokens = 0
  #hasEnded = false
  #isCommented = false
  stopped = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#parser = createSseParser(this.#limits.maxFrameBytes)
    this.#dialect = createDialect(options.dialect)
    this.#choices = new Choices(options.choices ?? 1)
    this.#calls = new CallBook(options.decideCall, this.#limits.maxArgumentChars, (call) =>
      this.#ledger.noteCall(call),
    )
    this.#ledger = new Ledger(this.#calls, options.observe)
    this.#outbox = new Outbox({
      options,
      dialect: this.#dialect,
      calls: this.#calls,
      choices: this.#choices,
      channels: this.#channels,
      send: (bytes) => void this.#out.push(bytes),
      write: (frames) => this.#write(frames),
      beforePassing: (frame) => {
        if (frame.data === '[DONE]' || LAST_EVENTS.has(frame.event ?? '')) this.#comment()
      },
      stop: (choice, text, isLast) => this.#releaseStop(choice, text, isLast),
    })
  }

  get heldBytes(): number {
    return this.#outbox.bytes + this.#parser.pendingBytes
  }

  get finished(): boolean {
    return this.stopped || (this.#hasEnded && this.#outbox.isEmpty)
  }

  get decisions(): readonly StreamDecision[] {
    return this.#ledger.decisions
  }

  get lostDecisions(): number {
    return this.#ledger.lostDecisions
  }

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.stopped) return []
    for (const frame of this.#parser.push(chunk)) {
      this.#accept(frame)
      if (this.stopped) return this.#take()
    }
    this.#flush()
    if (this.#parser.overflowed) {
      this.#fail(`a frame of the upstream is longer than ${this.#limits.maxFrameBytes} bytes`)
    } else if (this.#outbox.bytes > this.#limits.maxHeldBytes) {
      this.#fail(`more than ${this.#limits.maxHeldBytes} bytes wait for a decision`)
    }
    return this.#take()
  }

  end(): Uint8Array[] {
    if (this.stopped || this.#hasEnded) return []
    for (const frame of this.#parser.flush()) this.#accept(frame)
    if (this.stopped) return this.#take()
    const rest = this.#parser.end()
    this.#calls.completeChoice(undefined)
    for (const channel of this.#channels.values()) this.#closeChannel(channel)
    this.#hasEnded = true
    this.#flush()
    if (!this.stopped && rest.some((byte) => byte > 32)) {
      this.#fail('the upstream ended in the middle of a frame')
    }
    return this.#take()
  }

  settle({ channel: key, to, findings }: Settlement): Uint8Array[] {
    const channel = this.#channels.get(key)
    if (channel === undefined || this.stopped) return []
    for (const { window, findings: found } of channel.windows?.settle(to, findings) ?? []) {
      channel.covered = Math.max(channel.covered, channel.rawAt(window.to))
      for (const finding of found) this.#decideLate(channel, finding, window.from)
    }
    this.#flush()
    return this.#take()
  }

  /** A verdict also acts on a choice that was stopped, as far as it is about text before the stop. */
  #decideLate(channel: Channel, finding: Finding, from: number): void {
    // What stands before the window was judged already, and may be gone.
    const start = finding.kind === 'unjudged' ? from : Math.max(from, startOf(finding))
    if (this.#choices.isStopped(channel.name.choice) && channel.rawAt(start) >= channel.cutAt)
      return
    this.#decideOne(channel, finding, start)
  }

  settleCall(key: string, outcome: CallOutcome): Uint8Array[] {
    invariant(outcome.kind !== 'hold', 'a held call is settled by allow, rewrite or block')
    if (this.stopped || !this.#calls.settle(key, outcome)) return []
    this.#flush()
    return this.#take()
  }

  close(): void {
    if (this.finished) return
    this.#calls.dropOpen()
    this.stopped = true
    this.#clear()
  }

  #accept(frame: SseFrame): void {
    const data = frame.data
    if (data === undefined && frame.raw[0] === COLON) {
      // Comments keep connections alive: they pass what waits.
      this.#out.push(frame.raw)
      return
    }
    if (data === undefined || data === '[DONE]' || data === '') return this.#pass(frame)
    if (this.#acceptAlike(frame, data)) return
    const json = parse(data)
    if (json === undefined) {
      if (this.#options.onMalformed === 'open') this.#pass(frame)
      else this.#fail('the upstream sent a frame that is not JSON')
      return
    }
    this.#noteUsage(json)
    const view = this.#dialect.read(json)
    const live = view.choices.filter((choice) => !this.#choices.isStopped(choice))
    if (live.length === 0 && view.choices.length > 0) return
    const dropped = new Set(view.choices.filter((choice) => this.#choices.isStopped(choice)))
    this.#read({ frame, json, view, dropped })
    this.#unlearned = { data, json, view }
  }

  /** A frame without text goes when what came before it has gone. */
  #pass(frame: SseFrame): void {
    this.#outbox.add({ kind: 'passing', frame })
    this.#flush()
  }

  /**
   * A frame like one before it. With nothing open, found or waiting it goes on unparsed; otherwise it
   * is read in full, its text being with its channel already.
   */
  #acceptAlike(frame: SseFrame, data: string): boolean {
    this.#learn()
    for (const { piece, json, textOf } of this.#templates) {
      const text = textOf(data)
      if (text === undefined || text === '') continue
      const channel = this.#channels.get(piece.key)
      const isFirst = channel === undefined || channel.released === 0 || channel.isEnded
      if (isFirst || this.#choices.isStopped(piece.choice)) return false
      const start = channel.length
      const findings = this.#feed(channel, text)
      const isFree = this.#outbox.isEmpty && findings.length === 0 && channel.passes(text)
      if (isFree && this.#dialect.renumber(json).length === 0) {
        this.#out.push(frame.raw)
        if (this.#options.judge !== undefined) this.#judge(channel)
        return true
      }
      const own = parse(data)
      invariant(own !== undefined, 'a template accepts JSON only')
      const view = this.#dialect.read(own)
      const spans = view.pieces.map((one) => ({ channel, piece: one, start }))
      const held = { frame, json: own, view, spans, calls: [], dropped: new Set<number>() }
      this.#queue(held, [[channel, findings]])
      return true
    }
    return false
  }

  /**
   * At most a few shapes a response; a stream whose frames are never alike is not tried for ever. When the
   * next frame comes: the first one does not wait for it.
   */
  #learn(): void {
    if (this.#unlearned === undefined) return
    const { data, json, view } = this.#unlearned
    this.#unlearned = undefined
    if (this.#dialect.hasEchoes || this.#templatesMade >= MAX_TEMPLATES_MADE) return
    const template = createTemplate(data, json, view)
    if (template === undefined) return
    this.#templatesMade++
    this.#templates = [template, ...this.#templates].slice(0, MAX_TEMPLATES)
  }

  #feed(channel: Channel, text: string): readonly Finding[] {
    this.#tokens++
    return channel.push(text)
  }

  /** Feeds the frame to its channels and calls, then queues it, then acts on what was found. */
  #read({ frame, json, view, dropped }: Omit<HeldFrame, 'kind' | 'spans' | 'calls'>): void {
    const spans: Span[] = []
    const found: Found[] = []
    const calls = this.#calls.add(view.calls.filter((part) => !dropped.has(part.choice)))
    for (const piece of [...view.pieces, ...unseenEchoes(json, view, this.#channels)]) {
      if (dropped.has(piece.choice)) continue
      const channel = this.#channel(piece)
      spans.push({ channel, piece, start: channel.length })
      if (piece.field === 'arguments') this.#calls.addArguments(piece.key, piece.text)
      if (piece.text !== '') found.push([channel, this.#feed(channel, piece.text)])
    }
    this.#queue({ frame, json, view, spans, calls, dropped }, found)
  }

  #queue(held: Omit<HeldFrame, 'kind'>, found: readonly Found[]): void {
    const { view, dropped } = held
    for (const end of view.ends) if (!dropped.has(end.choice)) this.#choices.end(end.choice)
    this.#outbox.add({ kind: 'frame', ...held })
    for (const [channel, findings] of found) this.#decide(channel, findings)
    for (const key of view.closes) this.#close(key)
    for (const end of view.ends) this.#closeChoice(end.choice)
    if (this.#options.judge !== undefined) for (const [channel] of found) this.#judge(channel)
    this.#flush()
  }

  #channel(name: ChannelName): Channel {
    let channel = this.#channels.get(name.key)
    if (channel === undefined) {
      const { key, choice, field } = name
      channel = new Channel({ key, choice, field }, this.#options, this.#dialect.hasEchoes)
      this.#channels.set(key, channel)
    }
    return channel
  }

  #close(key: string): void {
    const channel = this.#channels.get(key)
    if (channel !== undefined) this.#closeChannel(channel)
    this.#calls.complete(key)
  }

  #closeChoice(choice: number): void {
    for (const channel of this.#channels.values()) {
      if (channel.name.choice === choice) this.#closeChannel(channel)
    }
    this.#calls.completeChoice(choice)
  }

  #closeChannel(channel: Channel): void {
    if (channel.isEnded) return
    this.#decide(channel, channel.end())
    if (!this.stopped) this.#judge(channel)
  }

  /** Submits what is new when there is enough of it. */
  #judge(channel: Channel): void {
    const judge = this.#options.judge
    if (judge === undefined) return
    for (const window of channel.takeWindows()) judge.submit({ ...window, channel: channel.name })
  }

  /** One finding at a time, so that the cuts of the upstream decide nothing. */
  #decide(channel: Channel, findings: readonly Finding[]): void {
    for (const finding of inOrder(findings)) {
      if (this.#choices.isStopped(channel.name.choice)) return
      this.#decideOne(channel, finding, startOf(finding))
    }
  }

  #decideOne(channel: Channel, finding: Finding, start: number): void {
    const decision = this.#options.decide([finding], channel.name)
    let isLate = false
    let stop: Extract<TextEffect, { kind: 'stop' }> | undefined
    for (const effect of decision.effects) {
      if (effect.kind === 'redact') {
        if (!channel.redact(effect.start, effect.end, effect.with)) isLate = true
      } else if (effect.kind === 'stop') stop ??= effect
      else this.#choices.inject(channel, effect)
    }
    if (stop !== undefined) {
      const at = channel.rawAt(Math.min(start, channel.decodedLength))
      if (at < channel.released) isLate = true
      this.#stop(channel, Math.max(at, channel.released), stop.message)
    }
    this.#ledger.note(channel, decision, isLate)
  }

  #stop(channel: Channel, at: number, message: string): void {
    const choice = channel.name.choice
    this.#choices.stop(choice)
    channel.cutAt = at
    this.#outbox.cut(channel, at, message)
    this.#calls.dropOpen(choice)
    // Nothing more comes for the choice, so nothing in it is open; what is unjudged is judged now.
    for (const one of this.#channels.values()) {
      if (one.name.choice !== choice) continue
      one.isEnded = true
      this.#judge(one)
    }
  }

  #flush(): void {
    this.#outbox.flush(() => !this.stopped)
    // A stream whose end is not marked ends all the same.
    if (this.#hasEnded && !this.stopped && this.#outbox.isEmpty) this.#comment()
  }

  #releaseStop(choice: number, text: string, isAlone: boolean): void {
    const isLast = isAlone && this.#choices.isOver()
    const counted = { promptTokens: 0, completionTokens: this.#tokens }
    const usage = this.#options.usage?.() ?? this.#usage
    const isAsked = this.#options.includeUsage === true || usage !== undefined
    if (isLast) {
      this.#calls.dropOpen()
      this.#comment()
    }
    this.#write(
      this.#dialect.stop({ choice, text, isLast, usage: isAsked ? (usage ?? counted) : undefined }),
    )
    if (!isLast) return
    this.stopped = true
    this.#clear()
  }

  #fail(message: string): void {
    // What waits is not cleared, so it goes nowhere.
    this.#calls.dropOpen()
    this.#comment()
    this.#write(this.#dialect.error(message))
    this.stopped = true
    this.#clear()
  }

  #clear(): void {
    this.#outbox.clear()
    this.#parser.end()
    this.#channels.clear()
  }

  #comment(): void {
    if (this.#options.finalComment !== true || this.#isCommented) return
    this.#isCommented = true
    this.#out.push(finalComment(this.#options.before ?? [], this.decisions))
  }

  #write(frames: readonly Made[]): void {
    for (const { data, event } of frames) this.#out.push(writeFrame(data, event))
  }

  #noteUsage(json: JsonObject): void {
    const usage = json['usage'] ?? valueAt(json, ['message', 'usage'])
    if (!isObject(usage)) return
    const prompt = usage['prompt_tokens'] ?? usage['input_tokens']
    const completion = usage['completion_tokens'] ?? usage['output_tokens']
    this.#usage = {
      promptTokens: typeof prompt === 'number' ? prompt : (this.#usage?.promptTokens ?? 0),
      completionTokens: Math.max(typeof completion === 'number' ? completion : 0, this.#tokens),
    }
  }

  /** What goes out now; neighbours of one buffer become one slice again. */
  #take(): Uint8Array[] {
    const out: Uint8Array[] = []
    for (const bytes of this.#out) {
      const last = out.at(-1)
      if (last?.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
        const length = last.length + bytes.length
        out[out.length - 1] = new Uint8Array(last.buffer, last.byteOffset, length)
      } else out.push(bytes)
    }
    this.#out = []
    return out
  }
}

function parse(data: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(data)
    return isObject(json) ? json : undefined
  } catch {
    // Counted by the caller: a malformed frame is the policy's matter.
    return undefined
  }
}
