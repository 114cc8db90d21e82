/**
 * The last frame of a stream for a client that asks for it: what was done to the request and to the
 * answer, in this order. A comment, which every client library skips.
 */
import type { StreamDecision } from './guard-options.ts'
import { writeComment } from './sse.ts'

/** Decisions told of each of the two. */
const MAX_TOLD = 256

export function finalComment(
  before: readonly StreamDecision[],
  answered: readonly StreamDecision[],
): Uint8Array {
  const decisions = [before, answered].flatMap((made) => told(made).slice(0, MAX_TOLD))
  return writeComment(`checkstream ${JSON.stringify({ decisions })}`)
}

/** Of rules that only watch the client is told nothing. */
function told(decisions: readonly StreamDecision[]): readonly StreamDecision[] {
  return decisions.flatMap((made) => {
    const firings = made.firings.filter(({ mode }) => mode === 'enforce')
    return firings.length + made.effects.length === 0 ? [] : [{ ...made, firings }]
  })
}
