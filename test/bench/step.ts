/**
 * The step protocol: the plugin's Python client to `checkstream serve` over its Unix socket and back,
 * one awaited step at a time, with 1, 8, 64 and 256 rows.
 *
 * Run: npm run bench:step [-- --json] [-- --record]. Needs `npm run build` and a Python with the
 * plugin's dependencies (CHECKSTREAM_VLLM_VENV, .venv-vllm or python3). Held fixed: one token a row
 * and round, 2 ms between rounds, the first 50 rounds left out.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { findPython, repository, startSidecarProcess } from './sidecar-process.ts'

type RoundTrip = { readonly round_trip_us_p50: number; readonly round_trip_us_p99: number }

const ROUNDS = 1_000
const ROWS = ['1', '8', '64', '256']

const flags = new Set(process.argv.slice(2))
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
if (flags.has('--record')) {
  const at = { date: new Date().toISOString(), cpu: cpus()[0]?.model, node: process.version }
  const file = join(import.meta.dirname, 'record/step.json')
  writeFileSync(file, `${JSON.stringify({ ...at, ...result }, null, 2)}\n`)
}
for (const [name, { round_trip_us_p50: p50, round_trip_us_p99: p99 }] of Object.entries(result)) {
  console.log(`${name.padEnd(9)} p50 ${p50} µs   p99 ${p99} µs`)
}
if (flags.has('--json')) console.log(JSON.stringify(result))
