/** What the proxy is given: everything it decides by comes in as a function. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ByteTransform } from './frames.ts'
import type { Binding } from './identity.ts'
import type { Problem } from './answers.ts'
import type { Body } from './requests.ts'
import type { Dialect } from './routes.ts'
import type { Upstream } from './upstream-http.ts'

export type AdmissionRequest = {
  readonly requestId: string
  /** Without the query. */
  readonly path: string
  readonly dialect: Dialect
  readonly body: Body
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Address of the peer. */
  readonly remote: string
}

export type Admission =
  | {
      readonly kind: 'deny'
      readonly problem: Problem
      /** Added to the answer that says so. */
      readonly headers?: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'admit'
      /** Undefined: the upstream knows nothing of us (proxy mode). */
      readonly binding: Binding | undefined
      /** The body to send instead of the client's, when a rule changed it. */
      readonly body?: Body
      /** Built once the answer's kind is known; bytes pass unchanged without one. */
      readonly transform?: (answer: Answer) => ByteTransform
      /** Makes ready for a streamed answer while the upstream is asked. Must not throw. */
      readonly prepare?: () => void
      /** Added to the answer. */
      readonly headers?: Readonly<Record<string, string>>
      /** What is known only when the answer is complete: headers of a whole body, trailers of a stream. */
      readonly report?: () => Readonly<Record<string, string>>
    }

export type Answer = { readonly stream: boolean; readonly status: number }

export type Readiness = { readonly ready: boolean; readonly checks: readonly Check[] }
export type Check = { readonly name: string; readonly ok: boolean; readonly detail: string }

export type Outcome =
  'complete' | 'stopped' | 'denied' | 'invalid' | 'client_gone' | 'upstream_failed' | 'failed'

/** One finished exchange, for metrics and logs. */
export type Exchange = {
  readonly requestId: string
  readonly route: string
  readonly status: number
  readonly stream: boolean
  readonly outcome: Outcome
  readonly ms: number
  /** Until the first byte of the answer's body; undefined when there was none. */
  readonly firstByteMs: number | undefined
}

export type ProxyLimits = {
  readonly bodyBytes: number
  /** Of all request bodies that are being read at once. */
  readonly allBodiesBytes: number
  readonly requests: number
  readonly connections: number
  /** Longest silence towards the client. */
  readonly idleMs: number
  /** For the whole request to arrive. */
  readonly requestMs: number
}

export type ProxyParts = {
  readonly upstream: Upstream
  /** Rejections are answered as errors; a GuardError's code gives the status. */
  readonly admit: (request: AdmissionRequest) => Promise<Admission>
  /** True once the step plane has directed a stop for the request. */
  readonly wasStopped: (requestId: string) => boolean
  /** What the client is to read after such a stop. */
  readonly stopMessage: (requestId: string) => string | undefined
  readonly readiness: () => Readiness
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
  /** Told of every exchange. Must not throw and must not block. */
  readonly observe: (exchange: Exchange) => void
  /** Administrative routes and pages; true when it took the request. */
  readonly local?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** `METHOD /path` pairs that pass to the upstream besides the built-in ones. */
  readonly extraRoutes: readonly string[]
  readonly limits: ProxyLimits
  readonly newId: () => string
  /** Milliseconds, monotonic. */
  readonly now: () => number
}
