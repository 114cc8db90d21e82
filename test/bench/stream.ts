/**
 * What the guard adds to a stream: time to the first frame and to every other, bytes held, CPU, memory.
 *
 * Run: npm run bench:stream [-- --json] [-- --record] [-- --others]. Mock upstream, sidecar
 * (`checkstream serve` in proxy mode, 403 phrases that every answer is read for, no rule at ingress),
 * bare relay and load are four processes. Clients use TCP; relay and sidecar reach the upstream through
 * a Unix socket, as in a pod (with `--others` everyone by TCP).
 *
 * Arrivals: always 32 streams of 20 to 60 frames, one every 33 ms (30 tokens a second). Each of 32 places
 * starts at a random instant and begins its next stream when its last one ended; lengths are random, so
 * starts and frames fall anywhere. Straight to the upstream, through the relay and through the sidecar in
 * turn, each by the same schedule; added time is the difference of the quantiles over all turns, and
 * `paired_first_ms_p50` the median of the differences request by request. All have served some thousand
 * requests before: a sidecar runs for weeks. `burst_…` is the other extreme: 32 requests in one instant,
 * and then 32 frames in one instant every 33 ms, as one engine that batches gives them; there the
 * k-th of them waits for k - 1 others at each relay.
 *
 * The figures contain what the machine takes to wake one process more and to carry every frame over one
 * more socket. `relay_…` says how much of it nothing but a relay on the same HTTP server and client
 * adds: requests and answers as they come, nothing read. On a machine with other load run it as
 * `chrt -r 1 npm run bench:stream`; `real_time` in the record says whether it was.
 *
 * `recorded_…` is the spread load with recorded streams of real providers in place of made ones, where the
 * data folder is there: frames of many shapes, reasoning and tool calls among them. Some end inside what
 * may become a phrase (`it's`: a word that begins with s) and have to wait for the next one, 33 ms later:
 * `recorded_open_share` of all frames. `recorded_idle_…` is of the others, after which nothing is open.
 *
 * `--others` measures Portkey's gateway and LiteLLM instead, beside the sidecar under the same load.
 */
import { loadavg } from 'node:os'
import { type Running, ensureBuilt } from '../e2e/process.ts'
import { report } from './report.ts'
import { guardCpuUs, heapGrowth, heldBytes } from './stream-cost.ts'
import {
  cpuSeconds,
  isRealTime,
  residentBytes,
  startCheckStream,
  startRelay,
  startUpstream,
} from './stream-gateways.ts'
import {
  type Plan,
  type Target,
  type Times,
  agentOf,
  noTimes,
  play,
  quantile,
  repeat,
  warmUp,
  warmUpRecorded,
} from './stream-load.ts'
import { startOthers } from './stream-others.ts'
import { recordedStreams } from './stream-recorded.ts'

const STREAMS = 32
const TURNS = 6
const BURST_TURNS = 3
const RECORDED_TURNS = 2
const RECORDED_WARM_UP = 12
const WARM_UP = 9_000

const SPREAD: Omit<Plan, 'seed'> = {
  streams: STREAMS,
  everyMs: 33,
  frames: [20, 60],
  lengthMs: 5_000,
  arrivals: 'spread',
}
const BURST: Omit<Plan, 'seed'> = {
  ...SPREAD,
  lengthMs: 1_500,
  frames: [20, 20],
  arrivals: 'burst',
}

type Side = {
  readonly name: string
  readonly running: Running
  readonly target: Target
  readonly spread: Times
  readonly burst: Times
  readonly recorded: Times
  cpuSeconds: number
}

const agent = agentOf()
const sideOf = (name: string, running: Running, model = 'm'): Side => ({
  name,
  running,
  target: { url: running.url, model, ...(running.headers && { headers: running.headers }) },
  spread: noTimes(),
  burst: noTimes(),
  recorded: { ...noTimes(), idle: noTimes() },
  cpuSeconds: 0,
})

/** Each side in turn, in the other order every other time. */
async function measure(sides: readonly Side[], turns: number, burstTurns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
      const before = cpuSeconds(side.running.pid)
      await play(side.target, { ...SPREAD, seed: turn }, agent, side.spread)
      side.cpuSeconds += cpuSeconds(side.running.pid) - before
    }
  }
  for (let turn = 0; turn < burstTurns; turn++) {
    for (const { target, burst } of turn % 2 === 0 ? sides : sides.toReversed()) {
      await play(target, { ...BURST, seed: turn }, agent, burst)
    }
  }
}

/** The same with recorded streams; false where there are none. */
async function measureRecorded(sides: readonly Side[]): Promise<boolean> {
  if (recordedStreams().length === 0) return false
  for (const { target } of sides) await warmUpRecorded(target, RECORDED_WARM_UP)
  for (let turn = 0; turn < RECORDED_TURNS; turn++) {
    for (const { target, recorded } of turn % 2 === 0 ? sides : sides.toReversed()) {
      await play(target, { ...SPREAD, seed: turn, recorded: true }, agent, recorded)
    }
  }
  return true
}

const round = (value: number, digits = 3): number => Number(value.toFixed(digits))

const QUANTILES = [
  ['p50', 0.5],
  ['p99', 0.99],
] as const

/** `of` less `than`, as `<prefix>first_ms_p50` and so on; the quantiles themselves without `than`. */
function times(prefix: string, of: Times, than?: Times): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const kind of ['first', 'chunk'] as const) {
    for (const [name, q] of QUANTILES) {
      const base = than === undefined ? 0 : quantile(than[kind].values(), q)
      figures[`${prefix}${kind}_ms_${name}`] = round(quantile(of[kind].values(), q) - base)
    }
  }
  return figures
}

function recordedFigures([direct, relay, guarded]: readonly [Side, Side, Side]): Record<
  string,
  number
> {
  const all = guarded.recorded.chunk.length
  const idle = guarded.recorded.idle?.chunk.length ?? 0
  return {
    ...times('recorded_added_', guarded.recorded, direct.recorded),
    ...times('recorded_idle_added_', guarded.recorded.idle ?? noTimes(), direct.recorded.idle),
    ...times('recorded_relay_added_', relay.recorded, direct.recorded),
    recorded_open_share: round(1 - idle / all, 4),
  }
}

/** The median of what was added to the same request of the same schedule. */
function pairedFirst(of: Times, than: Times): number {
  const added = [...of.first].flatMap(([name, ms]) => {
    const base = than.first.get(name)
    return base === undefined ? [] : [ms - base]
  })
  return round(quantile(added, 0.5))
}

function costs(side: Side): Record<string, number> {
  return {
    streams_per_core: streamsPerCore(side),
    resident_mib: Math.round(residentBytes(side.running.pid) / 2 ** 20),
  }
}

/** Streams of 50 frames a second that one core carries, by the CPU time of the measured load. */
function streamsPerCore({ spread, cpuSeconds: seconds }: Side): number {
  return Math.round((spread.first.size + spread.chunk.length) / seconds / 50)
}

/** Resident bytes after some thousand streams and after 10 000 more. */
async function residentGrowth({ target, running }: Side): Promise<number> {
  const stream = { frames: 5, everyMs: 0 }
  await repeat(target, stream, agent, { streams: STREAMS, rounds: 160 })
  const before = residentBytes(running.pid)
  await repeat(target, stream, agent, { streams: STREAMS, rounds: 313 })
  return residentBytes(running.pid) - before
}

const heldFixed = (turns: number): string =>
  `always ${STREAMS} streams of ${SPREAD.frames.join(' to ')} frames every ${SPREAD.everyMs} ms, ` +
  `starts and frames at random instants, ${turns} turns of ${SPREAD.lengthMs / 1_000} s each in turn ` +
  `by the same schedule, 403 phrases, proxy mode; streams_per_core at 50 frames a second`

const machine = () => ({
  machine_load: round(loadavg()[0] ?? 0, 1),
  real_time: isRealTime(process.pid),
})

async function measureOurs(direct: Side, socket: string): Promise<void> {
  const guarded = sideOf('checkstream', await startCheckStream(`unix://${socket}`))
  const relay = sideOf('relay', await startRelay(socket))
  const conditions = machine()
  const sides = [direct, relay, guarded]
  for (const { target } of sides) await warmUp(target, WARM_UP)
  await measure(sides, TURNS, BURST_TURNS)
  const isRecorded = await measureRecorded(sides)
  const held = heldBytes()
  report('stream', {
    held_fixed: heldFixed(TURNS),
    ...conditions,
    requests: guarded.spread.first.size,
    ...times('added_', guarded.spread, direct.spread),
    paired_first_ms_p50: pairedFirst(guarded.spread, direct.spread),
    ...costs(guarded),
    ...times('relay_added_', relay.spread, direct.spread),
    relay_streams_per_core: streamsPerCore(relay),
    ...times('direct_', direct.spread),
    ...times('burst_added_', guarded.burst, direct.burst),
    ...times('burst_relay_added_', relay.burst, direct.burst),
    ...times('burst_direct_', direct.burst),
    recorded_streams: recordedStreams().length,
    ...(isRecorded ? recordedFigures([direct, relay, guarded]) : {}),
    guard_cpu_us_per_frame: round(guardCpuUs(), 2),
    held_bytes_p99_idle: quantile(held.idle, 0.99),
    held_bytes_p99: quantile(held.all, 0.99),
    heap_growth_bytes_10k_streams: heapGrowth(),
    resident_growth_bytes_10k_streams: await residentGrowth(guarded),
  })
  await relay.running.stop()
  await guarded.running.stop()
}

const OTHER_TURNS = 2

/** The same load for everyone, ours included; one that fails is left out with a message. */
async function measureOthers(upstream: Running): Promise<void> {
  const ours = await startCheckStream(upstream.url)
  await warmUp({ url: ours.url }, WARM_UP)
  const conditions = machine()
  const figures: Record<string, unknown> = {}
  for (const other of await startOthers(upstream.url)) {
    const direct = sideOf('direct', upstream)
    const guarded = sideOf('checkstream', ours)
    const theirs = sideOf(other.name, other.running, other.model)
    try {
      await warmUp(theirs.target, WARM_UP / 10)
      await measure([direct, guarded, theirs], OTHER_TURNS, 0)
      figures[other.name] = {
        version: other.version,
        ...times('added_', theirs.spread, direct.spread),
        ...costs(theirs),
      }
      figures[`checkstream beside ${other.name}`] = {
        ...times('added_', guarded.spread, direct.spread),
        ...costs(guarded),
      }
      const [a, b] = [theirs, guarded].map((side) => times('', side.spread, direct.spread))
      const ratio = (key: string): number => round((a?.[key] ?? 0) / (b?.[key] ?? 1), 1)
      figures[`${other.name}_added_first_ratio_p50`] = ratio('first_ms_p50')
      figures[`${other.name}_added_chunk_ratio_p50`] = ratio('chunk_ms_p50')
      figures[`${other.name}_streams_per_core_ratio`] = round(
        streamsPerCore(guarded) / streamsPerCore(theirs),
        1,
      )
    } catch (error) {
      console.error(`left out: ${error instanceof Error ? error.message : String(error)}`)
    }
    await other.running.stop()
  }
  report('stream-others', { held_fixed: heldFixed(OTHER_TURNS), ...conditions, ...figures })
  await ours.stop()
}

ensureBuilt()
const upstream = await startUpstream()
if (process.argv.includes('--others')) await measureOthers(upstream)
else await measureOurs(sideOf('direct', upstream), upstream.socket)
await upstream.stop()
process.exit(0)
