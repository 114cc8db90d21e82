/** Who stands between the load and the mock upstream, each in a process of its own. */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, end, serve, temporary } from '../e2e/process.ts'
import { policyText } from './stream-parts.ts'

/** On a port and on a Unix socket. */
export async function startUpstream(): Promise<Running & { readonly socket: string }> {
  const socket = join(temporary(), 'upstream.sock')
  return { ...(await startScript('stream-upstream.ts', socket)), socket }
}

/** A relay that does nothing else. */
export const startRelay = (socket: string): Promise<Running> =>
  startScript('stream-relay.ts', socket)

async function startScript(file: string, ...args: readonly string[]): Promise<Running> {
  const child = fork(join(import.meta.dirname, file), args, { execArgv: ['--import', 'tsx'] })
  const url = await new Promise<string>((resolve) =>
    child.once('message', (m) => resolve(String(m))),
  )
  return { url, pid: child.pid ?? 0, stop: () => end(child) }
}

/** `checkstream serve` in proxy mode with 403 phrases that every answer is read for. */
export async function startCheckStream(
  upstream: string,
  { guarded = true, node = [] }: { guarded?: boolean; node?: readonly string[] } = {},
): Promise<Running> {
  const policy = join(temporary(), 'policy.yaml')
  writeFileSync(policy, guarded ? policyText() : JSON.stringify({ name: 'none', rules: [] }))
  const config = {
    mode: 'proxy',
    backend: { url: upstream },
    policies: { path: policy },
    telemetry: { log_level: 'warn' },
  }
  return serve(config, { node })
}

/** CPU seconds that a process has used, all its threads. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Scheduled before all ordinary processes (`chrt -r 1 npm run …`), so that other load hardly moves it. */
export function isRealTime(pid: number): boolean {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[37]) > 0
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}
