/**
 * What the guard adds to a stream: time to the first frame and to every other, bytes held, CPU, memory.
 *
 * Run: npm run bench:stream [-- --json] [-- --record] [-- --others]. Mock upstream, sidecar
 * (`checkstream serve` in proxy mode, 403 phrases) and load are three processes. 32 streams of 60
 * frames every 33 ms (30 tokens a second each, as a vLLM with 32 requests gives them), straight to the
 * upstream and through the sidecar in turn, so that other load on the machine falls on both; added time
 * is the difference of the two quantiles. It contains what the machine takes to wake one process more
 * and to carry every frame over one more socket: on few cores most of it. `--others` runs
 * Portkey's gateway and LiteLLM beside it under the same load.
 */
import { loadavg } from 'node:os'
import { type Running, ensureBuilt } from '../e2e/process.ts'
import { report } from './report.ts'
import { guardCpuUs, heapGrowth, heldBytes } from './stream-cost.ts'
import { cpuSeconds, residentBytes, startCheckStream, startUpstream } from './stream-gateways.ts'
import { type Load, type Times, agentOf, quantile, run } from './stream-load.ts'
import { startOthers } from './stream-others.ts'

const STREAMS = 32
const FRAMES = 60
const EVERY_MS = 33
const TURNS = 6
const PER_TURN = 2

type Side = {
  readonly name: string
  readonly running: Running
  readonly model: string
  readonly times: Times
  cpuSeconds: number
}

const agent = agentOf()
const sideOf = (name: string, running: Running, model = 'm'): Side => ({
  name,
  running,
  model,
  times: { first: [], chunk: [] },
  cpuSeconds: 0,
})

const loadOf = ({ running, model }: Side, frames: number, everyMs: number): Load => ({
  url: running.url,
  ...(running.headers === undefined ? {} : { headers: running.headers }),
  model,
  frames,
  everyMs,
})

/** Code that has run often is compiled; the first requests of a process are not what is measured. */
async function warmUp(side: Side): Promise<void> {
  await run(loadOf(side, 20, 0), agent, { streams: 8, rounds: 10 })
  await run(loadOf(side, 2, 0), agent, { streams: STREAMS, rounds: 30 })
}

async function measure(sides: readonly Side[], turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    for (const side of sides) {
      const before = cpuSeconds(side.running.pid)
      const { times } = side
      const load = loadOf(side, FRAMES, EVERY_MS)
      await run(load, agent, { streams: STREAMS, rounds: PER_TURN, times })
      side.cpuSeconds += cpuSeconds(side.running.pid) - before
    }
  }
}

const round = (value: number, digits = 3): number => Number(value.toFixed(digits))

function added(side: Side, direct: Side) {
  const of = (kind: 'first' | 'chunk', q: number): number =>
    round(quantile(side.times[kind], q) - quantile(direct.times[kind], q))
  return {
    added_first_ms_p50: of('first', 0.5),
    added_first_ms_p99: of('first', 0.99),
    added_chunk_ms_p50: of('chunk', 0.5),
    added_chunk_ms_p99: of('chunk', 0.99),
    streams_per_core: streamsPerCore(side),
    resident_mib: Math.round(residentBytes(side.running.pid) / 2 ** 20),
  }
}

/** Streams of 50 frames a second that one core carries, by the CPU time of the measured load. */
function streamsPerCore({ times, cpuSeconds: seconds }: Side): number {
  const frames = times.first.length + times.chunk.length
  return Math.round(frames / seconds / 50)
}

/** Resident bytes after 1 000 streams and after 10 000 more. */
async function residentGrowth(side: Side): Promise<{ before: number; after: number }> {
  await run(loadOf(side, 5, 0), agent, { streams: STREAMS, rounds: 31 })
  const before = residentBytes(side.running.pid)
  await run(loadOf(side, 5, 0), agent, { streams: STREAMS, rounds: 313 })
  return { before, after: residentBytes(side.running.pid) }
}

/** The same load for everyone, ours included; one that fails is left out with a message. */
async function beside(direct: Side, ours: Side, upstream: string): Promise<object> {
  const figures: Record<string, unknown> = {}
  for (const other of await startOthers(upstream)) {
    const theirs = sideOf(other.name, other.running, other.model)
    const sides = [direct, ours].map((side) => sideOf(side.name, side.running))
    try {
      await run(loadOf(theirs, 5, 0), agent, { streams: 8, rounds: 20 })
      await measure([...sides, theirs], 2)
      const [base = direct, guarded = ours] = sides
      figures[other.name] = { version: other.version, ...added(theirs, base) }
      figures[`checkstream beside ${other.name}`] = added(guarded, base)
    } catch (error) {
      console.error(`left out: ${error instanceof Error ? error.message : String(error)}`)
    }
    await other.running.stop()
  }
  return figures
}

ensureBuilt()
const upstream = await startUpstream()
const direct = sideOf('direct', upstream)
const guarded = sideOf('checkstream', await startCheckStream(upstream.url))
const load = loadavg()[0] ?? 0
for (const side of [direct, guarded]) await warmUp(side)
await measure([direct, guarded], TURNS)
const ours = added(guarded, direct)
const resident = await residentGrowth(guarded)
const held = heldBytes()
const figures = {
  held_fixed: `${STREAMS} streams, ${FRAMES} frames every ${EVERY_MS} ms, ${TURNS} turns, 403 phrases, proxy mode; streams_per_core at 50 frames a second`,
  machine_load: round(load, 1),
  ...ours,
  direct_first_ms_p50: round(quantile(direct.times.first, 0.5)),
  direct_first_ms_p99: round(quantile(direct.times.first, 0.99)),
  direct_chunk_ms_p50: round(quantile(direct.times.chunk, 0.5)),
  direct_chunk_ms_p99: round(quantile(direct.times.chunk, 0.99)),
  guard_cpu_us_per_frame: round(guardCpuUs(), 2),
  held_bytes_p99_idle: quantile(held.idle, 0.99),
  held_bytes_p99: quantile(held.all, 0.99),
  heap_growth_bytes_10k_streams: heapGrowth(),
  resident_growth_bytes_10k_streams: resident.after - resident.before,
}
// Recorded before the others start: what they need may not be there.
report('stream', figures)
if (process.argv.includes('--others')) {
  report('stream', { ...figures, side_by_side: await beside(direct, guarded, upstream.url) })
}
for (const side of [guarded, direct]) await side.running.stop()
process.exit(0)
