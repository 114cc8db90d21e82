/**
 * Text in columns of a terminal: wide characters take two, marks none, and what would move the cursor
 * is not there. A table takes the width that it is given and never more.
 */

export type Column<T> = {
  readonly head: string
  /** What stands in a row; may know how wide it can be. */
  readonly text: (row: T, width: number) => string
  readonly min: number
  readonly max: number
  readonly right?: boolean
  /** Left out when it is empty in every row. */
  readonly optional?: boolean
}

const GAP = '  '
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })
// East Asian Wide and Fullwidth, by their blocks, and what is drawn as a picture.
const WIDE =
  /^(?:[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}|\p{Emoji}\uFE0F)/u
const MARKS = /^[\p{M}\p{Cf}]+$/u
const MOVES = /[\p{Cc}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]+/gu

/** Without control characters, line breaks and directions: ids and messages come from outside. */
export const clean = (text: string): string => text.replace(MOVES, ' ')

/** At most `width` columns; what was cut off ends in an ellipsis. */
export function fit(text: string, width: number): string {
  const pieces = [...GRAPHEMES.segment(text)].map(({ segment }) => segment)
  if (columns(pieces) <= width) return text
  let used = 0
  let out = ''
  for (const piece of pieces) {
    used += columnsOf(piece)
    if (used > width - 1) break
    out += piece
  }
  return width < 1 ? '' : `${out}…`
}

/** Exactly `width` columns. */
function pad(text: string, width: number, right: boolean): string {
  const cut = fit(text, width)
  const space = ' '.repeat(width - columns([...GRAPHEMES.segment(cut)].map((s) => s.segment)))
  return right ? space + cut : cut + space
}

const columns = (pieces: readonly string[]): number =>
  pieces.reduce((sum, piece) => sum + columnsOf(piece), 0)

function columnsOf(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2
  return MARKS.test(grapheme) ? 0 : 1
}

/** The heads and a line for each row, all of at most `width` columns. */
export function table<T>(
  all: readonly Column<T>[],
  rows: readonly T[],
  width: number,
): { readonly head: string; readonly lines: readonly string[] } {
  const shown = all.filter((one) => !isEmpty(one, rows))
  const widths = shares(shown, width - GAP.length * (shown.length - 1))
  const line = (cell: (column: Column<T>, width: number) => string): string => {
    const cells = shown.map((one, i) => {
      const columnWidth = widths[i] ?? 0
      return pad(cell(one, columnWidth), columnWidth, one.right === true)
    })
    return fit(cells.join(GAP).trimEnd(), width)
  }
  return {
    head: line(({ head }) => head),
    lines: rows.map((row) => line((one, columnWidth) => clean(one.text(row, columnWidth)))),
  }
}

const isEmpty = <T>(column: Column<T>, rows: readonly T[]): boolean =>
  column.optional === true && rows.every((row) => column.text(row, column.max) === '')

/** Every column's widest, made narrower together where there is no room. */
function shares<T>(shown: readonly Column<T>[], width: number): readonly number[] {
  const least = shown.reduce((sum, { min }) => sum + min, 0)
  const most = shown.reduce((sum, { max }) => sum + max, 0)
  const part = most === least ? 1 : Math.min(1, Math.max(0, (width - least) / (most - least)))
  return shown.map(({ min, max }) => min + Math.floor((max - min) * part))
}
