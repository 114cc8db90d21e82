/**
 * What the guard adds to a stream: time to the first frame and to every other, bytes held, CPU.
 *
 * Run: npm run bench:stream [-- --json] [-- --record]. 32 streams at a time of 120 frames every 20 ms,
 * straight to the mock upstream and through the sidecar (a process of its own), in turn, so that load
 * on the machine falls on both. Added time is the difference of the two quantiles of one run.
 */
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import { frameOf, guardOptions, tokens } from './stream-parts.ts'

const STREAMS = 32
const FRAMES = 120
const EVERY_MS = 20
const ROUNDS = 6

const TEXT = tokens(FRAMES)

const upstream = createServer((incoming, response) => {
  incoming.resume()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  void play(response)
})

async function play(response: ServerResponse): Promise<void> {
  for (const token of TEXT) {
    response.write(frameOf(token, `t${performance.now()}`))
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
  response.end('data: [DONE]\n\n')
}

type Times = { readonly first: number[]; readonly chunk: number[] }

/** One stream: from the request to the first byte, and from each frame's sending to its arrival. */
function listen(url: string, times: Times): Promise<void> {
  return new Promise((resolve, reject) => {
    const begin = performance.now()
    let isFirst = true
    const outgoing = request(`${url}/v1/chat/completions`, { method: 'POST' }, (incoming) => {
      incoming.on('data', (bytes: Buffer) => {
        const now = performance.now()
        if (isFirst) times.first.push(now - begin)
        else {
          for (const match of bytes.toString('latin1').matchAll(/"id":"t([\d.]+)"/g)) {
            times.chunk.push(now - Number(match[1]))
          }
        }
        isFirst = false
      })
      incoming.on('end', resolve)
      incoming.on('error', reject)
    })
    outgoing.setHeader('content-type', 'application/json')
    outgoing.on('error', reject)
    outgoing.end(
      JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    )
  })
}

async function round(url: string, times: Times): Promise<void> {
  // Starts are spread over one interval, as independent clients' are.
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, (i * EVERY_MS) / STREAMS))
      await listen(url, times)
    }),
  )
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}

/** Held bytes after every frame of honest text, and at the frames after which nothing was open. */
function heldBytes(): { all: number[]; idle: number[] } {
  const options = guardOptions(false)
  const all: number[] = []
  const idle: number[] = []
  let open: { readonly openFrom: number | undefined; readonly length?: number } | undefined
  const base = options()
  const guard = createStreamGuard({
    ...base,
    scan: (channel) => {
      const scan = base.scan?.(channel)
      open = scan
      return scan
    },
  })
  for (const token of tokens(20_000)) {
    guard.push(Buffer.from(frameOf(token, 'x')))
    all.push(guard.heldBytes)
    if (open?.openFrom === open?.length) idle.push(guard.heldBytes)
  }
  return { all, idle }
}

/** CPU time of the guard alone, for one frame: other load on the machine hardly moves it. */
function guardCpuUs(): number {
  const chunks = tokens(20_000).map((token) => Buffer.from(frameOf(token, 'x')))
  const run = (): number => {
    const guard = createStreamGuard(guardOptions(false)())
    const begin = process.cpuUsage()
    for (const chunk of chunks) guard.push(chunk)
    const { user, system } = process.cpuUsage(begin)
    return (user + system) / chunks.length
  }
  return Math.min(run(), run(), run())
}

/** Heap after a collection, before and after ten thousand streams. */
function heapGrowth(): number {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  const options = guardOptions(false)
  const chunks = tokens(50).map((token) => Buffer.from(frameOf(token, 'x')))
  const run = (streams: number): void => {
    for (let i = 0; i < streams; i++) {
      const guard = createStreamGuard(options())
      for (const chunk of chunks) guard.push(chunk)
      guard.end()
    }
  }
  run(500)
  collect()
  const before = process.memoryUsage().heapUsed
  run(10_000)
  collect()
  return process.memoryUsage().heapUsed - before
}

type Report = { readonly url?: string; readonly cpu?: NodeJS.CpuUsage; readonly rss?: number }

const next = (child: ReturnType<typeof fork>): Promise<Report> =>
  new Promise((resolve) => child.once('message', (message) => resolve(message as Report)))

function onMessage(child: ReturnType<typeof fork>): Promise<Report> {
  const answer = next(child)
  child.send('cpu')
  return answer
}

await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
const direct = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
const start = async (mode: string): Promise<{ child: ReturnType<typeof fork>; url: string }> => {
  const child = fork(join(import.meta.dirname, 'stream-sidecar.ts'), [direct, mode], {
    execArgv: ['--import', 'tsx'],
  })
  return { child, url: (await next(child)).url ?? '' }
}
const guarded = await start('guard')
const relay = await start('relay')
const times = {
  direct: { first: [], chunk: [] },
  guarded: { first: [], chunk: [] },
  relay: { first: [], chunk: [] },
} as Record<string, Times>
const at = (name: string): Times => times[name] ?? { first: [], chunk: [] }
for (const url of [direct, guarded.url, relay.url]) await round(url, { first: [], chunk: [] })
const before = await onMessage(guarded.child)
for (let i = 0; i < ROUNDS; i++) {
  await round(direct, at('direct'))
  await round(guarded.url, at('guarded'))
  await round(relay.url, at('relay'))
}
const after = await onMessage(guarded.child)
const cpuUs =
  (after.cpu?.user ?? 0) +
  (after.cpu?.system ?? 0) -
  (before.cpu?.user ?? 0) -
  (before.cpu?.system ?? 0)
guarded.child.send('exit')
relay.child.send('exit')
upstream.close()
upstream.closeAllConnections()

const added = (kind: 'first' | 'chunk', q: number, over = 'direct'): number =>
  Number((quantile(at('guarded')[kind], q) - quantile(at(over)[kind], q)).toFixed(3))
const held = heldBytes()
const framesPerCpuSecond = (ROUNDS * STREAMS * FRAMES) / (cpuUs / 1e6)
const result = {
  added_first_ms_p50: added('first', 0.5),
  added_first_ms_p99: added('first', 0.99),
  added_chunk_ms_p50: added('chunk', 0.5),
  added_chunk_ms_p99: added('chunk', 0.99),
  added_by_guard_chunk_ms_p50: added('chunk', 0.5, 'relay'),
  guard_cpu_us_per_frame: Number(guardCpuUs().toFixed(2)),
  held_bytes_p99_idle: quantile(held.idle, 0.99),
  held_bytes_p99: quantile(held.all, 0.99),
  streams_per_core: Math.round(framesPerCpuSecond / 50),
  heap_growth_bytes_10k_streams: heapGrowth(),
  direct_chunk_ms_p50: Number(quantile(at('direct').chunk, 0.5).toFixed(3)),
  direct_chunk_ms_p99: Number(quantile(at('direct').chunk, 0.99).toFixed(3)),
}
console.table(result)
if (process.argv.includes('--json')) console.log(JSON.stringify(result))
if (process.argv.includes('--record')) {
  const head = {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model,
    node: process.version,
    held_fixed: `${STREAMS} streams, ${FRAMES} frames every ${EVERY_MS} ms, ${ROUNDS} rounds in turn, 403 phrases; streams_per_core at 50 frames a second`,
  }
  const path = join(import.meta.dirname, 'record/stream.json')
  writeFileSync(path, `${JSON.stringify({ ...head, ...result }, null, 2)}\n`)
}
