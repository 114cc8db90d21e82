/**
 * The step protocol: the plugin's Python client to `checkstream serve` over its Unix socket and back,
 * one awaited step at a time, with 1, 8, 64 and 256 rows. Rounds follow each other in blocks of 50, a
 * bare echo of as many bytes in turn with them. Then both again 2 ms apart (`paced`): a step then wakes
 * a process that slept, whose code has left the caches, which costs more than all that is computed.
 *
 * Run: npm run bench:step [-- --json] [-- --record]. Needs `npm run build` and a Python with the
 * plugin's dependencies (CHECKSTREAM_VLLM_VENV, .venv-vllm or python3). Held fixed: one token a row
 * and round, the first 200 rounds left out.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { report } from './report.ts'
import { findPython, repository, startSidecarProcess } from './sidecar-process.ts'

type RoundTrip = {
  readonly round_trip_us_p50: number
  readonly round_trip_us_p99: number
  /** The same bytes to a bare Node process and back. */
  readonly echo_us_p50: number
  /** After 2 ms of sleep on both sides. */
  readonly paced_us_p50: number
  readonly paced_echo_us_p50: number
}

const ROUNDS = 1_000
const ROWS = ['1', '8', '64', '256']

const sidecar = await startSidecarProcess(['bad', 'worse'])
const echo = join(sidecar.folder, 'echo.sock')
const echoing = spawn(process.execPath, [
  '--import',
  'tsx',
  join(import.meta.dirname, 'step-echo.ts'),
  echo,
])
for (let waited = 0; !existsSync(echo); waited += 50) {
  if (waited > 30_000 || echoing.exitCode !== null) throw new Error('the echo did not start')
  await sleep(50)
}
const client = join(import.meta.dirname, 'step_client.py')
const { stdout, status, stderr } = spawnSync(
  findPython(),
  [client, sidecar.socket, echo, String(ROUNDS), ...ROWS],
  { encoding: 'utf8', env: { ...process.env, PYTHONPATH: join(repository, 'plugin') } },
)
echoing.kill()
await sidecar.stop()
if (status !== 0) {
  console.error(stderr)
  process.exit(1)
}
const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, RoundTrip>
report('step', result)
