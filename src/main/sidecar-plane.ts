/** Sidecar mode: the step plane, readiness by canary, and admission that pins programs. */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DriftState } from '../classifiers/drift.ts'
import type { EngineView } from '../guard.ts'
import type { EngineInfo } from '../model/engine.ts'
import type { Walk } from '../playground/tokens.ts'
import { prepareScan } from '../policy/decide/scan.ts'
import type { Row } from '../session/row.ts'
import { createTokenLookup } from '../programs/token-lookup.ts'
import type { TokenLookup } from '../programs/token-lookup.ts'
import { createDoorLog } from '../telemetry/log.ts'
import { createMetrics } from '../telemetry/prometheus.ts'
import { createAdmission } from './rows/admission.ts'
import { runCanary } from './canary.ts'
import { createInspector } from './answers/inspector.ts'
import { driftChecks, inForce, ReadinessWatch } from './readiness.ts'
import { createDecide, prepareWords } from './rows/row-decisions.ts'
import { ProbeSource } from './scores/probe-source.ts'
import type { ScoreSource } from './scores/score-source.ts'
import { createWatchers } from './rows/row-watchers.ts'
import type { Explained, PlaneParts, ServingPlane } from './serving-plane.ts'
import type { SitePolicy } from './site/site-policies.ts'
import { createStepPlane } from './rows/step-plane.ts'
import type { PlaneVocabulary, StepPlane } from './rows/step-plane.ts'
import { chooseStopToken } from './rows/stop-token.ts'
import { formatOf } from '../steering/site.ts'
import type { ToolSite } from '../steering/site.ts'
import { watchCalls } from '../steering/watcher.ts'
import { readVersion } from './version-file.ts'

const TICK_MS = 100
/** How long a request waits for its program before it is refused. */
const PROGRAM_WAIT_MS = 2_000

type Plane<V extends PlaneVocabulary> = StepPlane<SitePolicy, V>

export function createSidecarPlane<V extends PlaneVocabulary>(parts: PlaneParts<V>): ServingPlane {
  const { kit, store } = parts
  const sites = new Map<string, ToolSite>()
  const plane = createPlane(parts, sites, () => metrics.programFailed())
  const readiness = createReadiness(plane, parts)
  const metrics = createMetrics({
    version: readVersion(),
    counters: () => plane.guard.counters,
    engines: () => plane.guard.engines(),
    rows: () => plane.guard.liveRows,
    requests: () => plane.guard.requests,
    programs: () => plane.book.size,
    isReady: () => readiness.readiness().ready,
    site: parts.totals,
    drift: () => driftOf(parts),
    scorer: () => parts.scorer?.budget,
  })
  let ticker: NodeJS.Timeout | undefined
  return {
    async start() {
      await plane.start()
      ticker = setInterval(() => void readiness.tick(), TICK_MS)
    },
    async stop(graceMs) {
      clearInterval(ticker)
      await plane.stop(graceMs)
    },
    admit: createAdmission({
      guard: plane.guard,
      tenancy: parts.tenancy,
      program: (policy, digest) => {
        const lookup = lookupOf(plane.shelf.get(digest), kit)
        if (lookup !== undefined) prepareWords(policy, lookup)
        return plane.book.expected(policy, digest)?.digest
      },
      stopToken: (digest) => {
        const vocabulary = plane.shelf.get(digest)
        return vocabulary === undefined ? undefined : chooseStopToken(kit.kinds(vocabulary))
      },
      spell: (digest, token) => {
        const vocabulary = plane.shelf.get(digest)
        return vocabulary === undefined ? '' : kit.spell(vocabulary, token)
      },
      inspect: createInspector({ ...parts.inspection, observe: parts.observe }),
      offer: (requestId, site) => {
        sites.set(requestId, site)
        // Off the step path: the first mask of a vocabulary would take longer than a step may.
        for (const { engine } of plane.guard.engines()) {
          lookupOf(plane.shelf.get(engine.vocabularyDigest), kit)?.prepare()
        }
      },
      deniedTokens: parts.bannedTokens,
      sleep: (ms) => sleep(ms),
      waitMs: PROGRAM_WAIT_MS,
    }),
    wasStopped: (requestId) => wasStopped(plane, requestId),
    stopMessage: (requestId) => stopMessage(plane, requestId),
    readiness: () => {
      const { ready, checks } = readiness.readiness()
      return {
        ready,
        checks: [
          ...checks,
          inForce('policies', store.error),
          inForce('tenants', parts.tenants.error),
          ...driftChecks(driftOf(parts)),
        ],
      }
    },
    proveMasks: () => readiness.run(),
    engines: () => plane.guard.engines(),
    status: () => plane.status(),
    metrics: metrics.text,
    observe: metrics.event,
    preparePolicies: async () => {
      const failure = await plane.book.refresh()
      if (failure !== undefined) throw failure
    },
    policiesChanged: async () => {
      await plane.book.refresh()
    },
    explain: (policy, program) => explain(plane, parts, policy, program),
    forget: (requestId) => {
      sites.delete(requestId)
      plane.guard.forget(requestId)
    },
    finished: (exchange) => {
      parts.left(exchange.requestId)
      sites.delete(exchange.requestId)
      plane.guard.forget(exchange.requestId)
      metrics.exchange(exchange)
    },
  }
}

/** The program of a policy, followed token by token as the engine follows it. */
function explain<V extends PlaneVocabulary>(
  plane: Plane<V>,
  { kit, store }: PlaneParts<V>,
  name: string | undefined,
  digest: string | undefined,
): Explained {
  const vocabulary = plane.shelf.get(plane.guard.engines()[0]?.engine.vocabularyDigest ?? '')
  if (vocabulary === undefined) return { textOf: String, walk: undefined, program: undefined }
  const decoder = new TextDecoder()
  const { data, offsets } = vocabulary
  const textOf = (id: number): string => decoder.decode(data.subarray(offsets[id], offsets[id + 1]))
  if (name === undefined) return { textOf, walk: undefined, program: undefined }
  const policy = store.find(name)
  const program =
    digest === undefined || digest === ''
      ? plane.book.expected(policy, vocabulary.digest)
      : plane.book.find(digest)
  if (program === undefined) return { textOf, walk: undefined, program: undefined }
  const walk: Walk = {
    start: program.start,
    next: (state, token) => program.next(state, token),
    isDenied: (state, token) => program.isDenied?.(state, token) ?? false,
    rulesOf: (history, token) => {
      const { machine } = prepareScan(policy.compiled)
      if (machine === undefined) return []
      const found = kit.bansOf?.(machine, vocabulary, history, token) ?? []
      return [...new Set(found.map((ban) => policy.compiled.ruleOfText.get(ban) ?? ban))]
    },
    regulationOf: (rule) => policy.compiled.rules.find(({ name: own }) => own === rule)?.regulation,
  }
  return { textOf, walk, program: program.digest }
}

function createPlane<V extends PlaneVocabulary>(
  parts: PlaneParts<V>,
  sites: ReadonlyMap<string, ToolSite>,
  programFailed: () => void,
): Plane<V> {
  const { effective, kit, log, store, observe, isObserved, scorer, probe, bannedTokens } = parts
  const { vllm } = effective.config
  const isFollowed = vllm.callbacks.includes('on_tool_call')
  const calls = (row: Row<SitePolicy>, { vocabularyDigest, model }: EngineInfo) => {
    const lookup = isFollowed ? lookupOf(plane.shelf.get(vocabularyDigest), kit) : undefined
    if (lookup === undefined) return undefined
    const site = sites.get(row.session.opened.requestId)
    return watchCalls(row, { site, format: formatOf(vllm.tool_format, model), lookup, observe })
  }
  const sources: readonly ScoreSource<unknown>[] = [
    ...(scorer === undefined ? [] : [scorer]),
    ...(probe === undefined ? [] : [new ProbeSource(probe)]),
  ]
  const plane: Plane<V> = createStepPlane<SitePolicy, V>({
    socket: { path: vllm.socket, mode: Number.parseInt(vllm.socket_mode, 8) },
    welcome: {
      sidecarVersion: readVersion(),
      wantPromptTokens: false,
      deadlineUs: vllm.deadline * 1_000,
      coalesceSteps: vllm.coalesce_steps,
      coalesceUs: vllm.coalesce_time * 1_000,
      onFailure: vllm.on_failure,
      breakerMisses: vllm.breaker_misses,
      breakerOpenMs: vllm.breaker_open,
      reportState: true,
    },
    policy: (_tenant, name) => store.find(name),
    policies: () => store.all(),
    decide: createDecide({
      bannedTokens,
      lookup: (digest) => lookupOf(plane.shelf.get(digest), kit),
      nowMs: () => Date.now(),
    }),
    watch: (row, report, engine) =>
      createWatchers(row, report, { sources, calls: () => calls(row, engine) }),
    observe,
    isObserved,
    door: createDoorLog(log, () => performance.now()),
    vocabularies: kit.vocabularies,
    compile: kit.compile,
    load: kit.load,
    programFailed: (error) => {
      programFailed()
      log.error({ error: error.message }, 'a program was not compiled; the old one stays')
    },
    probe,
    bounds: { engines: vllm.max_engines, rows: vllm.max_rows },
    limits: {
      sessions: vllm.max_sessions,
      silentMs: vllm.session_age,
      // The rest of the engine's deadline is for the way there and back.
      waitMs: 0.75 * vllm.deadline,
    },
  })
  return plane
}

const lookups = new WeakMap<object, TokenLookup>()

function lookupOf<V extends PlaneVocabulary>(
  vocabulary: V | undefined,
  kit: PlaneParts<V>['kit'],
): TokenLookup | undefined {
  if (vocabulary === undefined) return undefined
  let lookup = lookups.get(vocabulary)
  if (lookup === undefined) {
    const { size, offsets, data, names } = vocabulary
    lookup = createTokenLookup({ size, offsets, data, names, kinds: kit.kinds(vocabulary) })
    lookups.set(vocabulary, lookup)
  }
  return lookup
}

function createReadiness<V extends PlaneVocabulary>(
  plane: Plane<V>,
  { client, log, store }: PlaneParts<V>,
): ReadinessWatch {
  let runs = 0
  return new ReadinessWatch({
    engines: () => plane.guard.engines(),
    canaryProgram: ({ engine }: EngineView) =>
      plane.book.expected(store.current.canary, engine.vocabularyDigest)?.digest,
    canary: ({ engine }, program) => {
      const vocabulary = plane.shelf.get(engine.vocabularyDigest)
      if (vocabulary === undefined) {
        return Promise.resolve({ bound: false, detail: 'the vocabulary is not known' })
      }
      const requestId = `checkstream-canary-${++runs}`
      return runCanary({ ...client, vocabulary, program, requestId })
    },
    changed: (ready, checks) => {
      plane.server.setReady(ready)
      if (ready) log.info({ checks }, 'ready: masks bind')
      else log.warn({ checks: checks.filter((check) => !check.ok) }, 'not ready')
    },
    now: () => performance.now(),
  })
}

/** Of the scorer inside the step and of the models off the path. */
const driftOf = <V>({ scorer, inspection }: PlaneParts<V>): readonly DriftState[] => [
  ...(scorer?.drift() ?? []),
  ...inspection.judges.drift(),
]

function wasStopped<V extends PlaneVocabulary>(plane: Plane<V>, requestId: string): boolean {
  const entry = plane.guard.request(requestId)
  if (entry === undefined) return false
  if (entry.stopReason !== undefined) return true
  return entry.decisions.some(({ decision }) => decision.stop !== undefined)
}

/** What the rule that stopped a row in the engine wants the client to read. */
function stopMessage<V extends PlaneVocabulary>(
  plane: Plane<V>,
  requestId: string,
): string | undefined {
  const decisions = plane.guard.request(requestId)?.decisions ?? []
  return decisions.findLast(({ decision }) => decision.stop !== undefined)?.decision.stop?.message
}
