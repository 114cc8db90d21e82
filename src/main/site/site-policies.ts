/**
 * The policies of this site: every file of `policies.path` compiled, plus the site's own banned
 * texts, which hold under every policy. Immutable sets; a reload makes a new one or changes nothing.
 */
import { createHash } from 'node:crypto'
import { compileAutomaton } from '../../automata/automaton.ts'
import type { Automaton } from '../../automata/automaton.ts'
import type { Config } from '../../config/schema.ts'
import type { GuardPolicy } from '../../guard.ts'
import type { Ban } from '../../model/ban.ts'
import type { Calibration } from '../../policy/compile/calibrated.ts'
import type { Mode } from '../../model/finding.ts'
import type { CompiledPolicy } from '../../policy/compiled.ts'
import { lowerPolicy } from '../../policy/compile/lowered.ts'
import { buildLibrary, requireLibrary, requirePolicy } from '../../policy/files/library.ts'
import type { PolicyFile, PolicyLibrary } from '../../policy/files/library.ts'
import { CANARY_BANS, CANARY_POLICY } from '../canary.ts'
import { UNGUARDED_BANS, UNGUARDED_POLICY } from './unguarded.ts'

export type SitePolicy = GuardPolicy & {
  readonly name: string
  /** What the token program of the policy is compiled from. */
  readonly bans: readonly Ban[]
  readonly compiled: CompiledPolicy
  /** Of `bans`, the site's own: the same list in every revision. */
  readonly siteBans?: readonly Ban[]
  /** True for the sidecar's own policies, which the site's settings do not touch. */
  readonly isOwn?: boolean
}

export type SitePolicies = {
  /** For requests that name no policy. */
  readonly standard: SitePolicy
  readonly byName: ReadonlyMap<string, SitePolicy>
  readonly canary: SitePolicy
  /** The playground's left side. */
  readonly unguarded: SitePolicy
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
        readonly safe_mode: Config['guardrails']['preventive']['adaptive_decoding']['safe_mode']
        readonly classifiers: readonly string[]
      }
    | undefined
  readonly classifiers: readonly string[]
  /** Of these, whom a model answers for. */
  readonly answered: readonly string[]
  readonly calibration: Calibration
  /** Whom a `notify` may tell. */
  readonly destinations: readonly string[]
  /** Some tenant runs under a lower mode, now or in a moment. */
  readonly isLowering: () => boolean
}

/** What the configuration itself adds to the policy files: adaptive decoding, and the fail mode. */
export function configuredPolicies(
  files: readonly PolicyFile[],
  { adaptive, onFailure }: SiteSettings,
): readonly PolicyFile[] {
  const isScored = adaptive !== undefined && adaptive.classifiers.length > 0
  if (!isScored && files.length > 0) return []
  const document = {
    name: CONFIGURED,
    description: 'What the configuration asks for',
    ...(files.length === 0 ? { on_failure: onFailure } : {}),
    ...(isScored ? { adaptive_decoding: adaptive } : {}),
    rules: [],
  }
  return [{ file: `${CONFIGURED} (written by the sidecar)`, text: JSON.stringify(document) }]
}
const CONFIGURED = 'sidecar-configuration'

export function toSitePolicies(library: PolicyLibrary, settings: SiteSettings): SitePolicies {
  const byName = new Map(
    [...library.policies].map(([name, compiled]) => [name, toSite(compiled, settings)]),
  )
  const named =
    settings.standard === '' ? library.combined : requirePolicy(library, settings.standard)
  const standard = toSite(named, settings)
  const isStandardBanning = standard.bans.length > 0
  for (const [name, policy] of byName) {
    // Without a program of its own a row runs the engine's default one, which is the standard's.
    if (isStandardBanning && policy.bans.length === 0) {
      byName.set(name, { ...policy, bans: UNGUARDED_BANS })
    }
  }
  const canary = ownPolicy(CANARY_POLICY, CANARY_BANS)
  const unguarded = ownPolicy(UNGUARDED_POLICY, UNGUARDED_BANS)
  return { standard, byName, canary, unguarded }
}

function toSite(compiled: CompiledPolicy, settings: SiteSettings): SitePolicy {
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
  const { name, onFailure } = compiled
  const own = settings.isMasking ? { siteBans: settings.bans } : {}
  return { name, compiled, onFailure, bans, ...own, digest }
}

const siteAutomata = new WeakMap<readonly Ban[], Automaton>()

/** Finds the site's own bans in text. Compiled once, when the sidecar starts: revisions share it. */
export function siteAutomaton({ siteBans }: SitePolicy): Automaton | undefined {
  if (siteBans === undefined || siteBans.length === 0) return undefined
  const known = siteAutomata.get(siteBans)
  if (known !== undefined) return known
  const made = compileAutomaton(siteBans)
  siteAutomata.set(siteBans, made)
  return made
}

/** The same under a tenant's lower mode: of all bans only the site's own hold. */
export function lowerSite(policy: SitePolicy, mode: Mode, settings: SiteSettings): SitePolicy {
  const own = settings.isMasking ? settings.bans : []
  const compiled = lowerPolicy(policy.compiled, mode)
  const bans = own.length > 0 ? own : UNGUARDED_BANS
  return { ...policy, compiled, bans, digest: compiled.digest }
}

/** Only its program matters; no request of a client runs under it. */
function ownPolicy(name: string, bans: readonly Ban[]): SitePolicy {
  const text = JSON.stringify({ name, on_failure: 'open', rules: [] })
  const library = requireLibrary(buildLibrary([{ file: name, text }], { nowMs: 0 }))
  const compiled = requirePolicy(library, name)
  return { name, compiled, digest: compiled.digest, onFailure: 'open', bans, isOwn: true }
}
