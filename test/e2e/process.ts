/** Real processes for tests and benches: the built binary on free ports and in temporary folders. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const repository = resolve(import.meta.dirname, '../..')

export type Running = {
  readonly url: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  readonly pid: number
  readonly stop: () => Promise<void>
}

export const temporary = (): string => mkdtempSync(join(tmpdir(), 'checkstream-e2e-'))

/** Compiles src/ when it is newer than dist, as `npm start` does. */
export function ensureBuilt(): void {
  const script = "import('./scripts/setup.mjs').then((setup) => setup.ensureBuilt())"
  const { status } = spawnSync(process.execPath, ['-e', script], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error('the build failed; its message is above')
}

/** `checkstream NAME …` from dist with `node` flags before it. */
export function startBinary(
  args: readonly string[],
  { node = [] }: { readonly node?: readonly string[] } = {},
): ChildProcess {
  return spawn(process.execPath, [...node, 'dist/cli.js', ...args], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/**
 * `checkstream serve` with a configuration, or the file that holds it, on a free port of the loopback;
 * resolves when it answers.
 */
export async function serve(
  config: Readonly<Record<string, unknown>> | string,
  { node = [], flags = [] }: { node?: readonly string[]; flags?: readonly string[] } = {},
): Promise<Running> {
  const port = await freePort()
  const file = typeof config === 'string' ? config : join(temporary(), 'config.yaml')
  if (typeof config !== 'string') writeFileSync(file, JSON.stringify(config))
  const where = ['--host', '127.0.0.1', '--port', String(port)]
  const child = startBinary(['serve', '--config', file, ...where, ...flags], { node })
  return whenUp(child, `http://127.0.0.1:${port}`, '/health/live')
}

export function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })
}

/** Resolves when the path answers; rejects when the process ends or two minutes have gone. */
export async function whenUp(child: ChildProcess, url: string, path: string): Promise<Running> {
  const stop = (): Promise<void> => end(child)
  for (let waited = 0; waited < 120_000; waited += 100) {
    if (child.exitCode !== null) {
      throw new Error(`${child.spawnargs.join(' ')} ended: ${child.exitCode}`)
    }
    const answer = await fetch(url + path).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok === true) return { url, pid: child.pid ?? 0, stop }
    await sleep(100)
  }
  await stop()
  throw new Error(`${url}${path} does not answer`)
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(kill)
}
