/**
 * What broken clients and upstreams cost the sidecar, in memory and in other clients' answers.
 *
 * Run: npm run bench:faults [-- --json] [-- --record]. The built sidecar in proxy mode, in a process of
 * its own; upstream and clients are here. After each fault an honest client asks for its answer.
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
const CUT_MS = 2_000

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
    const more = (): void => {
      while (!socket.destroyed && socket.write(BLOCK));
    }
    socket.on('drain', more)
    more()
  },
}

function startUpstream(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (bytes: Buffer) => {
      const model = /"model":"(\w+)"/.exec(bytes.toString('latin1'))?.[1] ?? 'honest'
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
  backend: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
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

const isHonest = async (): Promise<boolean> => (await ask('honest')).includes('hello')

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

for (let i = 0; i < 50; i++) await ask('honest')
const figures: Record<string, unknown> = { resident_mib_before: mebibytes() }
const scenes: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['idle_connections', idle],
  ['slow_headers', slow],
  ['clients_that_do_not_read', unread],
  ['cut_in_a_frame', () => broken('cut', BROKEN)],
  ['garbage_frames', () => broken('garbage', BROKEN)],
  ['large_frames', large],
]
for (const [name, play] of scenes) {
  figures[name] = await play()
  console.error(name, JSON.stringify(figures[name]))
}
figures['resident_mib_after'] = mebibytes()
await sidecar.stop()
report('faults', figures)
process.exit(0)
