/** How whoever decides about texts tells of firings: with what the decision log adds to each. */
import type { RuleFiring } from '../model/decision.ts'
import type { TextAt } from '../model/event.ts'

/** Must not throw. `textAt` is of the text that the spans of these firings are of. */
export type ObserveFirings = (
  firings: readonly RuleFiring[],
  of: { readonly tookUs: number; readonly textAt: TextAt },
) => void

/** Gives the whole microseconds since it was made. */
export function stopwatch(): () => number {
  const startMs = performance.now()
  return () => Math.round((performance.now() - startMs) * 1_000)
}
