/**
 * `/metrics`: totals that other parts keep anyway are read when somebody scrapes, so counting costs
 * the hot path an addition and nothing else. Names: checkstream_<plane>_<what>_<unit>.
 *
 * Bound: labels are fixed words, engine ids (at most 16 at once), route templates and rule names;
 * never request ids, tenants or text.
 */
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import type { Metric } from 'prom-client'
import type { EngineInfo, EngineStats } from '../model/engine.ts'
import { STATS_BOUNDS_US } from '../model/engine.ts'
import type { GuardEvent } from '../model/event.ts'
import { STEP_BOUNDS_US } from '../session/counters.ts'
import type { GuardCounters } from '../session/counters.ts'
import { classifierMetrics, type ClassifierSources } from './classifier-metrics.ts'

type EngineView = {
  readonly engine: EngineInfo
  readonly rows: number
  readonly stats: EngineStats | undefined
}

export type MetricSources = ClassifierSources & {
  readonly version: string
  readonly counters: () => GuardCounters
  readonly engines: () => readonly EngineView[]
  readonly rows: () => number
  readonly requests: () => { readonly live: number; readonly forgotten: number }
  /** Compiled programs in memory. */
  readonly programs: () => number
  readonly isReady: () => boolean
  readonly site: () => {
    readonly limited: ReadonlyMap<string, number>
    readonly droppedRecords: number
    readonly notices: Readonly<Record<string, number>>
  }
}

/** One finished HTTP exchange, as the proxy tells it. */
export type ExchangeCount = {
  readonly route: string
  readonly status: number
  readonly stream: boolean
  readonly outcome: string
  readonly ms: number
  readonly firstByteMs: number | undefined
}

export type Metrics = {
  readonly registry: Registry
  readonly text: () => Promise<{ readonly type: string; readonly text: string }>
  readonly exchange: (exchange: ExchangeCount) => void
  /** Counts rule firings and policy loads; other events are already counted elsewhere. */
  readonly event: (event: GuardEvent) => void
  readonly programFailed: () => void
}

type Sample = {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
  readonly metricName?: string
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'checkstream_' })
  const pull = (name: string, type: Type, help: string, read: () => readonly Sample[]) =>
    addPulled(registry, { name: `checkstream_${name}`, type, help, read })
  addSidecar(pull, sources)
  addStepPlane(pull, sources)
  for (const metric of classifierMetrics(sources)) pull(...metric)
  addEngines(pull, sources)
  return { registry, ...addPushed(registry) }
}

type Type = 'counter' | 'gauge' | 'histogram'
type Pull = (name: string, type: Type, help: string, read: () => readonly Sample[]) => void
type Pulled = {
  readonly name: string
  readonly type: Type
  readonly help: string
  readonly read: () => readonly Sample[]
}

/** A metric whose values live elsewhere; the registry only ever calls `get`. */
function addPulled(registry: Registry, { name, type, help, read }: Pulled): void {
  const metric = {
    name,
    get: () => ({ name, help, type, values: read(), aggregator: 'sum' }),
    reset: () => undefined,
  }
  // prom-client documents only its own classes; its registry asks for name and get().
  registry.registerMetric(metric as unknown as Metric)
}

const one = (value: number, labels?: Readonly<Record<string, string>>): Sample[] => [
  labels === undefined ? { value } : { value, labels },
]

function addSidecar(pull: Pull, sources: MetricSources): void {
  pull('info', 'gauge', 'The sidecar and its version.', () => one(1, { version: sources.version }))
  pull('ready', 'gauge', 'Whether a canary has proved that masks bind.', () =>
    one(Number(sources.isReady())),
  )
  pull('requests_known', 'gauge', 'Requests that the step plane follows by id.', () =>
    one(sources.requests().live),
  )
  pull('requests_forgotten_total', 'counter', 'Requests given up at the bound.', () =>
    one(sources.requests().forgotten),
  )
  pull('tenant_limited_total', 'counter', "Requests refused at a tenant's limit.", () =>
    [...sources.site().limited].map(([limit, value]) => ({ value, labels: { limit } })),
  )
  pull('decision_records_dropped_total', 'counter', 'Decision records never written.', () =>
    one(sources.site().droppedRecords),
  )
  pull('notices_total', 'counter', 'Notices of rules, by what became of them.', () =>
    Object.entries(sources.site().notices).map(([outcome, value]) => ({
      value,
      labels: { outcome },
    })),
  )
  pull('programs', 'gauge', 'Compiled token programs in memory.', () => one(sources.programs()))
}

const TOTALS: readonly (readonly [keyof GuardCounters, string, string])[] = [
  ['steps', 'step_messages_total', 'Step messages from all engines.'],
  ['awaitedSteps', 'step_awaited_total', 'Step messages that the engine waited for.'],
  ['tokens', 'step_tokens_total', 'Tokens reported.'],
  ['openedRows', 'step_rows_opened_total', 'Rows opened.'],
  ['closedRows', 'step_rows_closed_total', 'Rows closed, for whatever reason.'],
  ['evictedRows', 'step_rows_evicted_total', 'Rows that fell silent and were evicted.'],
  ['rewinds', 'step_rewinds_total', 'Rows that went back to an earlier position.'],
  ['gaps', 'step_gaps_total', 'Rows with tokens that were never reported.'],
  ['divergences', 'step_divergences_total', 'Rows whose program state differed from ours.'],
  ['violations', 'step_violations_total', 'Rows in which banned text was sampled.'],
  ['foreignPrograms', 'step_foreign_programs_total', 'Rows on a program unknown here.'],
  ['unmaskedRows', 'step_unmasked_rows_total', 'Rows without the program of their policy.'],
  ['unknownRows', 'step_unknown_rows_total', 'Entries for rows that are not open.'],
  ['decisions', 'decisions_total', 'Times that a policy decided about a row.'],
  ['directives', 'directives_total', 'Directives that answered a step.'],
  ['stops', 'stops_total', 'Rows that were told to stop.'],
]

function addStepPlane(pull: Pull, sources: MetricSources): void {
  for (const [key, name, help] of TOTALS) {
    pull(name, 'counter', help, () => [{ value: Number(sources.counters()[key]) }])
  }
  pull('sessions', 'gauge', 'Live rows of all engines.', () => [{ value: sources.rows() }])
  pull('step_latched_total', 'counter', 'Rows that fell back to on_failure, by reason.', () =>
    Object.entries(sources.counters().latched).map(([reason, value]) => ({
      value,
      labels: { reason },
    })),
  )
  pull('step_duration_microseconds', 'histogram', 'Time spent on one Step in the guard.', () => {
    const { stepUsBuckets, stepUsSum } = sources.counters()
    return histogram('step_duration_microseconds', STEP_BOUNDS_US, stepUsBuckets, stepUsSum)
  })
}

const ENGINE_TOTALS: readonly (readonly [keyof EngineStats, string, string])[] = [
  ['steps', 'plugin_steps_total', 'Engine steps that the plugin took part in.'],
  ['awaitedSteps', 'plugin_awaited_steps_total', 'Steps that waited for the sidecar.'],
  ['missedDeadlines', 'plugin_missed_deadlines_total', 'Waits that ended without an answer.'],
  ['droppedSteps', 'plugin_dropped_steps_total', 'Reports given up.'],
  ['lateDirectives', 'plugin_late_directives_total', 'Directives that came too late.'],
  ['lateForces', 'plugin_late_forces_total', 'Forced sequences whose position had passed.'],
  ['errors', 'plugin_errors_total', 'Exceptions caught inside the plugin.'],
  ['emptyRows', 'plugin_empty_rows_total', 'Rows with every token denied.'],
  ['reconnects', 'plugin_reconnects_total', 'Times that the plugin attached again.'],
]

function addEngines(pull: Pull, sources: MetricSources): void {
  const each = (read: (view: EngineView) => readonly Sample[]) => () =>
    sources.engines().flatMap((view) =>
      read(view).map((sample) => ({
        ...sample,
        labels: { engine: view.engine.id, ...sample.labels },
      })),
    )
  pull(
    'engine_info',
    'gauge',
    'Attached engines.',
    each(({ engine }) => {
      const { name, version, runner, model } = engine
      return [{ value: 1, labels: { name, version, runner, model } }]
    }),
  )
  pull(
    'engine_rows',
    'gauge',
    'Live rows of an engine.',
    each((view) => [{ value: view.rows }]),
  )
  for (const [key, name, help] of ENGINE_TOTALS) {
    pull(
      name,
      'counter',
      help,
      each(({ stats }) => (stats === undefined ? [] : [{ value: Number(stats[key]) }])),
    )
  }
  pull(
    'plugin_breaker_open',
    'gauge',
    'The breaker: 0 closed, 0.5 half open, 1 open.',
    each(({ stats }) => (stats === undefined ? [] : [{ value: BREAKER[stats.breaker] }])),
  )
  for (const [what, help] of [
    ['wait', 'Time that a step waited for the sidecar.'],
    ['apply', 'Time that the plugin added to a step.'],
  ] as const) {
    const name = `plugin_${what}_microseconds`
    pull(
      name,
      'histogram',
      help,
      each(({ stats }) => {
        if (stats === undefined) return []
        const isWait = what === 'wait'
        const buckets = isWait ? stats.waitUsBucket : stats.applyUsBucket
        return histogram(
          name,
          STATS_BOUNDS_US,
          buckets,
          isWait ? stats.waitUsSum : stats.applyUsSum,
        )
      }),
    )
  }
}

const BREAKER = { unspecified: 0, closed: 0, half_open: 0.5, open: 1 } as const

/** Samples of a histogram whose buckets are cumulative already; the last bucket is +Inf. */
function histogram(
  name: string,
  bounds: readonly number[],
  buckets: readonly number[],
  sum: number,
): Sample[] {
  const metric = `checkstream_${name}`
  const samples = buckets.map((value, i) => ({
    metricName: `${metric}_bucket`,
    value,
    labels: { le: bounds[i] === undefined ? '+Inf' : String(bounds[i]) },
  }))
  return [
    ...samples,
    { metricName: `${metric}_sum`, value: sum },
    { metricName: `${metric}_count`, value: buckets.at(-1) ?? 0 },
  ]
}

function addPushed(registry: Registry): Omit<Metrics, 'registry'> {
  const registers = [registry]
  const exchanges = new Counter({
    name: 'checkstream_http_requests_total',
    help: 'Finished HTTP exchanges.',
    labelNames: ['route', 'code', 'outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'checkstream_http_duration_seconds',
    help: 'From the request to the end of the answer.',
    labelNames: ['route', 'stream'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300],
    registers,
  })
  const first = new Histogram({
    name: 'checkstream_http_first_byte_seconds',
    help: 'From the request to the first byte of the answer.',
    labelNames: ['route', 'stream'],
    buckets: [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 15],
    registers,
  })
  const firings = new Counter({
    name: 'checkstream_rule_firings_total',
    help: 'Rules that fired, by what they did.',
    labelNames: ['rule', 'phase', 'mode', 'action'],
    registers,
  })
  const loads = new Counter({
    name: 'checkstream_policy_loads_total',
    help: 'Policy revisions loaded or refused.',
    labelNames: ['outcome'],
    registers,
  })
  const tenantLoads = new Counter({
    name: 'checkstream_tenants_loads_total',
    help: 'Tenants files loaded or refused while running.',
    labelNames: ['outcome'],
    registers,
  })
  const failures = new Counter({
    name: 'checkstream_program_failures_total',
    help: 'Token programs that could not be compiled.',
    registers,
  })
  return {
    text: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    exchange: ({ route, status, stream, outcome, ms, firstByteMs }) => {
      const labels = { route, stream: String(stream) }
      exchanges.inc({ route, code: String(status), outcome })
      seconds.observe(labels, ms / 1_000)
      if (firstByteMs !== undefined) first.observe(labels, firstByteMs / 1_000)
    },
    event: (event) => {
      if (event.kind === 'policy') {
        loads.inc({ outcome: event.error === undefined ? 'loaded' : 'refused' })
      }
      if (event.kind === 'tenants') {
        tenantLoads.inc({ outcome: event.error === undefined ? 'loaded' : 'refused' })
      }
      if (event.kind !== 'decision') return
      for (const { rule, phase, mode, action } of event.firings) {
        firings.inc({ rule, phase, mode, action })
      }
    },
    programFailed: () => failures.inc(),
  }
}
