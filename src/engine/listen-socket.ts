/**
 * Listens on a Unix socket path. A socket file that nobody listens on is left over and is removed;
 * anything else that is in the way is an error that names it.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { GuardError } from '../model/errors.ts'

/** sun_path of Linux holds 108 bytes with its terminating zero. */
const MAX_PATH_BYTES = 107

export async function listenOnSocket(server: Server, path: string, mode: number): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_PATH_BYTES) {
    const wanted = `a path of at most ${MAX_PATH_BYTES} bytes`
    throw new GuardError('socket_invalid', `socket ${path}: expected ${wanted}, got ${bytes}`)
  }
  await removeStale(path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new GuardError('socket_invalid', `socket ${path}: ${error.message}`, { cause: error }))
    })
    server.listen(path, () => {
      chmodSync(path, mode)
      resolve()
    })
  })
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new GuardError('socket_invalid', `socket ${path}: there is a file that is not a socket`)
  }
  if (await isListening(path)) {
    throw new GuardError('socket_invalid', `socket ${path}: another process listens on it`)
  }
  rmSync(path, { force: true })
}

export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
