/** The load of the stream bench: streams at a pace, and what a client sees of them. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { nowUs, RECORDED, STAMP_END, STAMP_OPEN, STAMP_START } from './stream-parts.ts'

/** Milliseconds: request to first frame, and each later frame from its sending to its arrival. */
export type Times = {
  /** By request, so that the same request of two sides can be told. */
  readonly first: Map<string, number>
  readonly chunk: number[]
  /** The same of frames after which no match was open. */
  readonly idle?: Times
}

export const noTimes = (): Times => ({ first: new Map(), chunk: [] })

export type Target = {
  readonly url: string
  readonly model?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Stream = {
  readonly frames: number
  readonly everyMs: number
  /** All streams' frames at the same instants, as of one engine that batches; else each on its own clock. */
  readonly inStep?: boolean
  /** Frames of recorded streams. */
  readonly recorded?: boolean
}

/** Who starts what when. The same seed is the same schedule. */
export type Plan = {
  readonly streams: number
  readonly everyMs: number
  /** Shortest and longest stream, in frames. */
  readonly frames: readonly [number, number]
  readonly lengthMs: number
  /** `spread`: starts and frames at instants of their own; `burst`: all of them at the same ones. */
  readonly arrivals: 'spread' | 'burst'
  readonly recorded?: boolean
  readonly seed: number
}

export const agentOf = (): Agent => new Agent({ keepAlive: true, maxSockets: 256 })

type Taken = { readonly name: string; readonly times: Times }

/** One stream to its end; rejects when it brings another number of frames than was asked for. */
export function listen(
  { url, model = 'm', headers }: Target,
  { frames, everyMs, inStep = false, recorded = false }: Stream,
  agent: Agent,
  taken?: Taken,
): Promise<void> {
  const body = Buffer.from(
    JSON.stringify({
      model,
      stream: true,
      max_tokens: frames,
      seed: everyMs,
      temperature: inStep ? 1 : 0,
      ...(recorded ? { user: RECORDED } : {}),
      messages: [{ role: 'user', content: 'How do I open an account with you?' }],
    }),
  )
  const { hostname, port } = new URL(url)
  const options = {
    hostname,
    port,
    path: '/v1/chat/completions',
    method: 'POST',
    agent,
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      authorization: 'Bearer bench',
      ...headers,
    },
  }
  return new Promise((resolve, reject) => {
    const begin = nowUs()
    let seen = 0
    const outgoing = request(options, (incoming) => {
      let rest = ''
      incoming.on('data', (bytes: Buffer) => {
        const now = nowUs()
        const text = rest + bytes.toString('latin1')
        let at = 0
        for (;;) {
          const from = text.indexOf(STAMP_START, at)
          const to = from < 0 ? -1 : text.indexOf(STAMP_END, from)
          if (to < 0) break
          const isOpen = text[to - 1] === STAMP_OPEN
          const since = seen++ === 0 ? begin : Number.parseInt(text.slice(from + 1, to), 10)
          if (taken !== undefined)
            note(taken, { ms: (now - since) / 1000, isFirst: seen === 1, isOpen })
          at = to
        }
        rest = text.slice(at).slice(-200)
      })
      incoming.on('end', () => {
        if (seen === frames) return resolve()
        reject(new Error(`${url} gave ${seen} frames (${incoming.statusCode}): ${rest}`))
      })
      incoming.on('error', reject)
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that its server closed just then: nothing was asked yet.
      if (outgoing.reusedSocket && error.code === 'ECONNRESET' && seen === 0) {
        listen(
          { url, model, ...(headers && { headers }) },
          { frames, everyMs, inStep, recorded },
          agent,
          taken,
        ).then(resolve, reject)
      } else reject(error)
    })
    outgoing.end(body)
  })
}

type Seen = { readonly ms: number; readonly isFirst: boolean; readonly isOpen: boolean }

function note({ name, times }: Taken, { ms, isFirst, isOpen }: Seen): void {
  for (const one of isOpen ? [times] : [times, times.idle]) {
    if (isFirst) one?.first.set(name, ms)
    else one?.chunk.push(ms)
  }
}

/** `streams` at a time, each `rounds` times. */
export async function repeat(
  target: Target,
  stream: Stream,
  agent: Agent,
  { streams, rounds }: { readonly streams: number; readonly rounds: number },
): Promise<void> {
  const one = async (): Promise<void> => {
    for (let i = 0; i < rounds; i++) await listen(target, stream, agent)
  }
  await Promise.all(Array.from({ length: streams }, one))
}

/**
 * Code that has run often is compiled, until an object of a shape it has not met sends it back: so connections
 * come and go before the many short requests, as they do in the life of a process that serves for weeks.
 */
export async function warmUp(target: Target, requests: number): Promise<void> {
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const agent = agentOf()
    await repeat(target, { frames: 20, everyMs: 5 }, agent, { streams: 32, rounds: 1 })
    const rounds = Math.ceil(requests / WARM_ROUNDS / 32)
    await repeat(target, { frames: 2, everyMs: 0 }, agent, { streams: 32, rounds })
    agent.destroy()
  }
}

const WARM_ROUNDS = 6

/** The same for recorded streams, whose frames are of other shapes. */
export async function warmUpRecorded(target: Target, rounds: number): Promise<void> {
  const agent = agentOf()
  await repeat(target, { frames: 60, everyMs: 5, recorded: true }, agent, { streams: 32, rounds })
  agent.destroy()
}

/**
 * A plan against a target. There are always `streams` under way: each place starts its next stream when
 * its last one ended. Spread, a place begins at a random instant of the longest stream and its streams
 * are of random length, so that starts fall anywhere; in a burst all start together, again and again.
 */
export async function play(target: Target, plan: Plan, agent: Agent, times: Times): Promise<void> {
  const { streams, everyMs, frames, lengthMs, arrivals, seed, recorded = false } = plan
  const [least, most] = frames
  const begin = performance.now()
  if (arrivals === 'burst') {
    for (let i = 0; performance.now() - begin < lengthMs; i++) {
      const stream = { frames: most, everyMs, inStep: true }
      const one = (_: unknown, place: number): Promise<void> =>
        listen(target, stream, agent, { name: `${seed} ${place} ${i}`, times })
      await Promise.all(Array.from({ length: streams }, one))
    }
    return
  }
  const one = async (_: unknown, place: number): Promise<void> => {
    const random = randomOf(seed * 1_000 + place + 1)
    await sleep(random() * most * everyMs)
    for (let i = 0; performance.now() - begin < lengthMs; i++) {
      const count = least + Math.floor(random() * (most - least + 1))
      const taken = { name: `${seed} ${place} ${i}`, times }
      await listen(target, { frames: count, everyMs, recorded }, agent, taken)
    }
  }
  await Promise.all(Array.from({ length: streams }, one))
}

/** Numbers in [0, 1), mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function quantile(values: Iterable<number>, q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}
