/**
 * Policies as they change on the disk. A change is seen through Kubernetes' symlink swap as through an
 * editor's save, waits until the files are quiet, is compiled off the main thread, and takes effect
 * only when all of it is right: otherwise the last good set stays in force and the mistake is told.
 */
import { createHash } from 'node:crypto'
import { GuardError } from '../../model/errors.ts'
import { readPolicyFiles } from './file.ts'
import { follow } from './follow-file.ts'
import type { Follower } from './follow-file.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import { compileInWorker } from './worker.ts'
import type { WorkerOptions } from './worker.ts'

export type PolicyChange =
  | {
      readonly kind: 'loaded'
      readonly library: PolicyLibrary
      /** What was read from the disk. */
      readonly files: readonly PolicyFile[]
    }
  /** What is on the disk is refused; what was in force stays. */
  | { readonly kind: 'refused'; readonly error: GuardError }

export type WatchOptions = WorkerOptions & {
  /** Quiet time after the last change before anything is read. */
  readonly debounceMs?: number
  /** Looks at the files this often, for file systems that tell of no changes. */
  readonly intervalMs?: number
  /** Policies that do not lie on the disk: given what was read, what belongs to the set besides. */
  readonly extra?: (files: readonly PolicyFile[]) => readonly PolicyFile[]
  /** How the files are read, when a missing folder is not a mistake. */
  readonly readFiles?: () => readonly PolicyFile[]
  /** False: nothing is followed, and only `reload` reads. */
  readonly isFollowing?: boolean
  /** What is in force already. */
  readonly initial?: readonly PolicyFile[]
}

export type PolicyWatch = {
  /** Reads now, for SIGHUP and the admin route; resolves when it is decided. Never rejects. */
  reload(): Promise<PolicyChange | undefined>
  /** Mistake of the last read, while the one in force is older than the disk. */
  readonly error: GuardError | undefined
  readonly reloads: number
  readonly refusals: number
  close(): void
}

/**
 * `onChange` hears of every set that was loaded or refused, in order. It may take its time before it
 * puts a set in force, and it may refuse one by throwing. A set whose bytes did not change is not
 * compiled again, and the same mistake is not told again, unless somebody asks.
 */
export function watchPolicies(
  path: string,
  onChange: (change: PolicyChange) => void | Promise<void>,
  options: WatchOptions = {},
): PolicyWatch {
  return new Watch(path, onChange, options)
}

class Watch implements PolicyWatch {
  reloads = 0
  refusals = 0
  error: GuardError | undefined
  readonly #path: string
  readonly #onChange: (change: PolicyChange) => void | Promise<void>
  readonly #options: WatchOptions
  readonly #follower: Follower | undefined
  #seen: string
  /** Files of the set in force. */
  #count: number
  #queue: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(
    path: string,
    onChange: (change: PolicyChange) => void | Promise<void>,
    options: WatchOptions,
  ) {
    this.#path = path
    this.#onChange = onChange
    this.#options = options
    this.#seen = options.initial === undefined ? '' : fingerprint(options.initial)
    this.#count = options.initial?.length ?? 0
    if (options.isFollowing === false) return
    this.#follower = follow(path, () => void this.#enqueue(false), options)
  }

  reload(): Promise<PolicyChange | undefined> {
    return this.#enqueue(true)
  }

  close(): void {
    this.#isClosed = true
    this.#follower?.close()
  }

  /** One at a time and in order, so that an older set never replaces a newer one. */
  #enqueue(isForced: boolean): Promise<PolicyChange | undefined> {
    const next = this.#queue.then(() => (this.#isClosed ? undefined : this.#read(isForced)))
    this.#queue = next
    return next
  }

  async #read(isForced: boolean): Promise<PolicyChange | undefined> {
    try {
      const files = this.#files()
      const print = fingerprint(files)
      if (print === this.#seen && !isForced) return undefined
      this.#seen = print
      return await this.#load(files)
    } catch (error) {
      return this.#refuse(GuardError.from(error, 'policy_invalid'), isForced)
    }
  }

  #files(): readonly PolicyFile[] {
    const files = this.#options.readFiles?.() ?? readPolicyFiles(this.#path)
    if (files.length > 0 || this.#count === 0) return files
    // A folder that lost everything is a mistake, never a wish to guard nothing.
    throw new GuardError('policy_invalid', `${this.#path}: there are no policies any more`)
  }

  async #load(files: readonly PolicyFile[]): Promise<PolicyChange | undefined> {
    const all = [...files, ...(this.#options.extra?.(files) ?? [])]
    const { nowMs, classifiers, answered, calibration, destinations, mode, scan } = this.#options
    const given = { nowMs, classifiers, answered, calibration, destinations, mode, scan }
    const library = await compileInWorker(all, withoutUndefined(given))
    if (this.#isClosed) return undefined
    const change = { kind: 'loaded', library, files } as const
    await this.#onChange(change)
    this.reloads++
    this.error = undefined
    this.#count = files.length
    return change
  }

  async #refuse(error: GuardError, isForced: boolean): Promise<PolicyChange | undefined> {
    if (this.#isClosed) return undefined
    if (!isForced && error.message === this.error?.message) return undefined
    this.refusals++
    this.error = error
    const change = { kind: 'refused', error } as const
    await this.#onChange(change)
    return change
  }
}

/** Options that were not given must not hide the defaults. */
const withoutUndefined = (options: Record<string, unknown>): WorkerOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

function fingerprint(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256')
  for (const { file, text } of files) hash.update(JSON.stringify([file, text]))
  return hash.digest('hex')
}
