/** Proxy mode: an upstream that knows nothing of us. Nothing is masked; the stream is all there is. */
import type { EffectiveConfig } from '../config/layers.ts'
import type { EngineClient } from './ask-http.ts'
import type { ServingPlane } from './serving-plane.ts'

export function createReactivePlane(_parts: {
  readonly effective: EffectiveConfig
  readonly client: EngineClient
}): ServingPlane {
  return {
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    admit: () => Promise.resolve({ kind: 'admit', binding: undefined }),
    wasStopped: () => false,
    readiness: () => ({
      ready: true,
      checks: [{ name: 'mode', ok: true, detail: 'proxy mode: reactive only, nothing is masked' }],
    }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: '' }),
    finished: () => {},
  }
}
