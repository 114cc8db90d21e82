/** Who stands between the load and the mock upstream, each in a process of its own. */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { phrases } from './stream-parts.ts'
import { repository } from './sidecar-process.ts'

export type Running = {
  readonly url: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  readonly pid: number
  readonly stop: () => Promise<void>
}

export async function startUpstream(): Promise<Running> {
  const child = fork(join(import.meta.dirname, 'stream-upstream.ts'), [], {
    execArgv: ['--import', 'tsx'],
  })
  const url = await new Promise<string>((resolve) =>
    child.once('message', (m) => resolve(String(m))),
  )
  return { url, pid: child.pid ?? 0, stop: () => end(child) }
}

const rules = (texts: readonly string[]): string =>
  JSON.stringify({
    name: 'bench',
    rules: [
      {
        name: 'phrases',
        trigger: { type: 'keywords', any: texts, match: 'word' },
        actions: [{ type: 'redact', replacement: '*' }],
      },
    ],
  })

/** `checkstream serve` in proxy mode with 403 phrases that every answer is read for. */
export async function startCheckStream(
  upstream: string,
  { guarded = true, node = [] }: { guarded?: boolean; node?: readonly string[] } = {},
): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'stream-bench-'))
  const policy = join(folder, 'policy.yaml')
  writeFileSync(policy, guarded ? rules(phrases()) : JSON.stringify({ name: 'none', rules: [] }))
  const port = await freePort()
  const config = {
    mode: 'proxy',
    server: { host: '127.0.0.1', port },
    backend: { url: upstream },
    policies: { path: policy },
    telemetry: { log_level: 'warn' },
  }
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config))
  const args = [...node, 'dist/cli.js', 'serve', '--config', join(folder, 'config.yaml')]
  const child = spawn(process.execPath, args, {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return whenUp(child, `http://127.0.0.1:${port}`, '/health')
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Resolves when the path answers; rejects when the process ends or a minute has gone. */
export async function whenUp(child: ChildProcess, url: string, path: string): Promise<Running> {
  for (let waited = 0; waited < 120_000; waited += 100) {
    if (child.exitCode !== null)
      throw new Error(`${child.spawnargs.join(' ')} ended: ${child.exitCode}`)
    const answer = await fetch(url + path).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok === true) return { url, pid: child.pid ?? 0, stop: () => end(child) }
    await sleep(100)
  }
  await end(child)
  throw new Error(`${url}${path} does not answer`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(kill)
}

/** CPU seconds that a process has used, all its threads. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}
