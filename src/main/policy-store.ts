/**
 * The policies in force. A new set is compiled off the main thread and swapped in between two steps;
 * a mistake leaves the last good set in force, and is shown by readiness, metrics and the log.
 */
import type { GuardEvent } from '../model/event.ts'
import type { LoadOptions } from '../policy/file.ts'
import type { PolicyFile } from '../policy/library.ts'
import { watchPolicies } from '../policy/watch-file.ts'
import type { PolicyChange, PolicyWatch } from '../policy/watch-file.ts'
import { compileInWorker } from '../policy/worker.ts'
import { configuredPolicies, toSitePolicies } from './site-policies.ts'
import type { SitePolicies, SitePolicy, SiteSettings } from './site-policies.ts'

export type StoreParts = {
  readonly path: string
  /** What is at the path now. */
  readonly files: readonly PolicyFile[]
  readonly settings: SiteSettings
  readonly observe: (event: GuardEvent) => void
  /** The playground compares with an engine that bans nothing. */
  readonly isCompared?: boolean
}

export type Reload = { readonly revision: string; readonly error: string | undefined }

export class PolicyStore {
  readonly #parts: StoreParts
  #current: SitePolicies
  #files: readonly PolicyFile[]
  #error: string | undefined
  #watch: PolicyWatch | undefined
  #changed: () => void = () => undefined

  private constructor(parts: StoreParts, current: SitePolicies) {
    this.#parts = parts
    this.#current = current
    this.#files = parts.files
  }

  /** Rejects with `policy_invalid`: a sidecar does not start with policies that it cannot read. */
  static async open(parts: StoreParts): Promise<PolicyStore> {
    const { files, settings } = parts
    const all = [...files, ...configuredPolicies(files, settings)]
    const library = await compileInWorker(all, toOptions(settings))
    return new PolicyStore(parts, toSitePolicies(library, settings))
  }

  /** From now on changes at the path are followed; `changed` hears of every new set. */
  watch(intervalMs: number, changed: () => void): void {
    const { path, files, settings } = this.#parts
    this.#changed = changed
    this.#watch = watchPolicies(path, (change) => this.#take(change), {
      ...toOptions(settings),
      initial: files,
      intervalMs,
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

  find(name: string): SitePolicy {
    const { byName, canary, unguarded, standard } = this.#current
    const own = [canary, unguarded].find((policy) => policy.name === name)
    return own ?? byName.get(name) ?? standard
  }

  all(): readonly SitePolicy[] {
    const { byName, standard, canary, unguarded } = this.#current
    const compared = this.#parts.isCompared === true ? [unguarded] : []
    return [...byName.values(), standard, canary, ...compared]
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
    this.#take({ kind: 'loaded', library: await compileInWorker(all, toOptions(settings)) })
    this.#files = files
  }

  close(): void {
    this.#watch?.close()
  }

  #take(change: PolicyChange): void {
    if (change.kind === 'refused') {
      this.#error = change.error.message
      const revision = this.#current.standard.digest
      this.#parts.observe({ kind: 'policy', revision, error: this.#error })
      return
    }
    this.#current = toSitePolicies(change.library, this.#parts.settings)
    this.#error = undefined
    this.#parts.observe({ kind: 'policy', revision: this.#current.standard.digest })
    this.#changed()
  }
}

const toOptions = ({ classifiers }: SiteSettings): LoadOptions => ({ classifiers })
