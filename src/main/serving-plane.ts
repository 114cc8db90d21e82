/** What stands between the proxy and the rest, in both modes; and what the sidecar's is built from. */
import type { ScanMachine } from '../automata/automaton.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import type { EngineView } from '../guard.ts'
import type { Ban } from '../model/ban.ts'
import type { ProgramImage } from '../model/engine.ts'
import type { GuardEvent } from '../model/event.ts'
import type { StepStatus } from '../model/status.ts'
import type { Walk } from '../playground/tokens.ts'
import type { LoadedProgram } from '../programs/program-book.ts'
import type { ShelfParts } from '../programs/vocabulary-shelf.ts'
import type { AdmissionRequest, Check, Exchange, ProxyParts } from '../proxy/parts.ts'
import type { Log } from '../telemetry/log.ts'
import type { EngineClient } from './answers/ask-http.ts'
import type { InspectorParts } from './answers/inspector.ts'
import type { Judges } from './scores/judges.ts'
import type { PolicyStore } from './site/policy-store.ts'
import type { ProbeImage } from '../classifiers/probe-file.ts'
import type { ScorerHub } from './scores/scorer-hub.ts'
import type { Tenancy } from './tenants/tenancy.ts'
import type { TenantsStore } from './tenants/tenants-store.ts'

export type ServingPlane = Pick<
  ProxyParts,
  'admit' | 'wasStopped' | 'stopMessage' | 'readiness' | 'metrics'
> & {
  readonly start: () => Promise<void>
  readonly stop: (graceMs: number) => Promise<void>
  /** Runs the canary now. */
  readonly proveMasks: () => Promise<Check>
  readonly engines: () => readonly EngineView[]
  readonly status: () => StepStatus
  /** Counts what happened. */
  readonly observe: (event: GuardEvent) => void
  /** Compiles what the policies that are to come need. Rejects when it cannot be done. */
  readonly preparePolicies: () => Promise<void>
  /** Another set of policies is in force. */
  readonly policiesChanged: () => Promise<void>
  /** What a policy's program does, for the playground. */
  readonly explain: (policy: string | undefined, program: string | undefined) => Explained
  /** The playground is done with a request. */
  readonly forget: (requestId: string) => void
  /** The proxy is done with a request. */
  readonly finished: (exchange: Exchange) => void
}

export type Explained = {
  readonly textOf: (token: number) => string
  /** Undefined where nothing is masked. */
  readonly walk: Walk | undefined
  /** Digest of the policy's program on the attached vocabulary. */
  readonly program: string | undefined
}

export type SiteTotals = {
  /** Requests refused at a tenant's limit, by limit. */
  readonly limited: ReadonlyMap<string, number>
  readonly droppedRecords: number
  /** Notices, by what became of them. */
  readonly notices: Readonly<Record<string, number>>
}

export type PlaneParts<V> = {
  readonly effective: EffectiveConfig
  readonly kit: PlaneKit<V>
  readonly log: Log
  readonly client: EngineClient
  readonly store: PolicyStore
  readonly tenants: Pick<TenantsStore, 'error'>
  /** Told of everything; must not throw and must not block. */
  readonly observe: (event: GuardEvent) => void
  readonly isObserved: () => boolean
  readonly tenancy: (request: AdmissionRequest) => Promise<Tenancy>
  /** Totals that are kept elsewhere, for the metrics. */
  readonly totals: () => SiteTotals
  readonly inspection: Omit<InspectorParts, 'observe'>
  /** The client of a request is gone, or has its answer. */
  readonly left: (requestId: string) => void
  /** Token ids that no row may sample. */
  readonly bannedTokens: readonly number[]
  /** Scores every token; undefined when no model is configured. */
  readonly scorer: ScorerHub | undefined
  /** Sent to every engine that can evaluate it. */
  readonly probe: ProbeImage | undefined
}

/** Programs and vocabularies: from automata in the product, simple ones in tests. */
export type PlaneKit<V> = {
  readonly compile: (bans: readonly Ban[], vocabulary: V) => Promise<ProgramImage>
  readonly load: (image: ProgramImage) => LoadedProgram
  readonly vocabularies: ShelfParts<V>
  /** Kinds of a vocabulary's tokens, for the reserved stop token. */
  readonly kinds: (vocabulary: V) => Uint8Array
  /** What an engine writes for a token that it shows. */
  readonly spell: (vocabulary: V, token: number) => string
  /** The bans that `token` would complete after `history`, by id. For the playground. */
  readonly bansOf?: (
    machine: ScanMachine,
    vocabulary: V,
    history: readonly number[],
    token: number,
  ) => readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Classifiers off the path; opened from the registry when left out. */
  readonly judges?: Judges
}
