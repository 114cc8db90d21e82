/**
 * Broken upstreams and broken clients at real sockets, with the guard in the path: errors that a client
 * library understands, bounded memory, and nothing of what was held.
 */
import { createServer, connect, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createStreamTransform } from '../../src/stream/transform.ts'
import { optionsFor } from '../stream/streams.ts'
import { chunkOf, event, startProxy, temp } from './upstream.ts'
import type { RunningProxy } from './upstream.ts'

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

type Talk = (socket: Socket) => void | Promise<void>

/** An upstream that speaks HTTP by hand: it answers every request with `talk`. */
async function upstreamOf(talk: Talk): Promise<string> {
  const sockets = new Set<Socket>()
  const path = temp('raw.sock')
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', () => void talk(socket))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  open.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        for (const socket of sockets) socket.destroy()
      }),
  )
  return `unix://${path}`
}

const limits = {
  bodyBytes: 1 << 20,
  allBodiesBytes: 64 << 20,
  requests: 64,
  connections: 2_048,
  idleMs: 5_000,
  requestMs: 5_000,
}

async function proxyTo(upstream: string, more: Partial<typeof limits> = {}): Promise<RunningProxy> {
  const running = await startProxy(
    upstream,
    {
      admit: () =>
        Promise.resolve({
          kind: 'admit',
          binding: undefined,
          transform: () =>
            createStreamTransform(
              optionsFor('openai-chat', [{ phrase: 'secret-code-1234', redact: '[KEY]' }]),
            ),
        }),
      limits: { ...limits, ...more },
    },
    { timeoutMs: 1_500, attempts: 3 },
  )
  open.push(running.close)
  return running
}

const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const part = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const say = (content: string): string => event(chunkOf({ content }))
const body = JSON.stringify({
  model: 'm',
  stream: true,
  messages: [{ role: 'user', content: 'hi' }],
})

async function ask(running: RunningProxy): Promise<string> {
  const answer = await fetch(`${running.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  return answer.text()
}

const FAILED =
  /data: \{"error":\{"message":"[^\n]+","type":"upstream_error"[^\n]*\n\ndata: \[DONE\]\n\n$/

describe('an upstream', () => {
  it.each([
    ['in the middle of a frame', (whole: string) => whole.slice(0, whole.length - 20)],
    ['in the middle of a chunk', (whole: string) => whole.slice(0, -2) + 'fff\r\ndata: {"choi'],
    ['between frames', (whole: string) => whole],
  ])('that breaks off %s leaves an error, and nothing of what was held', async (_, cut) => {
    const frames = part(say('hello')) + part(say(' secret')) + part(say('-code'))
    const upstream = await upstreamOf((socket) => {
      socket.write(HEAD + cut(frames))
      setTimeout(() => socket.destroy(), 30)
    })
    const text = await ask(await proxyTo(upstream))
    expect(text).toContain('hello')
    expect(text).not.toMatch(/secret|-code/)
    expect(text).toMatch(FAILED)
  })

  it.each([
    ['frames that are no JSON', 'data: {"choices":[{"index":0,"delta":{"content":"bo\n\n'],
    ['bytes that are no text', `data: ${'\u0000\u00ff'.repeat(40)}\n\n`],
    ['a frame beyond the bound', `data: {"x":"${'x'.repeat(5 << 20)}"}\n\n`],
  ])('that sends %s leaves an error, and nothing of what was held', async (_, garbage) => {
    const upstream = await upstreamOf((socket) => {
      socket.write(HEAD + part(say('hello')) + part(say(' secret')) + part(garbage))
      socket.end('0\r\n\r\n')
    })
    const text = await ask(await proxyTo(upstream))
    expect(text).toContain('hello')
    expect(text).not.toMatch(/secret/)
    expect(text).toMatch(FAILED)
  })

  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['broken chunks', `${HEAD}zz\r\n${say('hello')}\r\n`],
    ['nothing and closes', ''],
  ])('that speaks %s is a clear error', async (_, bytes) => {
    const upstream = await upstreamOf((socket) => void socket.end(bytes))
    const running = await proxyTo(upstream)
    expect(await ask(running)).toMatch(/"type":"upstream_error"/)
    expect(running.exchanges.map(({ outcome }) => outcome)).toEqual(['upstream_failed'])
  })

  /** Answers the first request of a connection and does `then` with the second. */
  const keeping = async (then: (socket: Socket) => void) => {
    const seen: number[] = []
    let connections = 0
    const upstream = await upstreamOf((socket) => {
      const connection = ++connections
      seen.push(connection)
      socket.write(`${HEAD}${part(say('hello'))}${part('data: [DONE]\n\n')}0\r\n\r\n`)
      socket.once('data', () => {
        seen.push(connection)
        then(socket)
      })
    })
    return { seen, running: await proxyTo(upstream) }
  }

  it.each([
    ['ends', (socket: Socket) => void socket.end()],
    ['cuts', (socket: Socket) => void socket.destroy()],
  ])('that %s a kept connection as the request comes is asked anew', async (_, then) => {
    const { seen, running } = await keeping(then)
    expect(await ask(running)).toContain('hello')
    expect(await ask(running)).toContain('hello')
    expect(seen).toEqual([1, 1, 2])
  })

  it.each([
    ['after it began to answer', (socket: Socket) => void socket.end('HTTP/1.1 2')],
    ['after a while', (socket: Socket) => void setTimeout(() => socket.end(), 1_200)],
  ])('that ends a kept connection %s is not asked twice', async (_, then) => {
    const { seen, running } = await keeping(then)
    expect(await ask(running)).toContain('hello')
    expect(await ask(running)).toMatch(/"type":"upstream_error"/)
    expect(seen).toEqual([1, 1])
  })

  it('that ends its first connection without an answer is not asked twice', async () => {
    let asked = 0
    const upstream = await upstreamOf((socket) => {
      asked++
      socket.end()
    })
    expect(await ask(await proxyTo(upstream))).toMatch(/"type":"upstream_error"/)
    expect(asked).toBe(1)
  })

  it('sends frames of one megabyte, cut small, and they pass whole', async () => {
    const long = say('x'.repeat(1 << 20))
    const upstream = await upstreamOf(async (socket) => {
      socket.write(HEAD)
      for (let at = 0; at < long.length; at += 10_000) {
        if (!socket.write(part(long.slice(at, at + 10_000)))) {
          await new Promise((resolve) => socket.once('drain', resolve))
        }
      }
      socket.end(`${part('data: [DONE]\n\n')}0\r\n\r\n`)
    })
    expect(await ask(await proxyTo(upstream))).toBe(`${long}data: [DONE]\n\n`)
  })

  it('that falls silent in an answer is left after its time', async () => {
    const upstream = await upstreamOf((socket) => void socket.write(HEAD + part(say('hello'))))
    expect(await ask(await proxyTo(upstream))).toMatch(FAILED)
  })
})

const request = (head = ''): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${head}content-length: ${body.length}\r\n\r\n${body}`

function dial(running: RunningProxy): Socket {
  const { hostname, port } = new URL(running.url)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  socket.on('error', () => undefined)
  open.push(async () => socket.destroy())
  return socket
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => socket.once('close', resolve))

const answers: Talk = (socket) => {
  socket.end(`${HEAD}${part(say('hello'))}${part('data: [DONE]\n\n')}0\r\n\r\n`)
}

describe('a client', () => {
  it('that closes its side is gone: the upstream is cut and its place is free', async () => {
    let isCut = false
    const upstream = await upstreamOf((socket) => {
      socket.once('close', () => (isCut = true))
      socket.write(HEAD + part(say('hello')))
    })
    const running = await proxyTo(upstream)
    const socket = dial(running)
    socket.write(request())
    await new Promise((resolve) => socket.once('data', resolve))
    socket.end()
    await expect.poll(() => running.exchanges[0]?.outcome).toBe('client_gone')
    await expect.poll(() => isCut).toBe(true)
    expect(running.proxy.active()).toBe(0)
  })

  it('that does not read is cut after its time, and the upstream with it', async () => {
    let sent = 0
    let isCut = false
    const block = part(say('x'.repeat(64 * 1024)))
    const upstream = await upstreamOf(async (socket) => {
      const gone = closed(socket).then(() => (isCut = true))
      socket.write(HEAD)
      while (!socket.destroyed && sent < 4_000) {
        sent++
        if (socket.write(block)) continue
        await Promise.race([new Promise((done) => socket.once('drain', done)), gone])
      }
    })
    const running = await proxyTo(upstream, { idleMs: 500 })
    const socket = dial(running)
    socket.pause()
    socket.write(request())
    await expect.poll(() => running.exchanges[0]?.outcome, { timeout: 20_000 }).toBe('client_gone')
    await expect.poll(() => isCut).toBe(true)
    // What the kernel and the streams buffer on the way, and no more.
    expect(sent * block.length).toBeLessThan(32 << 20)
  })

  it.each([
    ['its headers', 'GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: '],
    ['its body', 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n{'],
  ])('that dribbles %s is cut; honest ones beside it are served', async (_, begin) => {
    const running = await proxyTo(await upstreamOf(answers), { requestMs: 1_000 })
    const slow = Array.from({ length: 100 }, () => dial(running))
    for (const socket of slow) {
      socket.resume()
      socket.write(begin)
      const drip = setInterval(() => socket.write('x'), 100)
      socket.once('close', () => clearInterval(drip))
    }
    expect(await ask(running)).toContain('hello')
    await Promise.all(slow.map(closed))
    expect(await ask(running)).toContain('hello')
    await expect.poll(() => running.proxy.active()).toBe(0)
  })

  it('of a thousand that connect and say nothing costs no request its answer', async () => {
    const running = await proxyTo(await upstreamOf(answers))
    const silent = Array.from({ length: 1_000 }, () => dial(running))
    await Promise.all(silent.map((socket) => new Promise((done) => socket.once('connect', done))))
    expect(await ask(running)).toContain('hello')
  })

  it('beyond the bound of connections is turned away', async () => {
    const running = await proxyTo(await upstreamOf(answers), { connections: 10 })
    const silent = Array.from({ length: 10 }, () => dial(running))
    await Promise.all(silent.map((socket) => new Promise((done) => socket.once('connect', done))))
    const late = dial(running)
    late.resume()
    await new Promise((resolve) => late.once('end', resolve).once('close', resolve))
    for (const socket of silent) socket.destroy()
    await expect.poll(() => ask(running).catch(() => '')).toContain('hello')
  })
})
