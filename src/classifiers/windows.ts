/**
 * Cuts a text into windows of tokens that overlap, and keeps where each window lies in the text.
 *
 * Words are tokenized one by one, which gives the ids of the whole for tokenizers that split at
 * white space first; so offsets are exact without help of the tokenizer. A word longer than a
 * window is cut.
 */

/** One word of the text and its token ids. Offsets are UTF-16, end exclusive. */
export type TokenWord = {
  readonly ids: readonly number[]
  readonly start: number
  readonly end: number
}

export type Window = {
  readonly ids: readonly number[]
  /** For every id the word that it belongs to, as an index into `words`. */
  readonly words: readonly number[]
  readonly start: number
  readonly end: number
}

const WORD = /\S+/gu

/** The words of a text with their offsets. */
export function wordsOf(
  text: string,
): { readonly word: string; readonly start: number; readonly end: number }[] {
  return [...text.matchAll(WORD)].map((match) => ({
    word: match[0],
    start: match.index,
    end: match.index + match[0].length,
  }))
}

/**
 * Windows of at most `size` ids, the next one beginning about `overlap` ids before the last one
 * ended. Every id is in at least one window. An empty text gives no window.
 */
export function windowsOf(words: readonly TokenWord[], size: number, overlap: number): Window[] {
  const ids = words.flatMap((word) => [...word.ids])
  const owners = words.flatMap((word, i) => word.ids.map(() => i))
  const windows: Window[] = []
  const stride = Math.max(1, size - overlap)
  for (let from = 0; from < ids.length; from += stride) {
    const to = Math.min(ids.length, from + size)
    windows.push({
      ids: ids.slice(from, to),
      words: owners.slice(from, to),
      start: words[owners[from] ?? 0]?.start ?? 0,
      end: words[owners[to - 1] ?? 0]?.end ?? 0,
    })
    if (to === ids.length) break
  }
  return windows
}

/** Groups windows for runs: like lengths together, at most `rows` of them and `cells` padded ids. */
export function batchesOf<T extends { readonly ids: readonly number[] }>(
  windows: readonly T[],
  rows: number,
  cells: number,
): T[][] {
  const batches: T[][] = []
  let open: T[] = []
  for (const window of windows.toSorted((a, b) => a.ids.length - b.ids.length)) {
    const full = open.length >= rows || (open.length + 1) * window.ids.length > cells
    if (open.length > 0 && full) {
      batches.push(open)
      open = []
    }
    open.push(window)
  }
  if (open.length > 0) batches.push(open)
  return batches
}
