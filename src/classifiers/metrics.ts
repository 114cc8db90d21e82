/** What `eval` reports: ranking quality, rates at thresholds with intervals, groups, timeliness. */
import { quantile, wilson } from './calibration.ts'

export type Sample = {
  readonly score: number
  readonly label: 0 | 1
  readonly group?: string
  /** Share of the text that was read when the score first passed the threshold; 1 is its end. */
  readonly readAtAlarm?: number
  /** Tokens between the end of the labelled evidence and the alarm. */
  readonly tokensAfterEvidence?: number
}

export type Rate = {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly count: number
}

export type Report = {
  readonly rows: number
  readonly positives: number
  readonly auc?: number
  readonly threshold: number
  readonly recall?: Rate
  readonly falsePositives?: Rate
  readonly recallAt: Readonly<Record<string, Rate>>
  readonly groups: Readonly<Record<string, Rate>>
  /** Points between the best and the worst group's false-positive rate. */
  readonly groupSpread?: number
  readonly medianReadAtAlarm?: number
  readonly medianTokensAfterEvidence?: number
  readonly roc: readonly (readonly [number, number])[]
}

/** Area under the ROC curve by ranks; ties count half. Undefined without both classes. */
export function auc(samples: readonly Sample[]): number | undefined {
  const positives = samples.filter((s) => s.label === 1).length
  const negatives = samples.length - positives
  if (positives === 0 || negatives === 0) return undefined
  const sorted = samples.toSorted((a, b) => a.score - b.score)
  let ranks = 0
  for (let i = 0; i < sorted.length;) {
    let end = i
    let own = 0
    while (end < sorted.length && sorted[end]?.score === sorted[i]?.score) {
      own += sorted[end]?.label ?? 0
      end++
    }
    ranks += own * ((i + 1 + end) / 2)
    i = end
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives)
}

function rate(samples: readonly Sample[], threshold: number): Rate {
  const hits = samples.filter((s) => s.score >= threshold).length
  const [low, high] = wilson(hits, samples.length)
  return {
    value: samples.length === 0 ? 0 : hits / samples.length,
    low,
    high,
    count: samples.length,
  }
}

/** The lowest threshold with at most `fpr` of the negatives at or above it. */
function thresholdAt(negatives: readonly Sample[], fpr: number): number {
  const sorted = negatives.map((s) => s.score).toSorted((a, b) => b - a)
  return (sorted[Math.floor(sorted.length * fpr)] ?? 0) + 1e-9
}

const CURVE_POINTS = 1000

/** Corners of the ROC curve, at most CURVE_POINTS of them; its first and last are (0, 0) and (1, 1). */
function roc(samples: readonly Sample[]): (readonly [number, number])[] {
  const positives = samples.filter((s) => s.label === 1).length
  const negatives = samples.length - positives
  if (negatives === 0 || positives === 0) return []
  const sorted = samples.toSorted((a, b) => b.score - a.score)
  const points: [number, number][] = [[0, 0]]
  let [hits, alarms] = [0, 0]
  for (const [i, { score, label }] of sorted.entries()) {
    if (label === 1) hits++
    else alarms++
    // Equal scores are one step: no threshold lies between them.
    if (sorted[i + 1]?.score !== score) points.push([alarms / negatives, hits / positives])
  }
  const corners = points.filter((point, i) => isCorner(points[i - 1], point, points[i + 1]))
  const every = Math.ceil(corners.length / CURVE_POINTS)
  return corners.filter((_, i) => i % every === 0 || i === corners.length - 1)
}

type Point = readonly [number, number]

/** Points inside a horizontal or vertical run draw nothing. */
function isCorner(before: Point | undefined, [x, y]: Point, after: Point | undefined): boolean {
  if (before === undefined || after === undefined) return true
  return !((before[0] === x && after[0] === x) || (before[1] === y && after[1] === y))
}

const median = (values: readonly number[]): number | undefined =>
  values.length === 0
    ? undefined
    : quantile(
        values.toSorted((a, b) => a - b),
        0.5,
      )

const given = (values: readonly (number | undefined)[]): number[] =>
  values.filter((v) => v !== undefined)

export function report(samples: readonly Sample[], threshold: number): Report {
  const positives = samples.filter((s) => s.label === 1)
  const negatives = samples.filter((s) => s.label === 0)
  const names = [...new Set(negatives.flatMap((s) => (s.group === undefined ? [] : [s.group])))]
  const groups = Object.fromEntries(
    names.toSorted().map((g) => [
      g,
      rate(
        negatives.filter((s) => s.group === g),
        threshold,
      ),
    ]),
  )
  const rates = Object.values(groups).map((g) => g.value)
  const area = auc(samples)
  const read = median(given(positives.map((s) => s.readAtAlarm)))
  const after = median(given(positives.map((s) => s.tokensAfterEvidence)))
  const recallAt = [0.001, 0.01, 0.05].map((fpr) => [
    String(fpr),
    rate(positives, thresholdAt(negatives, fpr)),
  ])
  return {
    rows: samples.length,
    positives: positives.length,
    threshold,
    ...(area === undefined ? {} : { auc: area }),
    ...(positives.length === 0 ? {} : { recall: rate(positives, threshold) }),
    ...(negatives.length === 0 ? {} : { falsePositives: rate(negatives, threshold) }),
    recallAt: area === undefined ? {} : Object.fromEntries(recallAt),
    groups,
    ...(rates.length < 2 ? {} : { groupSpread: Math.max(...rates) - Math.min(...rates) }),
    ...(read === undefined ? {} : { medianReadAtAlarm: read }),
    ...(after === undefined ? {} : { medianTokensAfterEvidence: after }),
    roc: roc(samples),
  }
}
