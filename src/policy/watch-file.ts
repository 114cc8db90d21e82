/**
 * Policies as they change on the disk. A change is seen through Kubernetes' symlink swap as through an
 * editor's save, waits until the files are quiet, is compiled off the main thread, and takes effect
 * only when all of it is right: otherwise the last good set stays in force and the mistake is told.
 */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { createHash } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import { readPolicyFiles } from './file.ts'
import type { LoadOptions } from './file.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import { compileInWorker } from './worker.ts'

export type PolicyChange =
  | { readonly kind: 'loaded'; readonly library: PolicyLibrary }
  /** What is on the disk is refused; what was in force stays. */
  | { readonly kind: 'refused'; readonly error: GuardError }

export type WatchOptions = LoadOptions & {
  /** Quiet time after the last change before anything is read. */
  readonly debounceMs?: number
  /** Looks at the files this often, for file systems that tell of no changes. */
  readonly intervalMs?: number
  /** Policies that do not lie on the disk: given what was read, what belongs to the set besides. */
  readonly extra?: (files: readonly PolicyFile[]) => readonly PolicyFile[]
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
 * `onChange` hears of every set that was loaded or refused, in order; it must not throw. A set whose
 * bytes did not change is not compiled again. `initial` are the files that are in force already.
 */
export function watchPolicies(
  path: string,
  onChange: (change: PolicyChange) => void,
  options: WatchOptions & { readonly initial?: readonly PolicyFile[] } = {},
): PolicyWatch {
  const { debounceMs = 200, intervalMs = 30_000, initial, extra, ...load } = options
  const state = { reloads: 0, refusals: 0, error: undefined as GuardError | undefined }
  let seen = initial === undefined ? '' : fingerprint(initial)
  let timer: NodeJS.Timeout | undefined
  let queue: Promise<unknown> = Promise.resolve()
  let isClosed = false

  const read = async (isForced: boolean): Promise<PolicyChange | undefined> => {
    let change: PolicyChange
    try {
      const files = readPolicyFiles(path)
      const print = fingerprint(files)
      if (print === seen && !isForced) return undefined
      seen = print
      const all = [...files, ...(extra?.(files) ?? [])]
      change = { kind: 'loaded', library: await compileInWorker(all, load) }
    } catch (error) {
      change = { kind: 'refused', error: GuardError.from(error, 'policy_invalid') }
    }
    if (isClosed) return undefined
    if (change.kind === 'loaded') state.reloads++
    else state.refusals++
    state.error = change.kind === 'refused' ? change.error : undefined
    onChange(change)
    return change
  }
  // One at a time and in order, so that an older set never replaces a newer one.
  const enqueue = (isForced: boolean): Promise<PolicyChange | undefined> => {
    const next = queue.then(() => (isClosed ? undefined : read(isForced)))
    queue = next
    return next
  }
  const noticed = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void enqueue(false), debounceMs)
    timer.unref()
  }
  const watchers = watchBoth(path, noticed)
  const poll = setInterval(noticed, intervalMs)
  poll.unref()
  return {
    reload: () => enqueue(true),
    get error() {
      return state.error
    },
    get reloads() {
      return state.reloads
    },
    get refusals() {
      return state.refusals
    },
    close: () => {
      isClosed = true
      clearTimeout(timer)
      clearInterval(poll)
      for (const watcher of watchers) watcher.close()
    },
  }
}

/** The path and its folder: a ConfigMap swaps a link beside the files, an editor swaps the file. */
function watchBoth(path: string, noticed: () => void): readonly FSWatcher[] {
  return [path, dirname(path)].flatMap((target) => {
    try {
      const watcher = watch(target, { persistent: false }, noticed)
      // A watcher that breaks (its folder is gone) is no reason to stop: the interval goes on.
      watcher.on('error', () => watcher.close())
      return [watcher]
    } catch {
      // Not there yet, or a file system without notifications: the interval finds changes.
      return []
    }
  })
}

function fingerprint(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256')
  for (const { file, text } of files) hash.update(JSON.stringify([file, text]))
  return hash.digest('hex')
}
