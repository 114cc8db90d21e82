/**
 * Thresholds from data: a threshold is a quantile of scores on benign traffic, with its confidence
 * bound and where it came from, bound to one model by digest.
 */
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'

const headSchema = z.strictObject({
  threshold: z.number().min(0).max(1),
  /** False-positive rate that the threshold was chosen for. */
  target_fpr: z.number().min(0).max(1),
  /** Rate seen on the calibration texts, and the upper 95 % bound of the true one. */
  observed_fpr: z.number().min(0).max(1),
  upper_fpr: z.number().min(0).max(1),
  benign: z.int().nonnegative(),
  source: z.string(),
  /** Scores at the QUANTILES of benign traffic: what drift is measured against. */
  quantiles: z.array(z.number()),
  /** Thresholds of rates that policies may name, each with what was seen and the bound. */
  points: z
    .array(
      z.strictObject({
        rate: z.number().gt(0).max(1),
        threshold: z.number().min(0).max(1),
        observed: z.number().min(0).max(1),
        upper: z.number().min(0).max(1),
      }),
    )
    .optional(),
  /** What the points were measured on, where it is more than the threshold was chosen on. */
  pool: z.strictObject({ benign: z.int().nonnegative(), source: z.string() }).optional(),
})

const calibrationSchema = z.strictObject({
  format: z.literal(1),
  model_digest: z.string(),
  data_digest: z.string(),
  made: z.string(),
  /** Program and version, where `checkstream calibrate` made it from a site's own traffic. */
  tool: z.string().optional(),
  heads: z.record(z.string(), headSchema),
})

export type HeadCalibration = z.infer<typeof headSchema>
export type Calibration = z.infer<typeof calibrationSchema>

/** The quantiles that an artefact records and drift compares. */
export const QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.99] as const

export function parseCalibration(value: unknown, place: string): Calibration {
  const found = calibrationSchema.safeParse(value, { reportInput: true })
  if (found.success) return found.data
  const { path, told } = firstMistake(found.error)
  throw new GuardError('model_invalid', `${place}.${path}: ${told}`)
}

/** Wilson score interval for `hits` of `count`, at 95 %. */
export function wilson(hits: number, count: number): readonly [number, number] {
  if (count === 0) return [0, 1]
  const sigmas = 1.96
  const p = hits / count
  const base = 1 + (sigmas * sigmas) / count
  const middle = p + (sigmas * sigmas) / (2 * count)
  const half = sigmas * Math.sqrt((p * (1 - p)) / count + (sigmas * sigmas) / (4 * count * count))
  return [Math.max(0, (middle - half) / base), Math.min(1, (middle + half) / base)]
}

/** P(X ≤ hits) of a binomial: terms from their logarithms, so that no factorial overflows. */
function binomialAtMost(hits: number, count: number, p: number): number {
  const [logP, logQ] = [Math.log(p), Math.log1p(-p)]
  let logTerm = count * logQ
  let sum = Math.exp(logTerm)
  for (let k = 1; k <= hits; k++) {
    logTerm += Math.log((count - k + 1) / k) + logP - logQ
    sum += Math.exp(logTerm)
  }
  return Math.min(1, sum)
}

/**
 * The exact upper 95 % bound of a rate (Clopper and Pearson, 1934): the largest rate under which
 * seeing so few has a chance of 5 %. With none of n it is about 3 / n.
 */
export function binomialUpper(hits: number, count: number): number {
  if (hits >= count) return 1
  let [low, high] = [hits / count, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (binomialAtMost(hits, count, middle) > 0.05) low = middle
    else high = middle
  }
  return high
}

/** Nearest-rank quantile of sorted numbers. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return 0
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))
  return sorted[at] ?? 0
}

/**
 * The lowest threshold with at most `targetFpr` of `benign` at or above it, plus a hair, so that
 * a tie does not break the promise. Too few texts to see such a rate at all is an error.
 */
export function thresholdFor(
  benign: readonly number[],
  targetFpr: number,
): Pick<HeadCalibration, 'threshold' | 'observed_fpr' | 'upper_fpr'> {
  const allowed = Math.floor(benign.length * targetFpr)
  if (benign.length < 20) {
    throw new GuardError(
      'request_invalid',
      `calibration: expected at least 20 benign texts, got ${benign.length}`,
    )
  }
  if (benign.some((score) => !(score >= 0 && score <= 1))) {
    throw new GuardError('model_invalid', 'calibration: expected scores from 0 to 1')
  }
  const sorted = benign.toSorted((a, b) => b - a)
  const bar = Math.min(1, (sorted[allowed] ?? 0) + 1e-6)
  const hits = benign.filter((score) => score >= bar).length
  return {
    threshold: bar,
    observed_fpr: hits / benign.length,
    upper_fpr: binomialUpper(hits, benign.length),
  }
}

/** Rates whose thresholds an artefact has where its rows can show them, so that policies may name them. */
export const RATES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const

export function calibrateHead(
  benign: readonly number[],
  targetFpr: number,
  source: string,
): HeadCalibration {
  const sorted = Float64Array.from(benign).toSorted()
  // A rate below one row of all was not seen: a threshold for it would be a guess.
  const rates = [...new Set([...RATES, targetFpr])].filter((rate) => rate * benign.length >= 1)
  return {
    ...thresholdFor(benign, targetFpr),
    target_fpr: targetFpr,
    benign: benign.length,
    source,
    quantiles: QUANTILES.map((q) => quantile(sorted, q)),
    points: rates
      .toSorted((a, b) => a - b)
      .map((rate) => {
        const found = thresholdFor(benign, rate)
        const { threshold, observed_fpr: observed, upper_fpr: upper } = found
        return { rate, threshold, observed, upper }
      }),
  }
}
