/**
 * The guard of one streamed response: bytes of the upstream in, bytes for the client out.
 *
 * Frames leave in the order in which they came, whole, and byte for byte unless a decision changed
 * them. A frame waits only while something in it is open, unjudged, or a call that is not decided.
 */
import type { TextEffect } from '../model/decision.ts'
import type { Finding } from '../model/finding.ts'
import { invariant } from '../model/errors.ts'
import type { ClassifyResult } from '../model/verdict.ts'
import { CallBook } from './calls.ts'
import { Choices } from './choices.ts'
import { createDialect } from './dialects.ts'
import {
  type ChannelName,
  type Dialect,
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
import { bringsContent, findingsOf, inOrder, spanPast, startOf, unseenEchoes } from './findings.ts'
import { Channel } from './holdback.ts'
import { type HeldFrame, type Span, releaseFrame } from './release.ts'
import { type SseFrame, type SseParser, createSseParser, writeComment, writeFrame } from './sse.ts'

/** What waits: a frame of the upstream, text of ours, the end of a choice, or a frame without text. */
type Entry =
  | HeldFrame
  | { readonly kind: 'passing'; readonly frame: SseFrame }
  | { readonly kind: 'text'; readonly choice: number }
  | { readonly kind: 'stop'; readonly choice: number; readonly text: () => string }

/** The answer to a `JudgeJob`; `from` of the job's text is added to the verdicts' spans. */
export type Settlement = {
  readonly channel: string
  readonly textFrom: number
  readonly to: number
  /** Name of the classifier, for an answer that did not come. */
  readonly model: string
  readonly result: ClassifyResult
}

export type StreamGuard = {
  push(chunk: Uint8Array): Uint8Array[]
  /** The upstream ended; what may go goes. Text that waits for a verdict or an approval still may. */
  end(): Uint8Array[]
  settle(settlement: Settlement): Uint8Array[]
  settleCall(key: string, outcome: CallOutcome): Uint8Array[]
  /** Nothing more will come: abort the upstream. */
  readonly stopped: boolean
  /** Everything was released after `end`, or the response was stopped. */
  readonly finished: boolean
  readonly heldBytes: number
  readonly decisions: readonly StreamDecision[]
  /** Decisions that came after the bound of the list, and were only counted. */
  readonly lostDecisions: number
}

export function createStreamGuard(options: StreamOptions): StreamGuard {
  return new Guard(options)
}

class Guard implements StreamGuard {
  readonly #options: StreamOptions
  readonly #limits: StreamLimits
  readonly #parser: SseParser
  readonly #dialect: Dialect
  readonly #calls: CallBook
  readonly #choices: Choices
  readonly #channels = new Map<string, Channel>()
  #queue: Entry[] = []
  #out: Uint8Array[] = []
  #queuedBytes = 0
  #usage: Usage | undefined
  #tokens = 0
  #hasEnded = false
  stopped = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#parser = createSseParser(this.#limits.maxFrameBytes)
    this.#dialect = createDialect(options.dialect)
    this.#choices = new Choices(options.choices ?? 1)
    this.#calls = new CallBook(options.decideCall, this.#limits.maxArgumentChars, (call, outcome) =>
      this.#choices.noteCall(call, outcome),
    )
  }

  get heldBytes(): number {
    return this.#queuedBytes + this.#parser.pendingBytes
  }

  get finished(): boolean {
    return this.stopped || (this.#hasEnded && this.#queue.length === 0)
  }

  get decisions(): readonly StreamDecision[] {
    return this.#choices.decisions
  }

  get lostDecisions(): number {
    return this.#choices.lostDecisions
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
    } else if (this.#queuedBytes > this.#limits.maxHeldBytes) {
      this.#fail(`more than ${this.#limits.maxHeldBytes} bytes wait for a decision`)
    }
    return this.#take()
  }

  end(): Uint8Array[] {
    if (this.stopped || this.#hasEnded) return []
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

  settle({ channel: key, textFrom, to, model, result }: Settlement): Uint8Array[] {
    const channel = this.#channels.get(key)
    if (channel === undefined || this.stopped) return []
    channel.isJudging = false
    channel.covered = Math.max(channel.covered, channel.rawAt(to))
    this.#decide(channel, findingsOf(result, textFrom, model))
    if (!this.stopped) this.#judge(channel)
    this.#flush()
    return this.#take()
  }

  settleCall(key: string, outcome: CallOutcome): Uint8Array[] {
    invariant(outcome.kind !== 'hold', 'a held call is settled by allow, rewrite or block')
    if (this.stopped || !this.#calls.settle(key, outcome)) return []
    this.#flush()
    return this.#take()
  }

  #accept(frame: SseFrame): void {
    const data = frame.data
    if (data === undefined) {
      // Comments keep connections alive: they pass what waits.
      this.#out.push(frame.raw)
      return
    }
    if (data === '[DONE]' || data === '') return this.#enqueue({ kind: 'passing', frame })
    const json = parse(data)
    if (json === undefined) {
      if (this.#options.onMalformed === 'open') this.#enqueue({ kind: 'passing', frame })
      else this.#fail('the upstream sent a frame that is not JSON')
      return
    }
    this.#noteUsage(json)
    const view = this.#dialect.read(json)
    const live = view.choices.filter((choice) => !this.#choices.isStopped(choice))
    if (live.length === 0 && view.choices.length > 0) return
    const dropped = new Set(view.choices.filter((choice) => this.#choices.isStopped(choice)))
    this.#read({ frame, json, view, dropped })
  }

  /** Feeds the frame to its channels and calls, then queues it, then acts on what was found. */
  #read({ frame, json, view, dropped }: Omit<HeldFrame, 'kind' | 'spans' | 'calls'>): void {
    const spans: Span[] = []
    const found: [Channel, readonly Finding[]][] = []
    const calls = view.calls
      .filter((part) => !dropped.has(part.choice))
      .map((part) => this.#calls.add(part))
    for (const piece of [...view.pieces, ...unseenEchoes(json, view, this.#channels)]) {
      if (dropped.has(piece.choice)) continue
      const channel = this.#channel(piece)
      spans.push({ channel, piece, start: channel.length })
      if (piece.field === 'arguments') this.#calls.addArguments(piece.key, piece.text)
      if (piece.text !== '') {
        this.#tokens++
        channel.tokensSinceSubmit++
        found.push([channel, channel.push(piece.text)])
      }
    }
    for (const end of view.ends) if (!dropped.has(end.choice)) this.#choices.end(end.choice)
    this.#enqueueFrame({ kind: 'frame', frame, json, view, spans, calls, dropped })
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

  #enqueueFrame(held: HeldFrame): void {
    for (const end of held.view.ends) {
      if (!held.dropped.has(end.choice)) this.#queue.push({ kind: 'text', choice: end.choice })
    }
    this.#enqueue(held)
  }

  #enqueue(entry: HeldFrame | { readonly kind: 'passing'; readonly frame: SseFrame }): void {
    this.#queue.push(entry)
    this.#queuedBytes += entry.frame.raw.length
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

  /** Submits what is new when there is enough of it, one job a channel at a time. */
  #judge(channel: Channel): void {
    const judge = this.#options.judge
    if (judge === undefined || channel.isJudging || channel.submitted >= channel.decodedLength)
      return
    if (!channel.isEnded && channel.tokensSinceSubmit < judge.checkInterval) return
    const textFrom = Math.max(channel.textFrom, channel.submitted - judge.contextChars)
    const job = {
      channel: channel.name,
      text: channel.text.slice(textFrom - channel.textFrom),
      textFrom,
      from: channel.submitted,
      to: channel.decodedLength,
    }
    channel.isJudging = true
    channel.tokensSinceSubmit = 0
    channel.submitted = job.to
    judge.submit(job)
  }

  /** One finding at a time, so that the cuts of the upstream decide nothing. */
  #decide(channel: Channel, findings: readonly Finding[]): void {
    for (const finding of inOrder(findings)) {
      if (this.#choices.isStopped(channel.name.choice)) return
      this.#decideOne(channel, finding)
    }
  }

  #decideOne(channel: Channel, finding: Finding): void {
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
      const at = channel.rawAt(Math.min(startOf(finding), channel.decodedLength))
      if (at < channel.released) isLate = true
      this.#stop(channel, Math.max(at, channel.released), stop.message)
    }
    this.#choices.note(channel.name, decision, isLate)
  }

  /** Ends a choice at an offset of one of its channels: what comes later in the queue goes no further. */
  #stop(channel: Channel, at: number, message: string): void {
    const choice = channel.name.choice
    this.#choices.stop(choice)
    const cutAt = this.#queue.findIndex((entry) => this.#isCut(entry, channel, at))
    const before = cutAt < 0 ? this.#queue : this.#queue.slice(0, cutAt)
    const after = cutAt < 0 ? [] : this.#queue.slice(cutAt)
    const first = after[0]
    const cut = first?.kind === 'frame' ? spanPast(first, channel, at) : undefined
    const text = (): string => {
      const isContent = channel.name.field === 'content' && cut !== undefined && at > cut.start
      const kept = isContent ? cut.piece.text.slice(0, at - cut.start) : ''
      const clean = kept === '' || cut === undefined ? '' : channel.render(cut.start, kept)
      const gap = this.#choices.hasSaid(choice) || clean.trim() !== '' ? '\n\n' : ''
      return clean + gap + message
    }
    this.#queue = [...before, { kind: 'stop', choice, text }]
    this.#queuedBytes = before.reduce((sum, entry) => sum + sizeOf(entry), 0)
    for (const entry of after) this.#requeueWithout(choice, entry)
    // Nothing more comes for the choice, so nothing in it is open; what is unjudged is judged now.
    for (const one of this.#channels.values()) {
      if (one.name.choice !== choice) continue
      one.isEnded = true
      this.#judge(one)
    }
  }

  /** The frame where a stop bites: text past the offset, the end, or a call that is not decided. */
  #isCut(entry: Entry, channel: Channel, at: number): boolean {
    const choice = channel.name.choice
    if (entry.kind === 'text') return entry.choice === choice
    if (entry.kind !== 'frame') return entry.kind === 'passing'
    if (spanPast(entry, channel, at) !== undefined) return true
    if (entry.view.ends.some((end) => end.choice === choice)) return true
    return entry.calls.some((call) => call.choice === choice && !this.#calls.isReady(call.key))
  }

  #requeueWithout(choice: number, entry: Entry): void {
    if (entry.kind === 'frame') {
      entry.dropped.add(choice)
      if (entry.view.choices.length > 0 && entry.view.choices.every((c) => entry.dropped.has(c))) {
        return
      }
      this.#enqueue(entry)
    } else if (entry.kind === 'passing') this.#enqueue(entry)
    else if (entry.choice !== choice) this.#queue.push(entry)
  }

  #flush(): void {
    while (!this.stopped) {
      const head = this.#queue[0]
      if (head === undefined || !this.#mayGo(head)) return
      this.#queue.shift()
      this.#queuedBytes -= sizeOf(head)
      this.#release(head)
    }
  }

  #mayGo(entry: Entry): boolean {
    if (entry.kind === 'text') {
      // A late verdict may still add to it until the end itself goes.
      const next = this.#queue.find((one) => one.kind === 'frame')
      return next === undefined || this.#mayGo(next)
    }
    if (entry.kind !== 'frame') return true
    const waits = (key: string): boolean => !this.#calls.isReady(key)
    if (entry.calls.some((call) => !entry.dropped.has(call.choice) && waits(call.key))) return false
    return entry.spans.every(({ channel, piece, start }) => {
      const end = start + piece.text.length
      return (
        entry.dropped.has(piece.choice) || channel.clear >= end || this.#isOverBound(channel, end)
      )
    })
  }

  /** The bound of the holdback; it does not hold for text that must be judged first. */
  #isOverBound(channel: Channel, end: number): boolean {
    if (this.#options.judge?.release === 'judged' && channel.covered < end) return false
    const bound = this.#options.holdbackTokens
    if (channel.length - end < bound * 4) return false
    let behind = 0
    for (const entry of this.#queue) {
      if (entry.kind !== 'frame') continue
      for (const span of entry.spans) if (span.channel === channel && span.start >= end) behind++
    }
    return behind >= bound
  }

  #release(entry: Entry): void {
    if (entry.kind === 'passing') {
      if (entry.frame.data === '[DONE]') this.#comment()
      this.#out.push(entry.frame.raw)
    } else if (entry.kind === 'frame') {
      const bytes = releaseFrame(entry, {
        dialect: this.#dialect,
        calls: this.#calls,
        channel: (key) => this.#channels.get(key),
        injection: this.#choices,
      })
      for (const { channel } of entry.spans) this.#choices.noteSaid(channel)
      if (bytes !== undefined) this.#out.push(bytes)
    } else if (entry.kind === 'text') {
      // Text for a choice whose last frame brings content goes into that frame.
      const next = this.#queue[0]
      const isInFrame = next?.kind === 'frame' && bringsContent(next, entry.choice)
      const text = isInFrame ? undefined : this.#choices.takeAfter(entry.choice)
      if (text !== undefined) this.#write(this.#dialect.addText(entry.choice, text))
    } else this.#releaseStop(entry.choice, entry.text())
  }

  #releaseStop(choice: number, text: string): void {
    const isLast = this.#choices.isOver() && !this.#queue.some((entry) => entry.kind === 'frame')
    const counted = { promptTokens: 0, completionTokens: this.#tokens }
    const usage = this.#options.usage?.() ?? this.#usage
    const isAsked = this.#options.includeUsage === true || usage !== undefined
    if (isLast) this.#comment()
    this.#write(
      this.#dialect.stop({ choice, text, isLast, usage: isAsked ? (usage ?? counted) : undefined }),
    )
    if (!isLast) return
    this.stopped = true
    this.#clear()
  }

  #fail(message: string): void {
    // What waits is not cleared, so it goes nowhere.
    this.#comment()
    this.#write(this.#dialect.error(message))
    this.stopped = true
    this.#clear()
  }

  #clear(): void {
    this.#queue = []
    this.#queuedBytes = 0
    this.#parser.end()
    this.#channels.clear()
  }

  #comment(): void {
    if (this.#options.finalComment !== true) return
    this.#out.push(writeComment(`checkstream ${JSON.stringify({ decisions: this.decisions })}`))
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

function sizeOf(entry: Entry): number {
  return entry.kind === 'frame' || entry.kind === 'passing' ? entry.frame.raw.length : 0
}
