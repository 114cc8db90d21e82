/**
 * Hears of changes at a path: through Kubernetes' symlink swap as through an editor's save, and by
 * looking every so often where a file system tells of none.
 */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { dirname } from 'node:path'

export type FollowOptions = {
  /** Quiet time after the last change before it is told. */
  readonly debounceMs?: number | undefined
  /** Tells this often, whatever is heard. */
  readonly intervalMs?: number | undefined
}

export type Follower = { close(): void }

/** `noticed` hears that something may have changed; the path need not be there yet. */
export function follow(path: string, noticed: () => void, options: FollowOptions = {}): Follower {
  const { debounceMs = 200, intervalMs = 30_000 } = options
  let watchers: readonly FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      // A folder that was made again is another one, and its watcher hears nothing.
      listen()
      noticed()
    }, debounceMs).unref()
  }
  /** The path and its folder: a ConfigMap swaps a link beside the files, an editor swaps the file. */
  const listen = (): void => {
    for (const watcher of watchers) watcher.close()
    watchers = [path, dirname(path)].flatMap((target) => {
      try {
        const watcher = watch(target, { persistent: false }, soon)
        // A watcher that breaks (its folder is gone) is no reason to stop: the interval goes on.
        watcher.on('error', () => watcher.close())
        return [watcher]
      } catch {
        // Not there yet, or a file system without notifications: the interval finds changes.
        return []
      }
    })
  }
  listen()
  const poll = setInterval(soon, intervalMs).unref()
  return {
    close: () => {
      clearTimeout(timer)
      clearInterval(poll)
      for (const watcher of watchers) watcher.close()
    },
  }
}
