/**
 * The policies in force. A new set is compiled off the main thread and swapped in between two steps;
 * a mistake leaves the last good set in force, and is shown by readiness, metrics and the log.
 */
import type { GuardEvent } from '../../model/event.ts'
import type { Mode } from '../../model/finding.ts'
import type { PolicyFile, PolicyLibrary } from '../../policy/files/library.ts'
import { showProblem } from '../../policy/read/problem.ts'
import { prepareScan } from '../../policy/decide/scan.ts'
import { watchPolicies } from '../../policy/files/watch-file.ts'
import type { PolicyChange, PolicyWatch } from '../../policy/files/watch-file.ts'
import { COMBINED } from '../../policy/files/library.ts'
import { compileInWorker } from '../../policy/files/worker.ts'
import type { WorkerOptions } from '../../policy/files/worker.ts'
import { configuredPolicies, lowerSite, siteAutomaton, toSitePolicies } from './site-policies.ts'
import type { SitePolicies, SitePolicy, SiteSettings } from './site-policies.ts'

export type StoreParts = {
  readonly path: string
  /** What is at the path now. */
  readonly files: readonly PolicyFile[]
  readonly settings: SiteSettings
  readonly observe: (event: GuardEvent) => void
  /** Reads the path; a missing default folder holds no policies. */
  readonly readFiles: () => readonly PolicyFile[]
  /** The playground compares with an engine that bans nothing. */
  readonly isCompared?: boolean
}

export type StoreHooks = {
  /** `all` has a set that is to come: gets ready for it, or rejects, and then it does not come. */
  readonly prepare: (next: SitePolicies) => Promise<void>
  /** Another set is in force. */
  readonly changed: () => void
}

export type Reload = { readonly revision: string; readonly error: string | undefined }

export class PolicyStore {
  readonly #parts: StoreParts
  #current: SitePolicies
  #files: readonly PolicyFile[]
  #error: string | undefined
  #warnings: readonly string[]
  #watch: PolicyWatch | undefined
  #upcoming: SitePolicies | undefined
  readonly #lowered = new WeakMap<SitePolicy, Map<Mode, SitePolicy>>()
  #hooks: StoreHooks = { prepare: () => Promise.resolve(), changed: () => undefined }

  private constructor(parts: StoreParts, current: SitePolicies, warnings: readonly string[]) {
    this.#parts = parts
    this.#current = current
    this.#warnings = warnings
    this.#files = parts.files
  }

  /** Rejects with `policy_invalid`: a sidecar does not start with policies that it cannot read. */
  static async open(parts: StoreParts): Promise<PolicyStore> {
    const { files, settings } = parts
    const all = [...files, ...configuredPolicies(files, settings)]
    const library = await compileInWorker(all, toOptions(settings))
    const current = toSitePolicies(library, settings)
    // Otherwise the first request would wait while its texts are compiled, and all others with it.
    prepareScan(current.standard.compiled)
    siteAutomaton(current.standard)
    return new PolicyStore(parts, current, warningsOf(library))
  }

  use(hooks: StoreHooks): void {
    this.#hooks = hooks
  }

  /** From now on the path can be read again, and is followed when `isFollowing`. */
  watch(intervalMs: number, isFollowing: boolean): void {
    const { path, files, settings, readFiles } = this.#parts
    this.#watch = watchPolicies(path, (change) => this.#take(change), {
      ...toOptions(settings),
      initial: files,
      intervalMs,
      isFollowing,
      readFiles,
      extra: (read) => configuredPolicies(read, settings),
    })
  }

  /** The documents in force; those that the playground's editor replaced included. */
  get files(): readonly PolicyFile[] {
    return this.#files
  }

  get current(): SitePolicies {
    return this.#current
  }

  /** Why the newest files are not in force; undefined when they are. */
  get error(): string | undefined {
    return this.#error
  }

  /** What is doubtful in the policies in force, with its place; the first of them. */
  get warnings(): readonly string[] {
    return this.#warnings
  }

  /** The policy as a tenant of that mode runs it. */
  findFor(name: string | undefined, mode: Mode | undefined): SitePolicy {
    const policy = name === undefined ? this.#current.standard : this.find(name)
    if (mode === undefined || mode === 'enforce') return policy
    const known = this.#lowered.get(policy) ?? new Map<Mode, SitePolicy>()
    this.#lowered.set(policy, known)
    const lowered = known.get(mode) ?? lowerSite(policy, mode, this.#parts.settings)
    known.set(mode, lowered)
    return lowered
  }

  find(name: string): SitePolicy {
    const { byName, canary, unguarded, standard } = this.#current
    const own = [canary, unguarded].find((policy) => policy.name === name)
    return own ?? byName.get(name) ?? standard
  }

  /** Every policy that a request may name now or in a moment. */
  all(): readonly SitePolicy[] {
    const sets = this.#upcoming === undefined ? [this.#current] : [this.#current, this.#upcoming]
    const { canary, unguarded, standard } = this.#current
    const compared = this.#parts.isCompared === true ? [unguarded] : []
    const named = sets.flatMap((set) => [...set.byName.values(), set.standard])
    const { settings } = this.#parts
    const lowered = settings.isLowering() ? [lowerSite(standard, 'monitor', settings)] : []
    return [...named, ...lowered, canary, ...compared]
  }

  /** Reads the files again, now. */
  async reload(): Promise<Reload> {
    await this.#watch?.reload()
    return { revision: this.#current.standard.digest, error: this.#error }
  }

  /** Puts these texts in force instead of the files, for the playground's editor. Rejects. */
  async replace(files: readonly PolicyFile[]): Promise<void> {
    const { settings } = this.#parts
    const all = [...files, ...configuredPolicies(files, settings)]
    const library = await compileInWorker(all, toOptions(settings))
    await this.#take({ kind: 'loaded', library, files })
  }

  close(): void {
    this.#watch?.close()
  }

  async #take(change: PolicyChange): Promise<void> {
    if (change.kind === 'refused') {
      this.#error = change.error.message
      const revision = this.#current.standard.digest
      this.#parts.observe({ kind: 'policy', revision, error: this.#error })
      return
    }
    // Engines get what the set needs before a request can run under it.
    const next = toSitePolicies(change.library, this.#parts.settings)
    this.#upcoming = next
    try {
      await this.#hooks.prepare(next)
    } finally {
      this.#upcoming = undefined
    }
    this.#current = next
    this.#files = change.files
    this.#error = undefined
    this.#warnings = warningsOf(change.library)
    const { warnings } = this
    this.#parts.observe({ kind: 'policy', revision: next.standard.digest, warnings })
    this.#hooks.changed()
  }
}

const MAX_WARNINGS = 20

/** Each once, though a rule is in every policy that inherits it. */
function warningsOf({ warnings }: PolicyLibrary): readonly string[] {
  const each = [...new Set(warnings.map(showProblem))]
  if (each.length <= MAX_WARNINGS) return each
  return [...each.slice(0, MAX_WARNINGS), `and ${each.length - MAX_WARNINGS} more`]
}

const toOptions = ({
  classifiers,
  answered,
  calibration,
  destinations,
  standard,
}: SiteSettings): WorkerOptions => ({
  classifiers,
  answered,
  calibration,
  destinations,
  scan: [standard === '' ? COMBINED : standard],
})
