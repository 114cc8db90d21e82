/**
 * What broken clients and upstreams cost the sidecar, in memory and in other clients' answers.
 *
 * Run: npm run bench:faults [-- --json] [-- --record]. The built sidecar in proxy mode, in a process of
 * its own; upstream and clients are here. After each fault an honest client asks for its answer.
 *
 * Half-open is a peer that vanished without a FIN. No packet is dropped here, so its kernel still
 * acknowledges; what is simulated is all that the sidecar's process sees of it: a client that has asked
 * and then reads nothing, writes nothing and never closes, before an upstream that accepts and says
 * nothing; and an upstream that says nothing, or nothing more in the middle of an answer, before a client
 * that waits. Freed is when the upstream has seen the last of these connections end. A client that reads
 * nothing of an answer that goes on is a scene of its own.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, serve, temporary } from '../e2e/process.ts'
import { report } from './report.ts'
import { residentBytes } from './stream-gateways.ts'
import { frameOf } from './stream-parts.ts'

const IDLE = 10_000
const SLOW = 1_000
const UNREAD = 64
const BROKEN = 500
const LARGE = 50
/** Longer than a busy machine lets a process wait for its turn: an honest client is not cut for that. */
const CUT_MS = 5_000
const HALF_OPEN = 100
const SILENCE_MS = 4_000

const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const part = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const say = (content: string): string => part(frameOf({ content }))
const HELD = say('hello') + say(' secret') + say('-code')
const END = `${part('data: [DONE]\n\n')}0\r\n\r\n`
const LONG = say('x'.repeat(1 << 20))
const BLOCK = say('x'.repeat(64 * 1024))

/** What the upstream does is what the request names as its model. */
const TALKS: Readonly<Record<string, (socket: Socket) => void>> = {
  honest: (socket) => socket.end(HEAD + say('hello') + END),
  cut: (socket) => {
    socket.write(HEAD + HELD.slice(0, -40))
    setTimeout(() => socket.destroy(), 20)
  },
  garbage: (socket) => socket.end(`${HEAD}${HELD}${part('data: {"choices":[{\n\n')}0\r\n\r\n`),
  large: (socket) => socket.end(HEAD + LONG + END),
  endless: (socket) => {
    socket.write(HEAD)
    // A write that the other side takes at once is whole at once: without a pause nobody else has a turn.
    const more = (): void => {
      if (!socket.destroyed && socket.write(BLOCK)) setImmediate(more)
    }
    socket.on('drain', more)
    more()
  },
  silent: (socket) => void socket.resume(),
  vanishing: (socket) => {
    socket.resume()
    socket.write(HEAD + HELD)
  },
}

/** Connections of the upstream on which it does not answer by itself, by what it does on them. */
const waiting = new Map<string, Set<Socket>>()
function wait(model: string, socket: Socket): void {
  const sockets = waiting.get(model) ?? new Set()
  waiting.set(model, sockets.add(socket))
  socket.once('close', () => sockets.delete(socket))
}

function startUpstream(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (bytes: Buffer) => {
      const model = /"model":"(\w+)"/.exec(bytes.toString('latin1'))?.[1] ?? 'honest'
      if (model === 'silent' || model === 'vanishing') wait(model, socket)
      TALKS[model]?.(socket)
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

const server = await startUpstream()
ensureBuilt()
const policy = join(temporary(), 'policy.yaml')
const trigger = { type: 'keywords', any: ['secret-code-1234'] }
const rule = { name: 'code', trigger, actions: [{ type: 'redact' }] }
writeFileSync(policy, JSON.stringify({ name: 'faults', rules: [rule] }))
const sidecar = await serve({
  mode: 'proxy',
  server: { max_connections: IDLE + 2_000, request_timeout: `${CUT_MS}ms`, timeout: `${CUT_MS}ms` },
  backend: {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    timeout: `${SILENCE_MS}ms`,
  },
  policies: { path: policy },
  telemetry: { log_level: 'silent' },
})
const port = Number(new URL(sidecar.url).port)

const mebibytes = (): number => Math.round((residentBytes(sidecar.pid) / 2 ** 20) * 10) / 10

const requestOf = (model: string): string => {
  const messages = [{ role: 'user', content: 'hi' }]
  const body = JSON.stringify({ model, stream: true, messages })
  const head = `host: x\r\nconnection: close\r\ncontent-length: ${body.length}`
  return `POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${body}`
}

/** Undefined when the system gives no further connection. */
function dial(): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket))
    socket.on('error', () => resolve(undefined))
  })
}

async function many(count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let at = 0; at < count; at += 200) {
    const more = await Promise.all(Array.from({ length: Math.min(200, count - at) }, dial))
    sockets.push(...more.filter((socket) => socket !== undefined))
  }
  return sockets
}

/** The whole answer. */
async function ask(model: string): Promise<string> {
  const socket = await dial()
  if (socket === undefined) return ''
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
  socket.write(requestOf(model))
  await new Promise((resolve) => socket.once('close', resolve))
  return text
}

async function isHonest(): Promise<boolean> {
  const text = await ask('honest')
  const isServed = text.includes('hello')
  if (!isServed) console.error('an honest client read', JSON.stringify(text.slice(0, 500)))
  return isServed
}

const hangUp = async (sockets: readonly Socket[]): Promise<void> => {
  for (const socket of sockets) socket.destroy()
  await sleep(1_000)
}

async function idle() {
  const before = mebibytes()
  const sockets = await many(IDLE)
  const during = mebibytes()
  const begin = performance.now()
  const honest = await isHonest()
  const honestMs = Math.round(performance.now() - begin)
  await hangUp(sockets)
  const bytes = Math.round(((during - before) * 2 ** 20) / sockets.length)
  return { connections: sockets.length, bytes_each: bytes, honest, honest_ms: honestMs }
}

async function slow() {
  const sockets = await many(SLOW)
  const begin = performance.now()
  for (const socket of sockets) {
    socket.resume()
    socket.write('GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: ')
    const drip = setInterval(() => socket.write('x'), 250)
    socket.once('close', () => clearInterval(drip))
  }
  const honest = await isHonest()
  await Promise.all(
    sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
  )
  return { connections: sockets.length, all_cut_ms: Math.round(performance.now() - begin), honest }
}

async function unread() {
  const before = mebibytes()
  const sockets = await many(UNREAD)
  for (const socket of sockets) {
    socket.pause()
    socket.write(requestOf('endless'))
  }
  let most = before
  for (let i = 0; i < 15; i++) {
    await sleep(100)
    most = Math.max(most, mebibytes())
  }
  const honest = await isHonest()
  await sleep(CUT_MS)
  await hangUp(sockets)
  return { connections: UNREAD, kib_each: Math.round(((most - before) * 1024) / UNREAD), honest }
}

async function broken(model: string, count: number) {
  let errors = 0
  let leaks = 0
  for (let at = 0; at < count; at += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(model)))
    for (const text of answers) {
      if (/"type":"upstream_error"[^]*data: \[DONE\]/.test(text)) errors++
      if (/secret|-code/.test(text)) leaks++
    }
  }
  return { answers: count, clear_errors: errors, leaks, honest: await isHonest() }
}

async function large() {
  let whole = 0
  for (let i = 0; i < LARGE; i++) {
    const text = await ask('large')
    if ((text.match(/x/g)?.length ?? 0) >= 1 << 20) whole++
  }
  return { frames_of_1_mib: LARGE, whole, honest: await isHonest() }
}

/** All that wait for one another: none may stay. */
async function halfOpen() {
  const before = mebibytes()
  const begin = performance.now()
  const clients = await many(HALF_OPEN)
  for (const socket of clients) {
    socket.pause()
    socket.write(requestOf('silent'))
  }
  const models = ['silent', 'vanishing'].flatMap((model) => Array<string>(HALF_OPEN).fill(model))
  const answers = Promise.all(models.map(ask))
  let most = 0
  let reached = 0
  const open = (): number => [...waiting.values()].reduce((sum, { size }) => sum + size, 0)
  const honest: boolean[] = []
  let honestMs = 0
  for (let waited = 0; waited < 6 * SILENCE_MS; waited += 100) {
    await sleep(100)
    most = Math.max(most, mebibytes())
    reached = Math.max(reached, open())
    const asked = performance.now()
    honest.push(await isHonest())
    honestMs = Math.max(honestMs, performance.now() - asked)
    if (reached > 0 && open() === 0) break
  }
  const freedMs = Math.round(performance.now() - begin)
  const texts = await answers
  const figures = {
    clients: clients.length,
    upstreams: models.length,
    connections_at_once: reached,
    left_open: open(),
    freed_ms: freedMs,
    kib_each: Math.round(((most - before) * 1024) / (clients.length + models.length)),
    clear_errors: texts.filter((text) => text.includes('"type":"upstream_error"')).length,
    leaks: texts.filter((text) => /secret|-code/.test(text)).length,
    honest: honest.every(Boolean),
    honest_ms_most: Math.round(honestMs),
  }
  await hangUp(clients)
  return figures
}

for (let i = 0; i < 50; i++) await ask('honest')
const figures: Record<string, unknown> = { resident_mib_before: mebibytes() }
const scenes: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['idle_connections', idle],
  ['slow_headers', slow],
  ['clients_that_do_not_read', unread],
  ['cut_in_a_frame', () => broken('cut', BROKEN)],
  ['garbage_frames', () => broken('garbage', BROKEN)],
  ['large_frames', large],
  ['half_open', halfOpen],
]
for (const [name, play] of scenes) {
  figures[name] = await play()
  console.error(name, JSON.stringify(figures[name]))
}
figures['resident_mib_after'] = mebibytes()
await sidecar.stop()
report('faults', figures)
process.exit(0)
