/** What scoring every row once costs, as a step of the engine does it. */
import { quantile } from '../../src/classifiers/calibration.ts'
import type { StreamScorer } from '../../src/model/verdict.ts'

/** Steps of a measurement; the first are not counted. */
export const STEPS = 1500
const WARM = 100

const encode = new TextEncoder()

/** Microseconds of a step in which each of `rows` new rows says its next `word`. */
export async function stepTime(
  scorer: StreamScorer,
  rows: number,
  word: () => string,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const handles = Array.from({ length: rows }, () => scorer.open())
  const times: number[] = []
  for (let step = 0; step < STEPS; step++) {
    const bytes = handles.map(() => encode.encode(word()))
    const begin = process.hrtime.bigint()
    await scorer.score(handles, bytes)
    if (step >= WARM) times.push(Number(process.hrtime.bigint() - begin) / 1000)
  }
  for (const handle of handles) scorer.close(handle)
  const sorted = times.toSorted((a, b) => a - b)
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}
