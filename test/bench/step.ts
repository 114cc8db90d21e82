/**
 * The step protocol: the plugin's Python client to `checkstream serve` over its Unix socket and back,
 * one awaited step at a time, with 1, 8, 64 and 256 rows.
 *
 * Run: npm run bench:step [-- --json] [-- --record]. Needs `npm run build` and a Python with the
 * plugin's dependencies (CHECKSTREAM_VLLM_VENV, .venv-vllm or python3). Held fixed: one token a row
 * and round, 2 ms between rounds, the first 50 rounds left out.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { report } from './report.ts'
import { findPython, repository, startSidecarProcess } from './sidecar-process.ts'

type RoundTrip = { readonly round_trip_us_p50: number; readonly round_trip_us_p99: number }

const ROUNDS = 1_000
const ROWS = ['1', '8', '64', '256']

const sidecar = await startSidecarProcess(['bad', 'worse'])
const client = join(import.meta.dirname, 'step_client.py')
const { stdout, status, stderr } = spawnSync(
  findPython(),
  [client, sidecar.socket, String(ROUNDS), ...ROWS],
  { encoding: 'utf8', env: { ...process.env, PYTHONPATH: join(repository, 'plugin') } },
)
await sidecar.stop()
if (status !== 0) {
  console.error(stderr)
  process.exit(1)
}
const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, RoundTrip>
report('step', result)
