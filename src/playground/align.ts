/**
 * What was changed between two texts: the engine's own and the client's. Pure.
 *
 * Edits of a stream are few and far apart (a redaction, a rewritten value, a message at the end), so a
 * greedy comparison is enough: at a difference it looks for the nearest place where both agree again
 * for ANCHOR characters. Work is bounded by MAX_EDIT squared per difference; a longer edit is shown as
 * "everything from here on".
 */
export type Span = readonly [start: number, end: number]

export type Edits = {
  /** Spans of the first text that the second lacks. */
  readonly removed: readonly Span[]
  /** Spans of the second text that the first lacks. */
  readonly inserted: readonly Span[]
}

const ANCHOR = 5
const MAX_EDIT = 256

export function alignEdits(before: string, after: string): Edits {
  const removed: Span[] = []
  const inserted: Span[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (before[i] === after[j]) {
      i++
      j++
      continue
    }
    const [skipped, added] = nextAnchor(before, i, after, j)
    if (skipped > 0) removed.push([i, i + skipped])
    if (added > 0) inserted.push([j, j + added])
    i += skipped
    j += added
  }
  return { removed, inserted }
}

/** How far both must go until they agree again: the shortest way in all. */
function nextAnchor(before: string, i: number, after: string, j: number): Span {
  const left = before.length - i
  const right = after.length - j
  for (let total = 1; total <= 2 * MAX_EDIT; total++) {
    for (let skip = Math.min(total, left); skip >= Math.max(0, total - right); skip--) {
      if (agree(before, i + skip, after, j + total - skip)) return [skip, total - skip]
    }
  }
  return [left, right]
}

/** Equal for ANCHOR characters, or to the end of both. */
function agree(before: string, i: number, after: string, j: number): boolean {
  const part = before.slice(i, i + ANCHOR)
  if (part.length < ANCHOR && after.length - j !== part.length) return false
  return after.startsWith(part, j)
}

/**
 * The tokens that lie in the given spans of the text, as a range of indexes each. Token texts may
 * differ from the text (a tool parser drops its marks), so a span is looked for by its words, with
 * what stands before it, from the last one on.
 */
export function tokensOf(tokens: readonly string[], text: string, spans: readonly Span[]): Span[] {
  const all = tokens.join('')
  const ranges: Span[] = []
  let from = 0
  for (const [start, end] of spans) {
    const before = text.slice(Math.max(0, start - 2 * ANCHOR), start)
    const words = text.slice(start, end)
    const near = all.indexOf(before + words, Math.max(0, from - before.length))
    const at = near >= 0 ? near + before.length : all.indexOf(words, from)
    if (at < 0) continue
    from = at + words.length
    ranges.push(indexesOf(tokens, at, from))
  }
  return ranges
}

function indexesOf(tokens: readonly string[], start: number, end: number): Span {
  let at = 0
  let first = -1
  for (const [index, token] of tokens.entries()) {
    if (at >= end) return [first < 0 ? index : first, index]
    at += token.length
    if (at > start && first < 0) first = index
  }
  return [first < 0 ? tokens.length : first, tokens.length]
}
