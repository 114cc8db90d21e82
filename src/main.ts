/**
 * Composition: configuration → parts → servers. Owns start and stop: whatever fails while starting,
 * everything that was started before it is stopped again.
 */
import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { EffectiveConfig } from './config/layers.ts'
import { createEngineClient } from './main/ask-http.ts'
import { createLog, logExchange } from './main/log.ts'
import { createReactivePlane } from './main/reactive-plane.ts'
import { createSidecarPlane } from './main/sidecar-plane.ts'
import type { PlaneKit, ServingPlane } from './main/serving-plane.ts'
import type { PlaneVocabulary } from './main/step-plane.ts'
import { createProxy } from './proxy/server-http.ts'
import type { ProxyLimits, Readiness } from './proxy/parts.ts'
import { createUpstream } from './proxy/upstream-http.ts'
import type { UpstreamSettings } from './proxy/upstream-http.ts'

export type Sidecar = {
  /** Where clients send their requests. */
  readonly url: string
  readonly readiness: () => Readiness
  /** Within the configured drain time. */
  readonly stop: () => Promise<void>
}

export async function startSidecar<V extends PlaneVocabulary>(
  effective: EffectiveConfig,
  kit: PlaneKit<V>,
): Promise<Sidecar> {
  const { config, mode } = effective
  const log = createLog(config.telemetry.log_level)
  for (const warning of effective.warnings) log.warn({}, warning)
  const upstream = createUpstream(toUpstreamSettings(effective, kit.env))
  const started: (() => Promise<void>)[] = [() => upstream.close()]
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).toReversed()) await end()
  }
  try {
    const client = createEngineClient(upstream)
    const plane: ServingPlane =
      mode === 'sidecar'
        ? createSidecarPlane({ effective, kit, log, client })
        : createReactivePlane({ effective, client })
    await plane.start()
    started.push(() => plane.stop(config.server.drain))
    const proxy = createProxy({
      upstream,
      admit: plane.admit,
      wasStopped: plane.wasStopped,
      readiness: plane.readiness,
      metrics: plane.metrics,
      observe: (exchange) => {
        plane.finished(exchange)
        logExchange(log, exchange)
      },
      extraRoutes: config.server.allow_routes,
      limits: toLimits(config.server),
      newId: randomUUID,
      now: () => performance.now(),
    })
    const url = await proxy.listen({ host: config.server.host, port: config.server.port })
    started.push(() => proxy.close(config.server.drain))
    log.info({ url, mode, upstream: config.backend.url }, 'checkstream serves')
    return { url, readiness: plane.readiness, stop }
  } catch (error) {
    await stop()
    throw error
  }
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
    requests: server.max_requests,
    connections: server.max_connections,
    idleMs: server.timeout,
    requestMs: server.request_timeout,
  }
}
