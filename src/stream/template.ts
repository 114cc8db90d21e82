/**
 * Frames of one stream differ in their text and in little else. A template is such a frame without its
 * text: it recognises the next one like it without parsing it.
 *
 * Exact: between two fixed parts it accepts one JSON string and nothing else, so the frame reads as the
 * one that the template was made from, with another text at that place.
 */
import { type FrameView, type JsonObject, type Piece, valueAt } from './dialect.ts'

export type Template = {
  readonly json: JsonObject
  readonly piece: Piece
  /** The text of a frame that is like this one; undefined for any other. */
  textOf(data: string): string | undefined
}

const PROBE = 'checkstream probe'
/** What does not stand for itself inside a JSON string. */
// oxlint-disable-next-line no-control-regex -- control characters are what JSON forbids there
const SPECIAL = /["\\\u0000-\u001f]/

/** Undefined where the frame carries more than one piece of text, or its text stands there twice. */
export function createTemplate(
  data: string,
  json: JsonObject,
  view: FrameView,
): Template | undefined {
  const piece = view.pieces[0]
  if (piece === undefined || !isPlain(view, piece)) return undefined
  // Many servers say `"usage": null` in every frame but the last.
  if ((json['usage'] ?? null) !== null) return undefined
  const literal = JSON.stringify(piece.text)
  const at = data.indexOf(literal)
  if (at < 0 || data.indexOf(literal, at + 1) >= 0) return undefined
  const head = data.slice(0, at + 1)
  const tail = data.slice(at + literal.length - 1)
  // The literal could be a key, or the text could be written in another way elsewhere.
  if (valueAt(parse(head + PROBE + tail), piece.path) !== PROBE) return undefined
  const least = head.length + tail.length
  return {
    json,
    piece,
    textOf(other) {
      if (other.length < least || !other.startsWith(head) || !other.endsWith(tail)) return undefined
      const text = other.slice(head.length, other.length - tail.length)
      if (!SPECIAL.test(text)) return text
      const value = parse(`"${text}"`)
      return typeof value === 'string' ? value : undefined
    },
  }
}

/** One text and nothing else that changes from frame to frame. */
function isPlain(view: FrameView, piece: Piece): boolean {
  const { pieces, calls, closes, echoes, ends } = view
  const others = pieces.length - 1 + calls.length + closes.length + echoes.length + ends.length
  return others === 0 && piece.isJson !== true && (piece.leaks ?? []).length === 0
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // another shape: the caller reads the frame in full
  }
}
