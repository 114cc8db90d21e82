/**
 * The policies of this site: every file of `policies.path` compiled, plus the site's own banned
 * texts, which hold under every policy. Immutable sets; a reload makes a new one or changes nothing.
 */
import { createHash } from 'node:crypto'
import type { GuardPolicy } from '../guard.ts'
import type { Ban } from '../model/ban.ts'
import type { CompiledPolicy } from '../policy/compiled.ts'
import { buildLibrary, requireLibrary } from '../policy/library.ts'
import type { PolicyFile } from '../policy/library.ts'
import type { Problem } from '../policy/problem.ts'
import { CANARY_BANS, CANARY_POLICY } from './canary.ts'

export type SitePolicy = GuardPolicy & {
  readonly name: string
  /** What the token program of the policy is compiled from. */
  readonly bans: readonly Ban[]
  readonly compiled: CompiledPolicy
}

export type SitePolicies = {
  /** For requests that name no policy. */
  readonly standard: SitePolicy
  readonly byName: ReadonlyMap<string, SitePolicy>
  readonly canary: SitePolicy
  readonly warnings: readonly Problem[]
}

export type SiteSettings = {
  /** Of `banned_tokens_file`. */
  readonly bans: readonly Ban[]
  readonly isMasking: boolean
  readonly onFailure: 'closed' | 'open' | 'resident'
  /** Name of the policy for requests that name none; empty = all of them together. */
  readonly standard: string
  /** The configuration's adaptive_decoding block; undefined when it is off. */
  readonly adaptive:
    | {
        readonly risk_threshold: number
        readonly safe_mode: { readonly temperature: number; readonly top_p: number }
        readonly classifiers: readonly string[]
      }
    | undefined
  readonly classifiers: readonly string[]
}

/** The policy that joins all files, written by us. */
export const SITE_POLICY = 'site'
const SITE_FILE = 'site.yaml (written by the sidecar)'

export function compileSite(
  files: readonly PolicyFile[],
  settings: SiteSettings,
  nowMs: number,
): SitePolicies {
  const options = { nowMs, classifiers: settings.classifiers }
  const own = requireLibrary(buildLibrary(files, options))
  const names = settings.standard === '' ? [...own.policies.keys()] : [settings.standard]
  const joined = { file: SITE_FILE, text: siteDocument(names, settings) }
  const library = requireLibrary(buildLibrary([...files, joined], options))
  const byName = new Map(
    [...library.policies].map(([name, compiled]) => [name, toSite(name, compiled, settings)]),
  )
  const standard = byName.get(SITE_POLICY)
  const canary = canaryOf(nowMs)
  if (standard === undefined) throw new Error('invariant: the joined policy was compiled')
  return { standard, byName, canary, warnings: own.warnings }
}

/** JSON is YAML: names need no quoting rules of ours. */
function siteDocument(names: readonly string[], settings: SiteSettings): string {
  const { adaptive, onFailure } = settings
  const isScored = adaptive !== undefined && adaptive.classifiers.length > 0
  return JSON.stringify({
    name: SITE_POLICY,
    description: 'All policies of this site together',
    ...(names.length === 0 ? {} : { extends: names }),
    ...(names.length === 0 ? { on_failure: onFailure } : {}),
    ...(isScored ? { adaptive_decoding: adaptive } : {}),
    rules: [],
  })
}

function toSite(name: string, compiled: CompiledPolicy, settings: SiteSettings): SitePolicy {
  const bans = settings.isMasking ? [...compiled.bans, ...settings.bans] : []
  // The place of a ban is for messages: it changes nothing.
  const told = bans.map(({ kind, text, match, folds, pending }) => [
    kind,
    text,
    match,
    folds,
    pending,
  ])
  const digest = createHash('sha256')
    .update(JSON.stringify([compiled.digest, told]))
    .digest('hex')
  return { name, compiled, onFailure: compiled.onFailure, bans, digest }
}

/** Only its program matters; no request runs under it but the canary's own. */
function canaryOf(nowMs: number): SitePolicy {
  const text = JSON.stringify({ name: CANARY_POLICY, on_failure: 'open', rules: [] })
  const library = requireLibrary(buildLibrary([{ file: CANARY_POLICY, text }], { nowMs }))
  const compiled = library.policies.get(CANARY_POLICY)
  if (compiled === undefined) throw new Error('invariant: the canary policy was compiled')
  const { digest } = compiled
  return { name: CANARY_POLICY, compiled, digest, onFailure: 'open', bans: CANARY_BANS }
}
