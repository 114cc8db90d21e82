/**
 * What the proxy's listener serves by itself: administrative routes and, when it is asked for, the
 * playground. The playground's editor changes the policy that is in force, and nothing on disk.
 */
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { dirname, join } from 'node:path'
import { createAdmin, mayEnter } from '../admin/http.ts'
import type { LocalRoutes } from '../admin/http.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import type { Feed } from '../feed/feed.ts'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import { createPlayground } from '../playground/http.ts'
import type { Mistake } from '../playground/http.ts'
import { PRESETS } from '../playground/presets.ts'
import { createAsk } from './playground-ask.ts'
import type { AskParts } from './playground-ask.ts'
import type { ApprovalDesk } from './answers/approval-desk.ts'
import type { PolicyStore, Reload } from './site/policy-store.ts'
import type { ServingPlane } from './serving-plane.ts'
import type { TenantsStore } from './tenants/tenants-store.ts'

export type LocalParts = AskParts & {
  readonly effective: EffectiveConfig
  readonly store: PolicyStore
  readonly tenants: TenantsStore
  /** Reads policies and tenants again, now. */
  readonly reload: () => Promise<Reload>
  readonly feed: Feed<GuardEvent>
  readonly approvals: ApprovalDesk
}

const PACKAGE = join(import.meta.dirname, '../..')

export function createLocalRoutes(parts: LocalParts): LocalRoutes {
  const { server } = parts.effective.config
  const admin = createAdmin({
    access: server.admin,
    events: parts.feed,
    reload: parts.reload,
    status: () => ({
      ...parts.serving.status(),
      ...(parts.store.error === undefined ? {} : { policyError: parts.store.error }),
      ...(parts.store.warnings.length === 0 ? {} : { policyWarnings: parts.store.warnings }),
      ...(parts.tenants.error === undefined ? {} : { tenantsError: parts.tenants.error }),
    }),
    canary: () => parts.serving.proveMasks(),
    standing: () => standing(parts),
    approvals: parts.approvals,
  })
  if (!server.playground) return admin
  const playground = createPlayground({
    pageDir: join(PACKAGE, 'playground'),
    vendorDir: dirname(createRequire(import.meta.url).resolve('uplot')),
    presets: PRESETS,
    state: () => ({ engine: engineOf(parts.serving), policy: policyOf(parts.store) }),
    apply: (text) => applyPolicy(parts, text),
    ask: createAsk(parts),
    events: parts.feed,
    now: () => performance.now(),
  })
  return (request, response) =>
    admin(request, response) ||
    ((server.admin === 'on' || mayEnter('local', request)) && playground(request, response))
}

function standing({ serving, store, tenants }: LocalParts): readonly GuardEvent[] {
  const engines = serving.engines().map(({ engine }) => engine.id)
  const error = store.error === undefined ? {} : { error: store.error }
  return [
    ...engines.map((engine) => ({ kind: 'engine' as const, engine, attached: true })),
    { kind: 'policy', revision: store.current.standard.digest, ...error },
    ...(tenants.error === undefined
      ? []
      : [{ kind: 'tenants' as const, tenants: tenantsOf(tenants), error: tenants.error }]),
  ]
}

const tenantsOf = ({ current }: TenantsStore): number =>
  Object.keys(current.config?.tenants ?? {}).length

function engineOf(serving: ServingPlane): {
  readonly attached: boolean
  readonly name: string
  readonly version: string
  readonly model: string
} {
  const engine = serving.engines()[0]?.engine
  const { name = '', version = '', model = '' } = engine ?? {}
  return { attached: engine !== undefined, name, version, model }
}

function policyOf(store: PolicyStore): {
  readonly name: string
  readonly revision: string
  readonly text: string
} {
  const [first] = store.files
  return {
    name: first?.file.split('/').at(-1) ?? 'none',
    revision: store.current.standard.digest,
    text: first?.text ?? '',
  }
}

/** The editor holds the first policy file; the others stay as they are. Nothing is written to disk. */
async function applyPolicy(parts: LocalParts, text: string): Promise<readonly Mistake[]> {
  const [first, ...others] = parts.store.files
  const file = first?.file ?? 'playground.yaml'
  try {
    await parts.store.replace([{ file, text }, ...others])
  } catch (error) {
    return toMistakes(GuardError.from(error, 'policy_invalid').message)
  }
  await parts.serving.policiesChanged()
  return []
}

/** Messages begin with `file:line:column`; one a line. */
export function toMistakes(message: string): readonly Mistake[] {
  return message.split('\n').flatMap((entry) => {
    if (entry.trim() === '') return []
    const placed = /^\S*?:(\d+):(\d+):?\s+(.*)$/.exec(entry.trim())
    if (placed === null) return [{ message: entry.trim() }]
    return [{ line: Number(placed[1]), column: Number(placed[2]), message: placed[3] ?? '' }]
  })
}
