/**
 * Drift: are live scores still distributed as the calibration traffic was?
 *
 * Live scores fall into 512 bins with exponential forgetting, so memory is constant and old traffic
 * fades. A quantile is compared on the scale of ranks: the share of live scores above the score that
 * calibration had at quantile q should be 1 − q. Alarm when it is off, up or down, by more than the
 * sampling error and `tolerance` allow.
 */
import { QUANTILES, type HeadCalibration } from './calibration.ts'

const BINS = 512

export type DriftReport = {
  readonly drifted: boolean
  readonly seen: number
  /** Per quantile: share of live scores above the calibration score, wanted and got. */
  readonly shares: readonly {
    readonly quantile: number
    readonly wanted: number
    readonly got: number
  }[]
}

export class DriftMonitor {
  readonly #calibration: HeadCalibration
  readonly #bins = new Float64Array(BINS)
  readonly #keep: number
  readonly #tolerance: number
  #weight = 0
  #seen = 0

  /** `memory`: how many scores the past is worth; `tolerance`: allowed ratio of shares. */
  constructor(calibration: HeadCalibration, memory = 5000, tolerance = 2) {
    this.#calibration = calibration
    this.#keep = 1 - 1 / memory
    this.#tolerance = tolerance
  }

  record(score: number): void {
    if (!(score >= 0 && score <= 1)) return
    this.#seen++
    // Growing weights instead of shrinking bins: one addition a score, rescaled before overflow.
    this.#weight = this.#weight === 0 ? 1 : this.#weight / this.#keep
    const bin = Math.min(BINS - 1, Math.floor(score * BINS))
    this.#bins[bin] = (this.#bins[bin] ?? 0) + this.#weight
    if (this.#weight > 1e12) {
      for (let i = 0; i < BINS; i++) this.#bins[i] = (this.#bins[i] ?? 0) / this.#weight
      this.#weight = 1
    }
  }

  report(): DriftReport {
    const total = this.#bins.reduce((sum, n) => sum + n, 0)
    const effective = Math.min(this.#seen, 1 / (1 - this.#keep))
    const shares = QUANTILES.map((q, i) => {
      const from = Math.floor((this.#calibration.quantiles[i] ?? 0) * BINS) + 1
      const above = this.#bins.subarray(from).reduce((sum, n) => sum + n, 0)
      return { quantile: q, wanted: 1 - q, got: total === 0 ? 0 : above / total }
    })
    const drifted = shares.some(({ wanted, got }) => {
      const error = 4 * Math.sqrt((wanted * (1 - wanted)) / Math.max(1, effective))
      return got > wanted * this.#tolerance + error || got < wanted / this.#tolerance - error
    })
    return { drifted: this.#seen >= 200 && drifted, seen: this.#seen, shares }
  }
}

/** A label whose live scores left, or came back to, what its calibration saw. */
export type DriftChange = {
  readonly label: string
  readonly model: string
  readonly report: DriftReport
}

export type DriftState = { readonly model: string; readonly label: string } & DriftReport

/** How many scores lie between two judgements of one label. */
const CHECK_EVERY = 100

/**
 * Drift of all labels of one model. `changed` is told once when an alarm begins and once when it
 * ends. Memory is one monitor a label.
 */
export class DriftWatch {
  readonly #model: string
  readonly #changed: (change: DriftChange) => void
  readonly #monitors: ReadonlyMap<string, DriftMonitor>
  readonly #seen = new Map<string, number>()
  readonly #alarms = new Set<string>()

  constructor(
    model: string,
    heads: Readonly<Record<string, HeadCalibration>>,
    changed: (change: DriftChange) => void,
  ) {
    this.#model = model
    this.#changed = changed
    this.#monitors = new Map(
      Object.entries(heads).map(([label, head]) => [label, new DriftMonitor(head)]),
    )
  }

  /** The score of one text: the highest of its windows or positions, as calibration counts it. */
  record(label: string, score: number): void {
    const monitor = this.#monitors.get(label)
    if (monitor === undefined) return
    monitor.record(score)
    const seen = (this.#seen.get(label) ?? 0) + 1
    this.#seen.set(label, seen)
    if (seen % CHECK_EVERY !== 0) return
    const report = monitor.report()
    if (report.drifted === this.#alarms.has(label)) return
    if (report.drifted) this.#alarms.add(label)
    else this.#alarms.delete(label)
    this.#changed({ label, model: this.#model, report })
  }

  states(): DriftState[] {
    return [...this.#monitors].map(([label, monitor]) => ({
      model: this.#model,
      label,
      ...monitor.report(),
      drifted: this.#alarms.has(label),
    }))
  }
}
