/**
 * The tenants file in force. What changes on the disk is read and checked first, against the policies
 * in force too, and takes effect between two requests; a mistake leaves the last good one in force,
 * and is shown by readiness, metrics and the log.
 */
import { readFileSync } from 'node:fs'
import { GuardError } from '../../model/errors.ts'
import type { GuardEvent } from '../../model/event.ts'
import { follow } from '../../policy/files/follow-file.ts'
import type { Follower } from '../../policy/files/follow-file.ts'
import { checkTenants, tenantsSchema } from '../../policy/tenants.ts'
import type { TenantsConfig } from '../../policy/tenants.ts'
import { createAccounts } from './service-accounts.ts'
import type { Accounts } from './service-accounts.ts'
import { readDocument } from '../site/site-document.ts'

export type TenantsInForce = {
  /** Undefined: one tenant without a name, under the site's standard policy. */
  readonly config: TenantsConfig | undefined
  readonly accounts: Accounts
  readonly placeOf: PlaceOf
}

/** `FILE:LINE:COLUMN ` of the value at a path. */
type PlaceOf = (path: readonly string[]) => string

export type TenantsHooks = {
  /** Names of the policies in force. */
  readonly policies: () => Iterable<string>
  /** Engines get what the tenants' modes need, or it rejects, and then they do not come. */
  readonly prepare: () => Promise<void>
  /** Other tenants are in force. */
  readonly changed: () => void
}

export class TenantsStore {
  readonly #file: string
  readonly #observe: (event: GuardEvent) => void
  #hooks: TenantsHooks | undefined
  #current: TenantsInForce
  /** Everything that was read for what is in force, or for what was refused. */
  #seen: string
  #upcoming: TenantsConfig | undefined
  #error: string | undefined
  #follower: Follower | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(
    file: string,
    observe: (event: GuardEvent) => void,
    current: TenantsInForce,
    seen: string,
  ) {
    this.#file = file
    this.#observe = observe
    this.#current = current
    this.#seen = seen
  }

  /** Rejects with `config_invalid`: a sidecar does not start with tenants that it cannot read. */
  static async open(file: string, observe: (event: GuardEvent) => void): Promise<TenantsStore> {
    if (file === '') {
      const accounts = await createAccounts(undefined)
      const nobody = { config: undefined, accounts, placeOf: () => '' }
      return new TenantsStore(file, observe, nobody, '')
    }
    const { config, placeOf, seen } = read(file)
    const accounts = await createAccounts(config.service_account)
    return new TenantsStore(file, observe, { config, accounts, placeOf }, seen)
  }

  /** Rejects where a tenant names a policy that is not there. */
  use(hooks: TenantsHooks): void {
    this.#hooks = hooks
    this.check(hooks.policies())
  }

  /** Throws `config_invalid` when the tenants in force name a policy that is not among these. */
  check(policies: Iterable<string>): void {
    const { config, placeOf } = this.#current
    if (config !== undefined) checkTenants(config, policies, placeOf)
  }

  get current(): TenantsInForce {
    return this.#current
  }

  /** Why the newest file is not in force; undefined when it is. */
  get error(): string | undefined {
    return this.#error
  }

  /** Some tenant runs under a mode below `enforce`, now or in a moment. */
  get isLowering(): boolean {
    return lowers(this.#current.config) || lowers(this.#upcoming)
  }

  watch(intervalMs: number): void {
    if (this.#file === '') return
    this.#follower = follow(this.#file, () => void this.#enqueue(false), { intervalMs })
  }

  /** Reads the file again, now; resolves when it is decided. Never rejects. */
  async reload(): Promise<void> {
    if (this.#file !== '') await this.#enqueue(true)
  }

  close(): void {
    this.#isClosed = true
    this.#follower?.close()
  }

  /** One at a time and in order, so that an older file never replaces a newer one. */
  #enqueue(isForced: boolean): Promise<unknown> {
    const next = this.#queue.then(() => (this.#isClosed ? undefined : this.#read(isForced)))
    this.#queue = next
    return next
  }

  async #read(isForced: boolean): Promise<void> {
    try {
      const { config, placeOf, seen } = read(this.#file)
      if (seen === this.#seen && !isForced) return
      this.#seen = seen
      await this.#take(config, placeOf)
    } catch (error) {
      this.#refuse(GuardError.from(error, 'config_invalid').message, isForced)
    }
  }

  async #take(config: TenantsConfig, placeOf: PlaceOf): Promise<void> {
    checkTenants(config, this.#hooks?.policies() ?? [], placeOf)
    const accounts = await createAccounts(config.service_account)
    this.#upcoming = config
    try {
      await this.#hooks?.prepare()
    } finally {
      this.#upcoming = undefined
    }
    // The policies may have changed while it was prepared.
    checkTenants(config, this.#hooks?.policies() ?? [], placeOf)
    if (this.#isClosed) return
    this.#current = { config, accounts, placeOf }
    this.#error = undefined
    this.#observe({ kind: 'tenants', tenants: Object.keys(config.tenants).length })
    this.#hooks?.changed()
  }

  #refuse(error: string, isForced: boolean): void {
    if (this.#isClosed || (!isForced && error === this.#error)) return
    this.#error = error
    const tenants = Object.keys(this.#current.config?.tenants ?? {}).length
    this.#observe({ kind: 'tenants', tenants, error })
  }
}

type Read = {
  readonly config: TenantsConfig
  readonly placeOf: PlaceOf
  readonly seen: string
}

/** The file, and the keys that it names: theirs change as well. */
function read(file: string): Read {
  const text = textOf(file)
  const { data: config, document } = readDocument(text, file, tenantsSchema)
  const keys = config.service_account?.keys_file
  const seen = JSON.stringify([text, keys === undefined ? '' : textOf(keys)])
  return { config, placeOf: (path) => `${file}:${document.placeOf(path)} `, seen }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new GuardError('config_invalid', `${file}: expected a readable file`, { cause: error })
  }
}

function lowers(config: TenantsConfig | undefined): boolean {
  if (config === undefined) return false
  const { unknown } = config
  const modes = Object.values(config.tenants).map((tenant) => tenant.mode)
  const all = unknown === 'refuse' ? modes : [...modes, unknown.mode]
  return all.some((mode) => mode !== undefined && mode !== 'enforce')
}
