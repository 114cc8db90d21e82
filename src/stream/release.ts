/**
 * Writes one frame as it may go: the original bytes when nothing in it changed, otherwise the same
 * JSON with only the changed values replaced.
 */
import type { Call, CallBook } from './calls.ts'
import { type Dialect, type FrameView, type JsonObject, type Piece, isObject } from './dialect.ts'
import type { Channel } from './holdback.ts'
import { type JsonEdit, editJson } from '../tools/json-edit.ts'
import { withRedactions } from '../tools/json-merge.ts'
import { type SseFrame, replaceData } from './sse.ts'

/** A piece of a frame and where it stands in its channel. */
export type Span = { readonly channel: Channel; readonly piece: Piece; readonly start: number }

export type HeldFrame = {
  readonly kind: 'frame'
  readonly frame: SseFrame
  readonly json: JsonObject
  readonly view: FrameView
  readonly spans: readonly Span[]
  readonly calls: readonly Call[]
  /** Choices of the frame that were stopped before it goes. */
  readonly dropped: Set<number>
}

export type Injection = {
  /** Told when content of a choice went out. */
  noteSaid(channel: Channel): void
  /** Text to put before the first content of a choice; taken once. */
  takeBefore(choice: number): string | undefined
  /** Text to put after the content of a choice that ends in this very frame. */
  takeAfter(choice: number): string | undefined
}

export type ReleaseParts = {
  readonly dialect: Dialect
  readonly calls: CallBook
  readonly channel: (key: string) => Channel | undefined
  readonly injection: Injection
}

/** The frame's bytes; undefined when nothing of it is left. */
export function releaseFrame(held: HeldFrame, parts: ReleaseParts): Uint8Array | undefined {
  const edits = frameEdits(held, parts)
  if (edits === 'drop') return undefined
  if (edits.length === 0) {
    parts.dialect.note(held.json)
    return held.frame.raw
  }
  const data = editJson(held.frame.data ?? '', edits)
  const json: unknown = JSON.parse(data)
  if (isObject(json)) parts.dialect.note(json)
  return replaceData(held.frame, data)
}

/** What has to change in the frame; rendering its text is part of it, so it is asked once. */
export function frameEdits(held: HeldFrame, parts: ReleaseParts): readonly JsonEdit[] | 'drop' {
  const edits: JsonEdit[] = []
  for (const span of held.spans) {
    if (!held.dropped.has(span.piece.choice)) edits.push(...editPiece(span, held, parts))
  }
  if (editCalls(held, parts, edits) === 'drop') return 'drop'
  for (const end of held.view.ends) {
    const reason = parts.dialect.filteredReason
    if (reason !== undefined && parts.calls.isAllBlocked(end.choice)) {
      edits.push({ path: end.reason, value: JSON.stringify(reason) })
    }
  }
  for (const echo of held.view.echoes) {
    const channel = parts.channel(echo.key)
    if (channel?.isEdited !== true || channel.released < channel.length) continue
    if (held.spans.some((span) => span.channel === channel)) continue
    edits.push({ path: echo.path, value: JSON.stringify(channel.emitted) })
    for (const path of echo.leaks ?? []) edits.push({ path, value: '[]' })
  }
  if (held.dropped.size > 0) {
    held.view.choices.forEach((choice, i) => {
      if (held.dropped.has(choice)) edits.push({ path: ['choices', i], value: undefined })
    })
  }
  edits.push(...parts.dialect.renumber(held.json))
  return edits
}

/** The last content of a choice that ends in this very frame. */
function isLastWord({ piece }: Span, held: HeldFrame): boolean {
  if (piece.text === '' || !held.view.ends.some((end) => end.choice === piece.choice)) return false
  const isContent = ({ piece: other }: Span): boolean =>
    other.field === 'content' && other.choice === piece.choice && other.text !== ''
  return held.spans.findLast(isContent)?.piece === piece
}

function editPiece(span: Span, held: HeldFrame, parts: ReleaseParts): readonly JsonEdit[] {
  const { channel, piece, start } = span
  const call = piece.field === 'arguments' ? parts.calls.get(piece.key) : undefined
  // Asked before the channel gives its text away: redactions are said once.
  const safe = rewrittenArguments(call, channel)
  const before = channel.released === 0 && piece.text !== ''
  let text = channel.render(start, piece.text)
  if (piece.field === 'content') {
    if (before) text = (parts.injection.takeBefore(piece.choice) ?? '') + text
    parts.injection.noteSaid(channel)
    if (isLastWord(span, held)) text += parts.injection.takeAfter(piece.choice) ?? ''
  }
  if (call?.outcome?.kind === 'block') return []
  if (call !== undefined && safe !== undefined) {
    text = call.written === undefined ? safe : ''
    call.written = safe
    channel.emitted = safe
    channel.isEdited = true
  }
  if (text === piece.text) return []
  const value = piece.isJson === true ? text : JSON.stringify(text)
  return [
    { path: piece.path, value },
    ...(piece.leaks ?? []).map((path) => ({ path, value: 'null' })),
  ]
}

/** The safe arguments of a rewritten call, with what text rules redact taken out of the rest. */
function rewrittenArguments(call: Call | undefined, channel: Channel): string | undefined {
  if (call?.outcome?.kind !== 'rewrite') return undefined
  if (call.written !== undefined) return call.written
  const redacted = channel.preview(0, call.arguments)
  const { arguments: text, chosen } = call.outcome
  return withRedactions(call.arguments, text, redacted, chosen)
}

function editCalls(held: HeldFrame, parts: ReleaseParts, edits: JsonEdit[]): 'drop' | 'kept' {
  let isDropped = false
  for (const part of held.view.calls) {
    if (held.dropped.has(part.choice)) continue
    const outcome = parts.calls.get(part.key)?.outcome
    if (outcome?.kind === 'block') {
      const blocked = parts.dialect.blockCall(held.json, part, outcome.message)
      if (blocked === 'drop') isDropped = true
      else edits.push(...blocked)
      continue
    }
    if (part.index === undefined || part.indexPath === undefined) continue
    const shift = parts.calls.blockedBefore(part.key)
    if (shift > 0) edits.push({ path: part.indexPath, value: String(part.index - shift) })
  }
  return isDropped ? 'drop' : 'kept'
}
