import { describe, expect, it } from 'vitest'
import { merge, runSide, toRunEvents } from '../../src/playground/run.ts'
import type { Ask, RunEvent } from '../../src/playground/run.ts'

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

const side = (name: 'plain' | 'guarded', of: Ask): AsyncIterable<RunEvent> =>
  runSide({ side: name, ask: of, isGreedy: true, now: () => 0 })

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
    const events = await collect(side('plain', ask(CHUNKS)))
    expect(events.map((event) => event.t)).toEqual(['token', 'token', 'text', 'end'])
    expect(events[2]).toEqual({ t: 'text', side: 'plain', text: 'Hi é' })
    expect(events[3]).toMatchObject({ reason: 'stop', tokens: 2 })
  })

  it('gives the same events wherever the bytes are cut', async () => {
    const whole = Buffer.concat(CHUNKS)
    const expected = await collect(side('plain', ask([whole])))
    for (let cut = 1; cut < whole.length; cut++) {
      const parts = [whole.subarray(0, cut), whole.subarray(cut)]
      expect(await collect(side('plain', ask(parts)))).toEqual(expected)
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
    const events = await collect(side('guarded', broken))
    expect(events).toEqual([
      { t: 'error', side: 'guarded', message: 'grammar rejected' },
      { t: 'error', side: 'guarded', message: 'connection reset' },
    ])
  })
})

/** A guard that replaces one word, as the stream plane would. */
const redacting = (word: string, by: string): Ask['client'] => ({
  push: (chunk) => [Buffer.from(Buffer.from(chunk).toString('utf8').replace(word, by))],
  end: () => [],
})

const SECRET = [
  frame({ choices: [{ delta: { content: 'It is 4111 ' }, token_ids: [1] }] }),
  frame({ choices: [{ delta: { content: 'today' }, token_ids: [2] }] }),
]

describe('the edits of a side', () => {
  const secret = (): Ask => ({
    ...ask(SECRET),
    textOf: (id) => (id === 1 ? 'It is 4111 ' : 'today'),
  })

  it('name the tokens that the client did not get, and what it got instead', async () => {
    const guarded = { ...secret(), client: redacting('4111', '[card]') }
    const events = await collect(side('guarded', guarded))
    expect(events.find((event) => event.t === 'edits')).toEqual({
      t: 'edits',
      side: 'guarded',
      tokens: [[0, 1]],
      text: [[6, 12]],
    })
  })

  it('say of the unguarded side what the guard would have taken out', async () => {
    const events = await collect(
      side('plain', { ...secret(), shadow: redacting('4111', '[card]') }),
    )
    expect(events.find((event) => event.t === 'edits')).toMatchObject({ tokens: [[0, 1]] })
    const texts = events.flatMap((event) => (event.t === 'text' ? [event.text] : []))
    expect(texts.join('')).toBe('It is 4111 today')
  })

  it('are not told when there are none', async () => {
    const events = await collect(side('guarded', secret()))
    expect(events.map((event) => event.t)).not.toContain('edits')
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
  it("shows the request's own temperature until the guard lowers it", () => {
    const tokens = { kind: 'tokens', requestId: 'r1', position: 3, count: 1, addedUs: 40 } as const
    expect(toRunEvents(tokens, 0.9)).toMatchObject([{ t: 'curve', temperature: 0.9 }])
    const tightened = { ...tokens, risk: 0.8, adapt: { temperature: 0.3 } }
    expect(toRunEvents(tightened, 0.9)).toMatchObject([{ risk: 0.8, temperature: 0.3 }])
  })

  it('gives one row of the decision log per rule that fired', () => {
    const rows = toRunEvents(
      {
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
      },
      1,
    )
    expect(rows).toMatchObject([
      { rule: 'a', at: 9 },
      { rule: 'b', regulation: 'COBS 9A' },
    ])
  })
})
