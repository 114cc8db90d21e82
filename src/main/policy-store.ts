/**
 * The policies in force. A reload compiles first and swaps then: a mistake leaves the last good set
 * in force, and is shown by readiness, metrics and the log.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import type { PolicyFile } from '../policy/library.ts'
import { compileSite } from './site-policies.ts'
import type { SitePolicies, SitePolicy, SiteSettings } from './site-policies.ts'

export type StoreParts = {
  /** Reads the policy files; throws GuardError. */
  readonly read: () => readonly PolicyFile[]
  readonly settings: SiteSettings
  readonly observe: (event: GuardEvent) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export class PolicyStore {
  readonly #parts: StoreParts
  #current: SitePolicies
  #signature: string
  #error: string | undefined

  /** Throws `policy_invalid`: a sidecar does not start with policies that it cannot read. */
  constructor(parts: StoreParts) {
    this.#parts = parts
    const files = parts.read()
    this.#signature = signatureOf(files)
    this.#current = compileSite(files, parts.settings, parts.now())
  }

  get current(): SitePolicies {
    return this.#current
  }

  /** Why the newest files are not in force; undefined when they are. */
  get error(): string | undefined {
    return this.#error
  }

  find(name: string): SitePolicy {
    const { byName, canary, standard } = this.#current
    return name === canary.name ? canary : (byName.get(name) ?? standard)
  }

  all(): readonly SitePolicy[] {
    return [...this.#current.byName.values(), this.#current.canary]
  }

  /** True when a new set is in force. `force` compiles even when no file has changed. */
  reload(force = false): boolean {
    try {
      const files = this.#parts.read()
      const signature = signatureOf(files)
      if (!force && signature === this.#signature) return false
      this.#signature = signature
      return this.replace(files)
    } catch (error) {
      return this.#refuse(error)
    }
  }

  /** Puts these files in force, or says in `error` why not. */
  replace(files: readonly PolicyFile[]): boolean {
    try {
      this.#current = compileSite(files, this.#parts.settings, this.#parts.now())
      this.#error = undefined
      this.#parts.observe({ kind: 'policy', revision: this.#current.standard.digest })
      return true
    } catch (error) {
      return this.#refuse(error)
    }
  }

  #refuse(error: unknown): false {
    const { message } = GuardError.from(error, 'policy_invalid')
    const revision = this.#current.standard.digest
    if (this.#error !== message) this.#parts.observe({ kind: 'policy', revision, error: message })
    this.#error = message
    return false
  }
}

function signatureOf(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256')
  for (const { file, text } of files) hash.update(`${file}\n${text.length}\n`).update(text)
  return hash.digest('hex')
}
