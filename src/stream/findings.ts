/** Small pure readings of findings, views and queue entries that the guards share. */
import type { Finding } from '../model/finding.ts'
import {
  type ChannelName,
  type FrameView,
  type JsonObject,
  type Piece,
  valueAt,
} from './dialect.ts'
import type { Channel } from './holdback.ts'
import type { HeldFrame, Span } from './release.ts'

/** Where a finding's evidence begins; an absent verdict is about everything that is still held. */
export function startOf(finding: Finding): number {
  if (finding.kind === 'match' || finding.kind === 'pii' || finding.kind === 'tool') {
    return finding.start
  }
  return finding.kind === 'verdict' ? finding.verdict.span[0] : 0
}

/** In the order in which a stream finds them: by where they end. */
export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return findings.length < 2 ? findings : [...findings].sort((a, b) => endOf(a) - endOf(b))
}

function endOf(finding: Finding): number {
  if (finding.kind === 'verdict') return finding.verdict.span[1]
  return 'end' in finding ? finding.end : startOf(finding)
}

/** The first span of the frame that reaches past `at` in the channel. */
export function spanPast(held: HeldFrame, channel: Channel, at: number): Span | undefined {
  return held.spans.find((s) => s.channel === channel && s.start + s.piece.text.length > at)
}

/** The frame ends the choice and brings content of it too. */
export function bringsContent(held: HeldFrame, choice: number): boolean {
  const isContent = (piece: Piece): boolean =>
    piece.choice === choice && piece.field === 'content' && piece.text !== ''
  return (
    held.view.ends.some((end) => end.choice === choice) &&
    held.spans.some((span) => isContent(span.piece))
  )
}

/** Echoes of channels that were never spelled out in deltas: there the echo is the text itself. */
export function unseenEchoes(
  json: JsonObject,
  view: FrameView,
  channels: ReadonlyMap<string, unknown>,
): readonly Piece[] {
  if (view.echoes.length === 0) return []
  return view.echoes.flatMap((echo): Piece[] => {
    const text = valueAt(json, echo.path)
    if (channels.has(echo.key) || typeof text !== 'string' || text === '') return []
    const { key, path, leaks } = echo
    const name: ChannelName = { key, choice: 0, field: fieldOf(key) }
    return [{ ...name, path, text, ...(leaks === undefined ? {} : { leaks }) }]
  })
}

/** The keys of the responses dialect name what a channel holds. */
function fieldOf(key: string): Piece['field'] {
  if (key.includes(':arguments')) return 'arguments'
  if (key.includes(':refusal')) return 'refusal'
  return key.includes(':text') ? 'content' : 'reasoning'
}
