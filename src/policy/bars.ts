/** The thresholds of one condition on a classifier: a model that answers for it may have its own. */
import type { Leaf } from './compiled.ts'

type Verdict = Extract<Leaf, { kind: 'verdict' }>

/** The threshold that the scores of one model are held to. */
export type ModelBar = {
  /** Its name, for people. */
  readonly model: string
  /** Of its files, as its verdicts carry it. */
  readonly digest: string
  readonly min: number
  /** It scores every token in the step. */
  readonly inStep: boolean
}

/** What the model with this digest has to reach; one without a bar of its own, the highest. */
export function barFor({ bars, min }: Verdict, digest: string): number {
  for (const bar of bars) if (bar.digest === digest) return bar.min
  return min
}

/** What a score has to reach for the leaf to hold, whichever model it is of. */
export function lowestBar({ bars, min }: Verdict): number {
  let lowest = min
  for (const bar of bars) if (bar.min < lowest) lowest = bar.min
  return lowest
}

/** What the score of a token has to reach. */
export function stepBar({ bars, min }: Verdict): number {
  const own = bars.filter(({ inStep }) => inStep).map((bar) => bar.min)
  return own.length === 0 ? min : Math.min(...own)
}

/** For people: one threshold where all models have it, otherwise each with its model. */
export function showBars({ bars, min }: Verdict): string {
  if (bars.every((bar) => bar.min === min)) return `${min}`
  return bars.map((bar) => `${bar.min} ${bar.model}`).join(', ')
}
