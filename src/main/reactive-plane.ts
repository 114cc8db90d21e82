/** Proxy mode: an upstream that knows nothing of us. Nothing is masked; the stream is all there is. */
import { createCounters } from '../session/counters.ts'
import { createMetrics } from '../telemetry/prometheus.ts'
import { createInspector } from './answers/inspector.ts'
import type { PlaneParts, ServingPlane } from './serving-plane.ts'
import { driftChecks, inForce } from './readiness.ts'
import { capTokens } from './tenants/tenancy.ts'
import { readVersion } from './version-file.ts'

type Parts = Pick<
  PlaneParts<unknown>,
  'store' | 'tenants' | 'observe' | 'tenancy' | 'inspection' | 'totals' | 'left'
>

export function createReactivePlane(parts: Parts): ServingPlane {
  const { store } = parts
  const inspect = createInspector({ ...parts.inspection, observe: parts.observe })
  const metrics = createMetrics({
    version: readVersion(),
    counters: createCounters,
    engines: () => [],
    rows: () => 0,
    requests: () => ({ live: 0, forgotten: 0 }),
    programs: () => 0,
    isReady: () => true,
    site: parts.totals,
    drift: () => parts.inspection.judges.drift(),
  })
  const note = { name: 'mode', ok: true, detail: 'proxy mode: reactive only, nothing is masked' }
  return {
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    admit: async (request) => {
      const tenancy = await parts.tenancy(request)
      const inspected = await inspect(request, tenancy)
      if (inspected.kind === 'deny') return inspected
      const capped = capTokens(inspected.body ?? request.body, request.dialect, tenancy)
      const { site: _none, ...admitted } = inspected
      return { ...admitted, ...(capped === undefined ? {} : { body: capped }), binding: undefined }
    },
    wasStopped: () => false,
    stopMessage: () => undefined,
    readiness: () => {
      const { error } = parts.tenants
      const files = [inForce('policies', store.error), inForce('tenants', error)]
      const drift = driftChecks(parts.inspection.judges.drift())
      return { ready: true, checks: [note, ...files, ...drift] }
    },
    proveMasks: () => Promise.resolve({ ...note, name: 'canary', ok: false }),
    engines: () => [],
    status: () => ({
      version: readVersion(),
      engines: [],
      vocabularies: [],
      liveRows: 0,
      totals: createCounters(),
    }),
    metrics: metrics.text,
    observe: metrics.event,
    preparePolicies: () => Promise.resolve(),
    policiesChanged: () => Promise.resolve(),
    explain: () => ({ textOf: String, walk: undefined, program: undefined }),
    forget: () => undefined,
    finished: (exchange) => {
      parts.left(exchange.requestId)
      metrics.exchange(exchange)
    },
  }
}
