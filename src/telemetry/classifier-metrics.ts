/** What `/metrics` says of classifiers: drift against the calibration, and the scorer's budget. */

type DriftCount = { readonly model: string; readonly label: string; readonly drifted: boolean }
type Budget = { readonly p95Ms: number; readonly over: boolean; readonly refused: number }

export type ClassifierSources = {
  /** Whether live scores of a label have left what its calibration saw. */
  readonly drift?: () => readonly DriftCount[]
  /** The streaming scorer against its budget; undefined without one. */
  readonly scorer?: () => Budget | undefined
}

type Sample = { readonly value: number; readonly labels?: Readonly<Record<string, string>> }

/** Name, type, help and how its samples are read. */
export type ClassifierMetric = readonly [string, 'gauge' | 'counter', string, () => Sample[]]

export function classifierMetrics({ drift, scorer }: ClassifierSources): ClassifierMetric[] {
  const budget = (read: (budget: Budget) => number) => (): Sample[] => {
    const found = scorer?.()
    return found === undefined ? [] : [{ value: read(found) }]
  }
  return [
    [
      'classifier_drift',
      'gauge',
      'Live scores have left the calibration: 1.',
      () =>
        (drift?.() ?? []).map(({ model, label, drifted }) => ({
          value: Number(drifted),
          labels: { model, label },
        })),
    ],
    [
      'scorer_p95_seconds',
      'gauge',
      'Time of one run of the streaming scorer.',
      budget(({ p95Ms }) => p95Ms / 1000),
    ],
    [
      'scorer_over_budget',
      'gauge',
      'The streaming scorer is past its budget: 1.',
      budget(({ over }) => Number(over)),
    ],
    [
      'scorer_refused_total',
      'counter',
      'Runs of the streaming scorer that counted as failed for its budget.',
      budget(({ refused }) => refused),
    ],
  ]
}
