/**
 * The Unix socket's file. A stale one is removed, and only if it is a socket and nobody listens;
 * anything else that stands in the way is refused with what to do about it.
 */
import { chmodSync, constants, accessSync, lstatSync, statSync, unlinkSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import process from 'node:process'
import { GuardError } from '../model/errors.ts'

/** sockaddr_un.sun_path holds 108 bytes on Linux (104 on macOS) with the final zero. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103
const PROBE_MS = 1_000

const invalid = (path: string, message: string): GuardError =>
  new GuardError('socket_invalid', `socket ${path}: ${message}`)

/** Makes sure that a server may bind `path`. Throws `socket_invalid`. */
export async function clearSocketPath(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_PATH_BYTES) {
    throw invalid(path, `expected a path of at most ${MAX_PATH_BYTES} bytes, got ${bytes}`)
  }
  if (path === '') throw new GuardError('socket_invalid', 'socket: expected a path, got none')
  checkFolder(path, dirname(path))
  const there = fileAt(path)
  if (there === undefined) return
  if (!there.isSocket()) {
    throw invalid(path, `a ${kindOf(there)} is in the way; move it or choose another path`)
  }
  if (await isListening(path)) {
    throw invalid(path, 'another process listens there; stop it or choose another path')
  }
  unlinkSync(path)
}

/**
 * Runs `bind` so that the socket is never open to more than `mode` allows, not even for a moment:
 * the mode comes from the umask while binding, and is set again afterwards.
 */
export async function withMode(
  path: string,
  mode: number,
  bind: () => Promise<void>,
): Promise<void> {
  const before = process.umask(0o777 & ~mode)
  try {
    await bind()
  } finally {
    process.umask(before)
  }
  chmodSync(path, mode)
}

/** Which file is bound, so that on stop we remove ours and not a successor's. */
export function socketIdentity(path: string): string {
  const stats = fileAt(path)
  return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
}

export function removeSocket(path: string, identity: string): void {
  if (identity !== '' && socketIdentity(path) === identity) unlinkSync(path)
}

function checkFolder(path: string, folder: string): void {
  try {
    if (!statSync(folder).isDirectory()) throw invalid(path, `${folder} is not a folder`)
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof GuardError) throw error
    throw new GuardError(
      'socket_invalid',
      `socket ${path}: ${folder} does not exist or is not writable for user ${process.getuid?.() ?? '?'}`,
      { cause: error },
    )
  }
}

function fileAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'regular file'
  if (stats.isDirectory()) return 'folder'
  if (stats.isSymbolicLink()) return 'symbolic link'
  return 'special file'
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    const finish = (listening: boolean) => {
      probe.destroy()
      resolve(listening)
    }
    probe.setTimeout(PROBE_MS, () => finish(true)) // it takes connections, however slowly
    probe.once('connect', () => finish(true))
    probe.once('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'))
  })
}
