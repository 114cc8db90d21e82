/** Thresholds of classifiers from the calibration of their models, for `false_positive_rate`. */
import type { ModelBar } from '../bars.ts'
import type { ClassifierTrigger } from '../schema/schema-triggers.ts'

/** What the calibrations of the models know, by classifier: thresholds and the rates they hold. */
export type Calibration = Readonly<
  Record<
    string,
    readonly {
      /** Name of the model whose scores these are. */
      readonly model: string
      /** Of its files, as its verdicts carry it. */
      readonly digest: string
      /** It scores every token in the step. */
      readonly inStep: boolean
      readonly label: string
      readonly points: readonly {
        readonly rate: number
        readonly threshold: number
        /** Upper 95 % bound of the true rate, where it is known. */
        readonly upper?: number
      }[]
    }[]
  >
>

export type Rated =
  /** `threshold`: the highest of `bars`, for a model that is none of them. */
  | {
      readonly kind: 'known'
      readonly threshold: number
      readonly bars: readonly ModelBar[]
      readonly source: string
    }
  /** `lowest`: the lowest rate that every model that may answer knows; undefined when one knows none. */
  | { readonly kind: 'unknown'; readonly lowest: number | undefined; readonly models: string }

/**
 * The lowest known threshold that holds the rate, of each model that may answer: the rate holds
 * whichever does. A model whose labels are all asked for has the highest of theirs.
 */
export function thresholdAt(
  calibration: Calibration,
  { classifier, label, rate }: { classifier: string; label?: string | undefined; rate: number },
): Rated {
  const heads = (calibration[classifier] ?? []).filter(
    (head) => label === undefined || head.label === label || label === classifier,
  )
  const known = heads.flatMap((head) => {
    const held = head.points.filter((point) => point.rate <= rate)
    const [point] = held.toSorted((a, b) => b.rate - a.rate)
    return point === undefined ? [] : [{ ...head, ...point }]
  })
  const models = [...new Set(heads.map(({ model }) => model))].join(', ')
  if (known.length === 0 || known.length < heads.length) {
    const lowest = heads.map(({ points }) => Math.min(...points.map((point) => point.rate)))
    const highest = Math.max(...lowest)
    return { kind: 'unknown', lowest: Number.isFinite(highest) ? highest : undefined, models }
  }
  const uppers = known.flatMap(({ upper }) => upper ?? [])
  const bound =
    uppers.length < known.length
      ? ''
      : `: at most ${Number(Math.max(...uppers).toPrecision(2))} of benign texts (95 %)`
  const threshold = Math.max(...known.map((point) => point.threshold))
  return {
    kind: 'known',
    threshold,
    bars: barsOf(known),
    source: `calibration of ${models}${bound}`,
  }
}

/** One a model. */
function barsOf(
  known: readonly (Omit<ModelBar, 'min'> & { readonly threshold: number })[],
): readonly ModelBar[] {
  const bars = new Map<string, ModelBar>()
  for (const { model, digest, inStep, threshold } of known) {
    const before = bars.get(digest)?.min ?? 0
    bars.set(digest, { model, digest, inStep, min: Math.max(before, threshold) })
  }
  return [...bars.values()]
}

export type Bar = {
  /** Of a model that has none in `bars`. */
  readonly min: number
  readonly bars: readonly ModelBar[]
  readonly source: string
  readonly told?: { readonly severity: 'error' | 'warning'; readonly message: string }
}

/**
 * The thresholds of a trigger with a `false_positive_rate`. Without any calibration at hand, the written
 * one or none; where the calibrations know no threshold for such a rate, that is told.
 */
export function rateBar(
  calibration: Calibration | undefined,
  { threshold, min, label }: ClassifierTrigger,
  classifier: string,
  rate: number,
): Bar {
  const written = threshold ?? min
  const blind: Bar = {
    min: written ?? 1,
    bars: [],
    source: written === undefined ? 'uncalibrated' : 'policy',
  }
  if (calibration === undefined) {
    if (written !== undefined) return blind
    const message = `no calibration of ${classifier} gives a threshold for a rate of ${rate}: state a threshold to fall back on`
    return { ...blind, told: { severity: 'warning', message } }
  }
  const found = thresholdAt(calibration, { classifier, label, rate })
  if (found.kind === 'known') {
    return { min: found.threshold, bars: found.bars, source: found.source }
  }
  const why =
    found.lowest === undefined
      ? `no calibration of ${classifier} is loaded that could give a threshold for a rate of ${rate}`
      : `no calibration of ${classifier} holds a rate of ${rate}; the lowest is ${found.lowest} (${found.models})`
  if (written !== undefined) {
    const message = `${why}: the threshold of ${written} is taken`
    return { ...blind, told: { severity: 'warning', message } }
  }
  const more =
    found.lowest === undefined ? 'name the classifier in classifiers.models' : 'ask for that rate'
  const message = `${why}: ${more}, calibrate on more benign texts, or state a threshold to fall back on`
  return { ...blind, told: { severity: 'error', message } }
}
