/**
 * The guard of a whole (non-stream) body: the same channels, scanners, decisions and edits as a
 * stream that brings everything in one frame.
 */
import type { TextEffect } from '../model/decision.ts'
import { GuardError, invariant } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { CallBook } from './calls.ts'
import { Choices } from './choices.ts'
import {
  type BodyCut,
  type ChannelName,
  type Dialect,
  type FrameView,
  type JsonObject,
  type Piece,
  isObject,
} from './dialect.ts'
import { createDialect } from './dialects.ts'
import { inOrder, startOf, unseenEchoes } from './findings.ts'
import {
  type CallOutcome,
  type CallText,
  type DialectName,
  type StreamDecision,
  type StreamOptions,
  DEFAULT_LIMITS,
} from './guard-options.ts'
import { Channel, isJsonText } from './holdback.ts'
import { Ledger } from './ledger.ts'
import { createJsonText } from './json-text.ts'
import { editJson } from '../tools/json-edit.ts'
import { type HeldFrame, type Span, frameEdits } from './release.ts'

export type GuardedBody = {
  readonly body: Uint8Array
  readonly decisions: readonly StreamDecision[]
  /** A choice was stopped by policy. */
  readonly stopped: boolean
}

/** A body whose texts are decided; calls that wait for an answer are settled before it is finished. */
export type OpenBody = {
  readonly held: readonly CallText[]
  settleCall(key: string, outcome: CallOutcome): void
  /** Calls that still wait are refused. */
  finish(): GuardedBody
}

/** The answer to one window of a channel, as `settle` gets it in a stream. */
export type Judged = { readonly from: number; readonly findings: readonly Finding[] }

const FIELD_ORDER: readonly Piece['field'][] = ['reasoning', 'content', 'refusal', 'arguments']

/** The texts of a body by channel, decoded as scanners see them, for classifiers that run before. */
export function bodyTexts(
  dialect: DialectName,
  body: Uint8Array,
  jsonContent = false,
): Map<ChannelName, string> {
  const json = parseBody(body)
  const texts = new Map<ChannelName, string>()
  if (json === undefined) return texts
  const channels = new Map<string, { readonly name: ChannelName; readonly decode: Decode }>()
  for (const { key, choice, field, text } of piecesOf(dialect, json)) {
    let channel = channels.get(key)
    if (channel === undefined) {
      const name = { key, choice, field }
      channel = {
        name,
        decode: isJsonText(name, jsonContent) ? createJsonText().push : (raw) => raw,
      }
      channels.set(key, channel)
    }
    texts.set(channel.name, (texts.get(channel.name) ?? '') + channel.decode(text))
  }
  return texts
}

type Decode = (raw: string) => string

type Verdicts = ReadonlyMap<string, readonly Judged[]>

/** `verdicts`: by channel key, what classifiers said of the windows of `bodyTexts`, in order. */
export function openBody(
  options: StreamOptions,
  body: Uint8Array,
  verdicts: Verdicts = new Map(),
): OpenBody {
  const json = parseBody(body)
  if (json !== undefined) return new BodyGuard(options, json, body).read(verdicts)
  if (options.onMalformed === 'closed') {
    throw new GuardError('upstream_failed', 'the upstream sent a body that is not a JSON object')
  }
  const unread = { body, decisions: [], stopped: false }
  return { held: [], settleCall: () => undefined, finish: () => unread }
}

export function guardBody(
  options: StreamOptions,
  body: Uint8Array,
  verdicts: Verdicts = new Map(),
): GuardedBody {
  return openBody(options, body, verdicts).finish()
}

function parseBody(body: Uint8Array): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(body))
    return isObject(json) ? json : undefined
  } catch {
    // The caller decides by policy what a malformed body means.
    return undefined
  }
}

function piecesOf(dialect: DialectName, json: JsonObject): readonly Piece[] {
  const view = createDialect(dialect).read(json)
  return [...view.pieces, ...unseenEchoes(json, view, new Map())]
}

function order(piece: Piece): number {
  return piece.choice * FIELD_ORDER.length + FIELD_ORDER.indexOf(piece.field)
}

const UNANSWERED: CallOutcome = { kind: 'block', message: 'This tool call was not approved.' }

class BodyGuard implements OpenBody {
  readonly held: CallText[] = []
  readonly #options: StreamOptions
  readonly #json: JsonObject
  readonly #body: Uint8Array
  readonly #dialect: Dialect
  readonly #view: FrameView
  readonly #channels = new Map<string, Channel>()
  readonly #choices: Choices
  readonly #ledger: Ledger
  readonly #calls: CallBook
  readonly #cuts = new Map<number, BodyCut>()
  #spans: readonly Span[] = []

  constructor(options: StreamOptions, json: JsonObject, body: Uint8Array) {
    this.#options = options
    this.#json = json
    this.#body = body
    this.#dialect = createDialect(options.dialect)
    this.#view = this.#dialect.read(json)
    this.#choices = new Choices(options.choices ?? 1)
    const limit = options.limits?.maxArgumentChars ?? DEFAULT_LIMITS.maxArgumentChars
    this.#calls = new CallBook(options.decideCall, limit, (call) => {
      this.#ledger.noteCall(call)
      if (call.outcome?.kind === 'hold') this.held.push(call)
    })
    this.#ledger = new Ledger(this.#calls, options.observe)
  }

  settleCall(key: string, outcome: CallOutcome): void {
    invariant(outcome.kind !== 'hold', 'a held call is settled by allow, rewrite or block')
    this.#calls.settle(key, outcome)
  }

  read(verdicts: Verdicts): this {
    const dialect = this.#dialect
    const view = this.#view
    const pieces = [...view.pieces, ...unseenEchoes(this.#json, view, new Map())]
    this.#calls.add(view.calls)
    // Blocks of one message keep their order; fields of a choice are read as they are generated.
    const read = dialect.hasBlocks ? pieces : [...pieces].sort((a, b) => order(a) - order(b))
    this.#spans = read.map((piece) => this.#readPiece(piece, read, verdicts))
    this.#calls.completeChoice(undefined)
    return this
  }

  finish(): GuardedBody {
    for (const { key } of this.held) this.#calls.settle(key, UNANSWERED)
    const dialect = this.#dialect
    const body = this.#body
    const data = new TextDecoder().decode(body)
    const held: HeldFrame = {
      kind: 'frame',
      frame: { raw: body, data, event: undefined },
      json: this.#json,
      view: this.#view,
      spans: this.#spans,
      calls: [],
      dropped: new Set(),
    }
    const channel = (key: string): Channel | undefined => this.#channels.get(key)
    const parts = { dialect, calls: this.#calls, channel, injection: this.#choices }
    const edits = frameEdits(held, parts)
    const edited = edits === 'drop' || edits.length === 0 ? data : editJson(data, edits)
    const out = [...this.#cuts.values()].reduce((text, cut) => {
      const json: unknown = JSON.parse(text)
      return isObject(json) ? editJson(text, dialect.stopBody(json, cut)) : text
    }, edited)
    return {
      body: out === data ? body : new TextEncoder().encode(out),
      decisions: this.#ledger.decisions,
      stopped: this.#cuts.size > 0,
    }
  }

  #readPiece(piece: Piece, all: readonly Piece[], verdicts: Verdicts): Span {
    const { key, choice, field } = piece
    let channel = this.#channels.get(key)
    if (channel === undefined) {
      channel = new Channel({ key, choice, field }, this.#options, false)
      this.#channels.set(key, channel)
    }
    const span = { channel, piece, start: channel.length }
    if (this.#choices.isStopped(choice)) {
      if (field === 'arguments') this.#calls.drop(key)
      return span
    }
    if (field === 'arguments') this.#calls.addArguments(key, piece.text)
    this.#decide(span, channel.push(piece.text))
    const isLast = !all.slice(all.indexOf(piece) + 1).some((other) => other.key === key)
    if (isLast && !this.#choices.isStopped(choice)) {
      this.#decide(span, channel.end())
    }
    if (isLast) for (const judged of verdicts.get(key) ?? []) this.#decideLate(span, judged)
    return span
  }

  /** As in a stream: a verdict acts on a stopped choice as far as it is about text before the stop. */
  #decideLate(span: Span, { from, findings }: Judged): void {
    const { channel } = span
    for (const finding of findings) {
      const start = finding.kind === 'unjudged' ? from : Math.max(from, startOf(finding))
      const isCut = this.#choices.isStopped(span.piece.choice)
      if (!isCut || channel.rawAt(start) < channel.cutAt) this.#decideOne(span, finding, start)
    }
  }

  #decide(span: Span, findings: readonly Finding[]): void {
    for (const finding of inOrder(findings)) {
      if (this.#choices.isStopped(span.piece.choice)) return
      this.#decideOne(span, finding, startOf(finding))
    }
  }

  #decideOne({ channel, piece, start }: Span, finding: Finding, from: number): void {
    const decision = this.#options.decide([finding], channel.name)
    let stop: Extract<TextEffect, { kind: 'stop' }> | undefined
    for (const effect of decision.effects) {
      if (effect.kind === 'redact') channel.redact(effect.start, effect.end, effect.with)
      else if (effect.kind === 'stop') stop ??= effect
      else this.#choices.inject(channel, effect)
    }
    if (stop !== undefined && piece.field === 'arguments') this.#calls.drop(piece.key)
    this.#ledger.note(channel, decision, false)
    if (stop === undefined) return
    this.#choices.stop(piece.choice)
    const at = channel.rawAt(Math.min(from, channel.decodedLength))
    channel.cutAt = at
    this.#cuts.set(piece.choice, {
      choice: piece.choice,
      path: piece.path,
      isContent: piece.field === 'content',
      kept: channel.preview(start, piece.text.slice(0, Math.max(0, at - start))),
      message: stop.message,
    })
  }
}
