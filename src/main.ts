/**
 * Composition: configuration → parts → servers. Owns start and stop: whatever fails while starting,
 * everything that was started before it is stopped again.
 */
import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { EffectiveConfig } from './config/layers.ts'
import { createApprovalDesk } from './main/answers/approval-desk.ts'
import type { ApprovalDesk } from './main/answers/approval-desk.ts'
import { createEngineClient } from './main/answers/ask-http.ts'
import { openDecisions } from './main/decisions-log.ts'
import type { Decisions } from './main/decisions-log.ts'
import { createLocalRoutes } from './main/local-routes.ts'
import { PolicyStore } from './main/site/policy-store.ts'
import type { Reload } from './main/site/policy-store.ts'
import { createReactivePlane } from './main/reactive-plane.ts'
import { createSidecarPlane } from './main/sidecar-plane.ts'
import type { PlaneKit, ServingPlane } from './main/serving-plane.ts'
import { readSitePolicies, readSiteSettings } from './main/site/site-files.ts'
import type { InspectorParts } from './main/answers/inspector.ts'
import type { Judges } from './main/scores/judges.ts'
import { openJudges, openProbe, openScorer } from './main/scores/scorers.ts'
import { joinStores, reloadSite } from './main/site/site-reload.ts'
import { createTenants } from './main/tenants/tenancy.ts'
import type { Tenants } from './main/tenants/tenancy.ts'
import { TenantsStore } from './main/tenants/tenants-store.ts'
import type { PlaneVocabulary } from './main/rows/step-plane.ts'
import type { GuardEvent } from './model/event.ts'
import { prepareScan } from './policy/decide/scan.ts'
import { createProxy } from './proxy/server-http.ts'
import type { Exchange, ProxyLimits, Readiness } from './proxy/parts.ts'
import { createUpstream } from './proxy/upstream-http.ts'
import type { UpstreamSettings } from './proxy/upstream-http.ts'
import { createFeed } from './feed/feed.ts'
import { createLog, logDrift, logEvent } from './telemetry/log.ts'
import type { Log } from './telemetry/log.ts'

export type Sidecar = {
  /** Where clients send their requests. */
  readonly url: string
  readonly readiness: () => Readiness
  /** Reads policies and tenants again; says what is in force and why newer files are not. */
  readonly reload: () => Promise<Reload>
  /** Within the configured drain time. */
  readonly stop: () => Promise<void>
}

export async function startSidecar<V extends PlaneVocabulary>(
  effective: EffectiveConfig,
  kit: PlaneKit<V>,
): Promise<Sidecar> {
  const { config, mode } = effective
  const log = createLog(config.telemetry.log_level)
  const decisions = openDecisions({
    telemetry: config.telemetry,
    env: kit.env,
    log,
    revisionOf: (name) => store.find(name).digest,
  })
  const site = readSiteSettings(effective, {
    destinations: decisions.destinations,
    isLowering: () => tenants.isLowering,
  })
  for (const warning of [...effective.warnings, ...site.warnings]) log.warn({}, warning)
  const feed = createFeed<GuardEvent>()
  let plane: ServingPlane | undefined
  let bound: Tenants | undefined
  const observe = (event: GuardEvent): void => {
    plane?.observe(event)
    logEvent(log, event)
    decisions.observe(event)
    bound?.observe(event)
    feed.publish(event)
  }
  const tenants = await TenantsStore.open(config.policies.tenants_file, observe)
  const files = readSitePolicies(effective)
  const { path, hot_reload, reload_interval } = config.policies
  const store = await PolicyStore.open({
    path,
    files,
    settings: site.settings,
    observe,
    readFiles: () => readSitePolicies(effective),
    isCompared: config.server.playground,
  })
  for (const warning of store.warnings) log.warn({}, warning)
  // Compiled before anyone is served: else the first answer would wait for it, and the engine with it.
  if (answersOf(effective).enabled) prepareScan(store.current.standard.compiled)
  const upstream = createUpstream(toUpstreamSettings(effective, kit.env))
  const started: (() => Promise<void>)[] = [() => upstream.close(), decisions.close]
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).toReversed()) await end()
  }
  try {
    const client = createEngineClient(upstream)
    const isObserved = (): boolean => feed.subscribers > 0
    const scorer =
      mode === 'sidecar'
        ? await openScorer(effective, (change) => logDrift(log, change))
        : undefined
    const judges = kit.judges ?? (await openJudges(effective, (change) => logDrift(log, change)))
    started.push(() => judges.close())
    const admission = createTenants({
      tenants,
      store,
      isEstimated: mode !== 'sidecar',
      now: () => performance.now(),
    })
    bound = admission
    const totals = () => ({ limited: admission.refused(), ...decisions.counts() })
    const { max_requests: maxPending } = config.server
    const approvals = createApprovalDesk({ maxPending, newId: randomUUID, now: Date.now, observe })
    const expiry = setInterval(approvals.expire, EXPIRY_MS).unref()
    started.push(() => Promise.resolve(clearInterval(expiry)))
    const reload = (): Promise<Reload> => reloadSite(store, tenants)
    const shared = {
      store,
      observe,
      tenants,
      tenancy: admission.admit,
      totals,
      left: approvals.cancel,
      inspection: toInspection(effective, { judges, approvals, decisions }),
    }
    const serving: ServingPlane =
      mode === 'sidecar'
        ? createSidecarPlane({
            ...shared,
            bannedTokens: site.bannedTokens,
            effective,
            kit,
            log,
            client,
            isObserved,
            scorer,
            probe: openProbe(effective),
          })
        : createReactivePlane(shared)
    plane = serving
    joinStores(store, tenants, {
      prepare: () => serving.preparePolicies(),
      changed: () => {
        admission.changed()
        void serving.policiesChanged()
      },
    })
    await serving.start()
    started.push(() => serving.stop(config.server.drain))
    const proxy = createProxy({
      local: createLocalRoutes({
        ...shared,
        reload,
        effective,
        serving,
        upstream,
        client,
        feed,
        approvals,
      }),
      upstream,
      admit: serving.admit,
      wasStopped: serving.wasStopped,
      stopMessage: serving.stopMessage,
      readiness: serving.readiness,
      metrics: serving.metrics,
      observe: (exchange) => {
        serving.finished(exchange)
        admission.finished(exchange.requestId)
        logExchange(log, exchange)
      },
      extraRoutes: config.server.allow_routes,
      limits: toLimits(config.server),
      newId: randomUUID,
      now: () => performance.now(),
    })
    const url = await proxy.listen({ host: config.server.host, port: config.server.port })
    started.push(() => proxy.close(config.server.drain))
    store.watch(reload_interval, hot_reload)
    if (hot_reload) tenants.watch(reload_interval)
    started.push(() => Promise.resolve(store.close()))
    started.push(() => Promise.resolve(tenants.close()))
    log.info({ url, mode, upstream: config.backend.url }, 'checkstream serves')
    return { url, readiness: serving.readiness, reload, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** How often it is asked whether an approval is overdue. */
const EXPIRY_MS = 250

/** Proxy mode is `midstream` in the configuration, the sidecar's own reading is `reactive`. */
const answersOf = ({ config, mode }: EffectiveConfig) =>
  mode === 'proxy' ? config.guardrails.midstream : config.guardrails.reactive

function toInspection(
  effective: EffectiveConfig,
  parts: {
    readonly judges: Judges
    readonly approvals: ApprovalDesk
    readonly decisions: Decisions
  },
): Omit<InspectorParts, 'observe'> {
  const { ingress, midstream, tool_calls } = effective.config.guardrails
  const answers = answersOf(effective)
  return {
    checksRequests: ingress.enabled,
    checksAnswers: answers.enabled,
    holdbackTokens: answers.holdback_size,
    checkInterval: answers.check_interval,
    ingressDeadlineMs: ingress.timeout_ms,
    answerDeadlineMs: midstream.timeout_ms,
    judges: parts.judges,
    approve: parts.approvals.approve,
    commit: parts.decisions.commit,
    marksCalls: tool_calls.mark === 'arguments',
  }
}

function logExchange(log: Log, exchange: Exchange): void {
  const isBad = exchange.outcome === 'failed' || exchange.outcome === 'upstream_failed'
  if (isBad) log.warn(exchange, 'exchange')
  else log.debug(exchange, 'exchange')
}

function toUpstreamSettings(
  { config }: EffectiveConfig,
  env: Readonly<Record<string, string | undefined>>,
): UpstreamSettings {
  const { backend } = config
  return {
    url: backend.url,
    timeoutMs: backend.timeout,
    connections: backend.max_connections,
    attempts: backend.retry.max_attempts,
    backoff: backend.retry.backoff,
    apiKey: backend.api_key_env === '' ? '' : (env[backend.api_key_env] ?? ''),
  }
}

function toLimits(server: EffectiveConfig['config']['server']): ProxyLimits {
  return {
    bodyBytes: server.body_limit,
    allBodiesBytes: server.bodies_limit,
    requests: server.max_requests,
    connections: server.max_connections,
    idleMs: server.timeout,
    requestMs: server.request_timeout,
  }
}
