/**
 * The guard of a whole (non-stream) body: the same channels, scanners, decisions and edits as a
 * stream that brings everything in one frame.
 */
import type { TextEffect } from '../model/decision.ts'
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { CallBook } from './calls.ts'
import { Choices } from './choices.ts'
import { type BodyCut, type ChannelName, type JsonObject, type Piece, isObject } from './dialect.ts'
import { createDialect } from './dialects.ts'
import { inOrder, startOf, unseenEchoes } from './findings.ts'
import {
  type CallText,
  type DialectName,
  type StreamDecision,
  type StreamOptions,
  DEFAULT_LIMITS,
} from './guard-options.ts'
import { Channel } from './holdback.ts'
import { editJson } from '../tools/json-edit.ts'
import { type HeldFrame, type Span, frameEdits } from './release.ts'

export type GuardedBody = {
  readonly body: Uint8Array
  readonly decisions: readonly StreamDecision[]
  /** A choice was stopped by policy. */
  readonly stopped: boolean
  /** Calls that wait for approval: settle them and guard the body again. */
  readonly held: readonly CallText[]
}

const FIELD_ORDER: readonly Piece['field'][] = ['reasoning', 'content', 'refusal', 'arguments']

/** The texts of a body by channel, for classifiers that run before `guardBody`. */
export function bodyTexts(dialect: DialectName, body: Uint8Array): Map<ChannelName, string> {
  const json = parseBody(body)
  const texts = new Map<ChannelName, string>()
  if (json === undefined) return texts
  const names = new Map<string, ChannelName>()
  for (const { key, choice, field, text } of piecesOf(dialect, json)) {
    const name = names.get(key) ?? { key, choice, field }
    names.set(key, name)
    texts.set(name, (texts.get(name) ?? '') + text)
  }
  return texts
}

/** `verdicts`: findings by channel key that classifiers gave for `bodyTexts`. */
export function guardBody(
  options: StreamOptions,
  body: Uint8Array,
  verdicts: ReadonlyMap<string, readonly Finding[]> = new Map(),
): GuardedBody {
  const json = parseBody(body)
  if (json === undefined) {
    if (options.onMalformed === 'open') return { body, decisions: [], stopped: false, held: [] }
    throw new GuardError('upstream_failed', 'the upstream sent a body that is not a JSON object')
  }
  return new BodyGuard(options, json).run(body, verdicts)
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

class BodyGuard {
  readonly #options: StreamOptions
  readonly #json: JsonObject
  readonly #channels = new Map<string, Channel>()
  readonly #choices: Choices
  readonly #calls: CallBook
  readonly #cuts: BodyCut[] = []
  readonly #held: CallText[] = []

  constructor(options: StreamOptions, json: JsonObject) {
    this.#options = options
    this.#json = json
    this.#choices = new Choices(options.choices ?? 1)
    const limit = options.limits?.maxArgumentChars ?? DEFAULT_LIMITS.maxArgumentChars
    this.#calls = new CallBook(options.decideCall, limit, (call, outcome) => {
      this.#choices.noteCall(call, outcome)
      if (outcome.kind === 'hold') this.#held.push(call)
    })
  }

  run(body: Uint8Array, verdicts: ReadonlyMap<string, readonly Finding[]>): GuardedBody {
    const dialect = createDialect(this.#options.dialect)
    const view = dialect.read(this.#json)
    const pieces = [...view.pieces, ...unseenEchoes(this.#json, view, new Map())]
    for (const part of view.calls) this.#calls.add(part)
    // Blocks of one message keep their order; fields of a choice are read as they are generated.
    const read = dialect.hasBlocks ? pieces : [...pieces].sort((a, b) => order(a) - order(b))
    const spans = read.map((piece) => this.#readPiece(piece, read, verdicts))
    this.#calls.completeChoice(undefined)
    const data = new TextDecoder().decode(body)
    const held: HeldFrame = {
      kind: 'frame',
      frame: { raw: body, data, event: undefined },
      json: this.#json,
      view,
      spans,
      calls: [],
      dropped: new Set(),
    }
    const channel = (key: string): Channel | undefined => this.#channels.get(key)
    const parts = { dialect, calls: this.#calls, channel, injection: this.#choices }
    const edits = frameEdits(held, parts)
    const edited = edits === 'drop' || edits.length === 0 ? data : editJson(data, edits)
    const out = this.#cuts.reduce((text, cut) => {
      const json: unknown = JSON.parse(text)
      return isObject(json) ? editJson(text, dialect.stopBody(json, cut)) : text
    }, edited)
    return {
      body: out === data ? body : new TextEncoder().encode(out),
      decisions: this.#choices.decisions,
      stopped: this.#cuts.length > 0,
      held: this.#held,
    }
  }

  #readPiece(
    piece: Piece,
    all: readonly Piece[],
    verdicts: ReadonlyMap<string, readonly Finding[]>,
  ): Span {
    const { key, choice, field } = piece
    let channel = this.#channels.get(key)
    if (channel === undefined) {
      channel = new Channel({ key, choice, field }, this.#options, false)
      this.#channels.set(key, channel)
    }
    const span = { channel, piece, start: channel.length }
    if (field === 'arguments') this.#calls.addArguments(key, piece.text)
    if (this.#choices.isStopped(choice)) return span
    this.#decide(span, channel.push(piece.text))
    const isLast = !all.slice(all.indexOf(piece) + 1).some((other) => other.key === key)
    if (isLast && !this.#choices.isStopped(choice)) {
      this.#decide(span, channel.end())
      this.#decide(span, verdicts.get(key) ?? [])
    }
    return span
  }

  #decide(span: Span, findings: readonly Finding[]): void {
    for (const finding of inOrder(findings)) {
      if (this.#choices.isStopped(span.piece.choice)) return
      this.#decideOne(span, finding)
    }
  }

  #decideOne({ channel, piece, start }: Span, finding: Finding): void {
    const decision = this.#options.decide([finding], channel.name)
    let stop: Extract<TextEffect, { kind: 'stop' }> | undefined
    for (const effect of decision.effects) {
      if (effect.kind === 'redact') channel.redact(effect.start, effect.end, effect.with)
      else if (effect.kind === 'stop') stop ??= effect
      else this.#choices.inject(channel, effect)
    }
    this.#choices.note(channel.name, decision, false)
    if (stop === undefined) return
    this.#choices.stop(piece.choice)
    const at = channel.rawAt(Math.min(startOf(finding), channel.decodedLength))
    this.#cuts.push({
      choice: piece.choice,
      path: piece.path,
      isContent: piece.field === 'content',
      kept: channel.preview(start, piece.text.slice(0, Math.max(0, at - start))),
      message: stop.message,
    })
  }
}
