import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { AnswerBody } from '../../src/proxy/answer-body.ts'
import { Cancel } from '../../src/proxy/cancel.ts'
import { pump } from '../../src/proxy/exchange-http.ts'

const CHUNK = 64 * 1024

/** An upstream whose socket always has more: it pushes until it is paused, as libuv reads. */
class Flood {
  readonly body: AnswerBody
  #left: number
  #isPaused = false
  #isPushing = false

  constructor(chunks: number) {
    this.#left = chunks
    this.body = new AnswerBody({
      pause: () => (this.#isPaused = true),
      resume: () => {
        this.#isPaused = false
        if (!this.#isPushing) setImmediate(() => this.push())
      },
      abort: () => undefined,
    })
  }

  push(): void {
    this.#isPushing = true
    while (!this.#isPaused && this.#left > 0) {
      this.body.push(Buffer.alloc(CHUNK, this.#left--))
    }
    this.#isPushing = false
    if (this.#left === 0) this.body.end()
  }
}

describe('pump', () => {
  it('takes a share of each turn, however much the upstreams send, and loses nothing', async () => {
    const perTurn: number[] = [0]
    let isOver = false
    const turn = (): void => {
      perTurn.push(0)
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const order: number[][] = []
    const run = async (): Promise<void> => {
      const flood = new Flood(100)
      const seen: number[] = []
      order.push(seen)
      const response = { writableEnded: false, write: () => true } as unknown as ServerResponse
      const push = (chunk: Uint8Array): Uint8Array[] => {
        perTurn[perTurn.length - 1] = (perTurn.at(-1) ?? 0) + chunk.length
        seen.push(chunk[0] ?? 0)
        return [chunk]
      }
      const ended = pump(flood.body, response, {
        transform: { push, end: () => [] },
        idleMs: 1_000,
        onFirst: () => undefined,
        signal: new Cancel(),
      })
      flood.push()
      expect(await ended).toBe('ended')
    }
    await Promise.all([run(), run(), run(), run()])
    isOver = true
    const wanted = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(order).toEqual([wanted, wanted, wanted, wanted])
    // The share, and a chunk of each that was read already.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(256 * 1024 + 4 * CHUNK)
  })
})
