/** Sidecar mode: the step plane, readiness by canary, and admission that pins programs. */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadBannedTokens } from '../config/file.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import type { EngineView } from '../guard.ts'
import { createAdmission } from './admission.ts'
import type { EngineClient } from './ask-http.ts'
import { runCanary } from './canary.ts'
import { logDoor } from './log.ts'
import type { Log } from './log.ts'
import { ReadinessWatch } from './readiness.ts'
import type { PlaneKit, ServingPlane } from './serving-plane.ts'
import { barePolicy, canaryPolicy } from './site-policies.ts'
import type { SitePolicy } from './site-policies.ts'
import { createStepPlane } from './step-plane.ts'
import type { PlaneVocabulary, StepPlane } from './step-plane.ts'
import { chooseStopToken } from './stop-token.ts'
import { readVersion } from './version-file.ts'

const TICK_MS = 250
/** How long a request waits for its program before it is refused. */
const PROGRAM_WAIT_MS = 5_000

export type SidecarPlaneParts<V> = {
  readonly effective: EffectiveConfig
  readonly kit: PlaneKit<V>
  readonly log: Log
  readonly client: EngineClient
}

export function createSidecarPlane<V extends PlaneVocabulary>(
  parts: SidecarPlaneParts<V>,
): ServingPlane {
  const { effective, kit, log, client } = parts
  const { config } = effective
  const banned = loadBannedTokens(effective)
  for (const warning of banned.warnings) log.warn({}, warning)
  const masking = config.guardrails.preventive
  const isMasking = masking.enabled && masking.logit_masking.enabled
  const onFailure = config.vllm.on_failure
  const policy = barePolicy({ onFailure, bans: isMasking ? banned.bans : [] })
  const plane = createStepPlane<SitePolicy, V>({
    socket: { path: config.vllm.socket, mode: Number.parseInt(config.vllm.socket_mode, 8) },
    welcome: toWelcome(config.vllm),
    policy: (_tenant, name) => (name === canaryPolicy.name ? canaryPolicy : policy),
    policies: () => [policy, canaryPolicy],
    decide: ({ digest }) => ({ revision: digest, sync: false, text: [], firings: [] }),
    watch: () => [],
    observe: () => {},
    isObserved: () => false,
    door: (event) => logDoor(log, event),
    vocabularies: kit.vocabularies,
    compile: kit.compile,
    load: kit.load,
    programFailed: (error) => log.error({ error: error.message }, 'program not compiled'),
    bounds: { engines: config.vllm.max_engines, rows: config.vllm.max_rows },
    limits: { sessions: config.vllm.max_sessions, silentMs: config.vllm.session_age },
  })
  const program = (which: SitePolicy, digest: string): string | undefined =>
    plane.book.expected(which, digest)?.digest
  const readiness = createReadiness(plane, client, log)
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
    admit: createAdmission<SitePolicy>({
      guard: plane.guard,
      tenancy: () => ({ tenant: '', user: '', policy }),
      program,
      stopToken: (digest) => {
        const vocabulary = plane.shelf.get(digest)
        return vocabulary === undefined ? undefined : chooseStopToken(kit.kinds(vocabulary))
      },
      inspect: () => Promise.resolve({}),
      ownsSampling: () => false,
      sleep: (ms) => sleep(ms),
      waitMs: PROGRAM_WAIT_MS,
    }),
    wasStopped: (requestId) => wasStopped(plane, requestId),
    readiness: () => readiness.readiness(),
    metrics: () => Promise.resolve({ type: 'text/plain', text: '' }),
    finished: ({ requestId }) => plane.guard.forget(requestId),
  }
}

function createReadiness<V extends PlaneVocabulary>(
  plane: StepPlane<SitePolicy, V>,
  client: EngineClient,
  log: Log,
): ReadinessWatch {
  let runs = 0
  return new ReadinessWatch({
    engines: () => plane.guard.engines(),
    canaryProgram: ({ engine }: EngineView) =>
      plane.book.expected(canaryPolicy, engine.vocabularyDigest)?.digest,
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
      const open = checks.filter((check) => !check.ok)
      if (ready) log.info({ checks }, 'ready: masks bind')
      else log.warn({ checks: open }, 'not ready')
    },
    now: () => performance.now(),
  })
}

function wasStopped<V extends PlaneVocabulary>(
  plane: StepPlane<SitePolicy, V>,
  requestId: string,
): boolean {
  const entry = plane.guard.request(requestId)
  if (entry === undefined) return false
  if (entry.stopReason !== undefined) return true
  return entry.decisions.some(({ decision }) => decision.stop !== undefined)
}

function toWelcome(vllm: EffectiveConfig['config']['vllm']) {
  return {
    sidecarVersion: readVersion(),
    wantPromptTokens: false,
    deadlineUs: vllm.deadline * 1_000,
    coalesceSteps: vllm.coalesce_steps,
    coalesceUs: vllm.coalesce_time * 1_000,
    onFailure: vllm.on_failure,
    breakerMisses: vllm.breaker_misses,
    breakerOpenMs: vllm.breaker_open,
    reportState: true,
  }
}
