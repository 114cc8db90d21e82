/**
 * What a dialect owes the guard: where the text of a frame stands, which calls it carries, what ends,
 * and how to write frames of its own. The same reading serves streams and whole bodies.
 *
 * A channel is one growing text: a field of a choice, or the arguments of one tool call.
 */
import type { JsonEdit, Path } from '../tools/json-edit.ts'

export type Field = 'content' | 'reasoning' | 'refusal' | 'arguments'

export type ChannelName = {
  /** Unique within one response. */
  readonly key: string
  readonly choice: number
  readonly field: Field
}

/** A piece of a channel's text, at a place in the frame. */
export type Piece = ChannelName & {
  readonly path: Path
  readonly text: string
  /** The value at `path` is JSON itself (not a string that holds JSON). */
  readonly isJson?: boolean
  /** Members that repeat the text in another form (log probabilities, token ids): cleared on edit. */
  readonly leaks?: readonly Path[]
}

/** A frame's part of one tool call. */
export type CallPart = {
  /** Key of the channel of its arguments; also the call's own key. */
  readonly key: string
  readonly choice: number
  readonly id?: string
  readonly name?: string
  /** The call in the frame, and its index in the provider's numbering when the frame has one. */
  readonly path: Path
  readonly indexPath?: Path
  readonly index?: number
}

/** A member that repeats the whole text of a channel (`response.output_text.done`). */
export type Echo = {
  readonly key: string
  readonly path: Path
  readonly leaks?: readonly Path[]
}

export type FrameView = {
  readonly pieces: readonly Piece[]
  readonly calls: readonly CallPart[]
  /** Channels that are complete with this frame. */
  readonly closes: readonly string[]
  readonly echoes: readonly Echo[]
  /** Choices that end with this frame, and the place of the reason. */
  readonly ends: readonly { readonly choice: number; readonly reason: Path }[]
  /** Every choice that the frame says something about. */
  readonly choices: readonly number[]
}

/** A frame of our own. */
export type Made = { readonly event?: string; readonly data: string }

export type Usage = { readonly promptTokens: number; readonly completionTokens: number }

export type StopNotice = {
  readonly choice: number
  /** Text to add before the end: clean text that was held, then the policy's message. */
  readonly text: string
  /** No other choice goes on: the response ends too. */
  readonly isLast: boolean
  readonly usage: Usage | undefined
}

/** Where a whole body was stopped: what of the channel's text stays, and the policy's message. */
export type BodyCut = {
  readonly choice: number
  readonly path: Path
  readonly isContent: boolean
  readonly kept: string
  readonly message: string
}

/** The message stands apart from what was said before it. */
export function withMessage(kept: string, message: string): string {
  return kept.trim() === '' ? message : `${kept}\n\n${message}`
}

/** One per response: it remembers the envelope of the frames that were released. */
export interface Dialect {
  /** Reads a frame's JSON; undefined when it is not a shape this dialect knows (it passes unread). */
  read(json: JsonObject): FrameView
  /** Told of every frame that is released, after edits, in order. */
  note(json: JsonObject): void
  /** Edits that shift the provider's counters past frames that we added. */
  renumber(json: JsonObject): readonly JsonEdit[]
  /** More text in the choice's content, before what comes next. */
  addText(choice: number, text: string): readonly Made[]
  stop(notice: StopNotice): readonly Made[]
  error(message: string): readonly Made[]
  /** The same end in a whole body whose other edits are already made. */
  stopBody(json: JsonObject, cut: BodyCut): readonly JsonEdit[]
  /** A blocked call leaves the frame, `message` stands in its place; `drop`: the frame goes as a whole. */
  blockCall(json: JsonObject, part: CallPart, message: string): readonly JsonEdit[] | 'drop'
  /** The reason of an end whose every call was blocked; undefined leaves it as it is. */
  readonly filteredReason: string | undefined
  /** Channels must remember what was released, because later frames say it again. */
  readonly hasEchoes: boolean
  /** A whole body is a list of blocks in the order in which they were generated. */
  readonly hasBlocks: boolean
}

export type JsonObject = { readonly [key: string]: unknown }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map((item) => (isObject(item) ? item : {})) : []
}

export const emptyView: FrameView = {
  pieces: [],
  calls: [],
  closes: [],
  echoes: [],
  ends: [],
  choices: [],
}

/** The value at a path, undefined where the path leads nowhere. */
export function valueAt(json: unknown, path: Path): unknown {
  let value = json
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string | number, unknown>)[key]
  }
  return value
}

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
export const count = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise
