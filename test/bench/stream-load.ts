/** The load of the stream bench: streams at a pace, and what a client sees of them. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { nowUs, STAMP } from './stream-parts.ts'

/** Milliseconds: request to first frame, and each later frame from its sending to its arrival. */
export type Times = { readonly first: number[]; readonly chunk: number[] }

export type Load = {
  readonly url: string
  readonly model?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly frames: number
  readonly everyMs: number
}

export const agentOf = (): Agent => new Agent({ keepAlive: true, maxSockets: 256 })

/** One stream to its end; rejects when it brings another number of frames than was asked for. */
export function listen(load: Load, agent: Agent, times?: Times): Promise<void> {
  return new Promise((resolve, reject) => {
    const begin = nowUs()
    let seen = 0
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer bench',
      ...load.headers,
    }
    const url = `${load.url}/v1/chat/completions`
    const outgoing = request(url, { method: 'POST', agent, headers }, (incoming) => {
      let rest = ''
      incoming.on('data', (bytes: Buffer) => {
        const now = nowUs()
        const text = rest + bytes.toString('latin1')
        let end = 0
        for (const match of text.matchAll(STAMP)) {
          if (seen++ === 0) times?.first.push((now - begin) / 1000)
          else times?.chunk.push((now - Number(match[1])) / 1000)
          end = match.index + match[0].length
        }
        rest = text.slice(end).slice(-200)
      })
      incoming.on('end', () => {
        if (seen === load.frames) return resolve()
        reject(new Error(`${load.url} gave ${seen} frames (${incoming.statusCode}): ${rest}`))
      })
      incoming.on('error', reject)
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that its server closed just then: nothing was asked yet.
      if (outgoing.reusedSocket && error.code === 'ECONNRESET' && seen === 0) {
        listen(load, agent, times).then(resolve, reject)
      } else reject(error)
    })
    outgoing.end(
      JSON.stringify({
        model: load.model ?? 'm',
        stream: true,
        max_tokens: load.frames,
        seed: load.everyMs,
        messages: [{ role: 'user', content: 'How do I open an account with you?' }],
      }),
    )
  })
}

/** `streams` at a time, each again and again until `untilMs` of load; starts are spread evenly. */
export async function run(
  load: Load,
  agent: Agent,
  { streams, rounds, times }: { streams: number; rounds: number; times?: Times },
): Promise<void> {
  const lengthMs = load.frames * load.everyMs
  const one = async (index: number): Promise<void> => {
    await sleep((index * lengthMs) / streams)
    for (let i = 0; i < rounds; i++) await listen(load, agent, times)
  }
  await Promise.all(Array.from({ length: streams }, (_, index) => one(index)))
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}
