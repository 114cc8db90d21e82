import { describe, expect, it } from 'vitest'
import { merge, runSide, toRunEvents, type Ask, type RunEvent } from '../../src/playground/run.ts'

const encoder = new TextEncoder()
const frame = (value: unknown): Uint8Array => encoder.encode(`data: ${JSON.stringify(value)}\n\n`)

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk
}

const ask = (chunks: readonly Uint8Array[]): Ask => ({
  requestId: 'r1',
  bytes: stream(chunks),
  textOf: (id) => `<${id}>`,
  walk: undefined,
  client: { push: (chunk) => [chunk], end: () => [] },
})

async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const out: RunEvent[] = []
  for await (const event of events) out.push(event)
  return out
}

const CHUNKS = [
  frame({ choices: [{ delta: { role: 'assistant', content: '' } }] }),
  frame({ choices: [{ delta: { content: 'Hi é' }, token_ids: [5, 6] }] }),
  frame({ choices: [{ delta: {}, finish_reason: 'stop', token_ids: [] }] }),
  encoder.encode('data: [DONE]\n\n'),
]

describe('runSide', () => {
  it('gives tokens, the text that the client received, and the end', async () => {
    const events = await collect(runSide('plain', ask(CHUNKS), () => 0))
    expect(events.map((event) => event.t)).toEqual(['token', 'token', 'text', 'end'])
    expect(events[2]).toEqual({ t: 'text', side: 'plain', text: 'Hi é' })
    expect(events[3]).toMatchObject({ reason: 'stop', tokens: 2 })
  })

  it('gives the same events wherever the bytes are cut', async () => {
    const whole = Buffer.concat(CHUNKS)
    const expected = await collect(runSide('plain', ask([whole]), () => 0))
    for (let cut = 1; cut < whole.length; cut++) {
      const parts = [whole.subarray(0, cut), whole.subarray(cut)]
      expect(await collect(runSide('plain', ask(parts), () => 0))).toEqual(expected)
    }
  })

  it('turns a failing stream into an event', async () => {
    const broken: Ask = {
      ...ask([]),
      bytes: (async function* () {
        yield frame({ error: { message: 'grammar rejected' } })
        throw new Error('connection reset')
      })(),
    }
    const events = await collect(runSide('guarded', broken, () => 0))
    expect(events).toEqual([
      { t: 'error', side: 'guarded', message: 'grammar rejected' },
      { t: 'error', side: 'guarded', message: 'connection reset' },
    ])
  })
})

describe('merge', () => {
  it('interleaves and ends when the sources that count have ended', async () => {
    const endless = (async function* () {
      for (;;) {
        yield 'tick'
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    const finite = (async function* () {
      yield 'a'
      await new Promise((resolve) => setTimeout(resolve, 10))
      yield 'b'
    })()
    const out: string[] = []
    for await (const value of merge([finite, endless], 1, async () => undefined)) out.push(value)
    expect(out.filter((value) => value !== 'tick')).toEqual(['a', 'b'])
    expect(out).toContain('tick')
  })
})

describe('toRunEvents', () => {
  it('gives one row of the decision log per rule that fired', () => {
    const rows = toRunEvents({
      kind: 'decision',
      requestId: 'r1',
      position: 9,
      firings: [
        { rule: 'a', phase: 'step', mode: 'enforce', action: 'adapt', priority: 1 },
        {
          rule: 'b',
          phase: 'tool',
          mode: 'monitor',
          action: 'rewrite_tool',
          priority: 0,
          regulation: 'COBS 9A',
        },
      ],
    })
    expect(rows).toMatchObject([
      { rule: 'a', at: 9 },
      { rule: 'b', regulation: 'COBS 9A' },
    ])
  })
})
