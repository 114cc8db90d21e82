/**
 * The reserved token id that a forced stop samples: one that never stands for text and that a model
 * does not say by itself, so that the proxy can tell our stops from all others.
 */

const CONTROL = 1
const UNUSED = 2

/** The last unused id; else the last control id (reserved ones come last); undefined when none. */
export function chooseStopToken(kinds: Uint8Array): number | undefined {
  const unused = kinds.lastIndexOf(UNUSED)
  if (unused >= 0) return unused
  // A vocabulary with a handful of control tokens uses every one of them.
  const controls = kinds.reduce((count, kind) => count + (kind === CONTROL ? 1 : 0), 0)
  return controls >= 64 ? kinds.lastIndexOf(CONTROL) : undefined
}
