import { describe, expect, it } from 'vitest'
import { TokenTrace, toTokenId } from '../../src/playground/tokens.ts'
import type { Chunk, Walk } from '../../src/playground/tokens.ts'

const TEXT = ['the ', 'returns ', 'are ', 'guaranteed', 'likely']
const textOf = (id: number): string => TEXT[id] ?? '?'

/** A walk in which token 3 is forbidden once token 2 was said. */
const walk: Walk = {
  start: 0,
  next: (state, token) => (token === 2 ? 1 : state),
  isDenied: (state, token) => state === 1 && token === 3,
  rulesOf: (history) => [`promise after ${history.length}`],
  regulationOf: () => 'COBS 4.2.1R',
}

const traceOf = (side: 'plain' | 'guarded', isGreedy: boolean, guard?: Walk): TokenTrace =>
  new TokenTrace({ side, ask: { textOf, walk: guard }, isGreedy })

const chunk = (id: number, wishes: readonly (readonly [number, number])[] = []): Chunk => ({
  choices: [
    {
      token_ids: [id],
      logprobs: {
        content: [
          {
            token: `token_id:${id}`,
            logprob: -1,
            top_logprobs: wishes.map(([wish, p]) => ({
              token: `token_id:${wish}`,
              logprob: Math.log(p),
            })),
          },
        ],
      },
    },
  ],
})

describe('TokenTrace', () => {
  it('marks a token as steered when the first choice of the model was denied', () => {
    const trace = traceOf('guarded', true, walk)
    trace.push(chunk(0))
    trace.push(chunk(2))
    const [event] = trace.push(
      chunk(4, [
        [4, 0.2],
        [3, 0.7],
      ]),
    )
    expect(event).toMatchObject({ position: 2, text: 'likely', fate: 'steered' })
    expect(event?.alternatives).toEqual([
      { id: 3, text: 'guaranteed', p: expect.closeTo(0.7), denied: true, rule: 'promise after 2' },
      { id: 4, text: 'likely', p: expect.closeTo(0.2), denied: false },
    ])
  })

  it('denies nothing on the side without a guard', () => {
    const trace = traceOf('plain', true)
    trace.push(chunk(2))
    const [event] = trace.push(chunk(3, [[3, 0.9]]))
    expect(event).toMatchObject({ fate: 'said', text: 'guaranteed' })
  })

  it('calls a token forced when neither chance nor a mask explains it', () => {
    const wishes = [
      [4, 0.2],
      [0, 0.7],
    ] as const
    expect(traceOf('guarded', true, walk).push(chunk(4, wishes))[0]?.fate).toBe('forced')
    expect(traceOf('guarded', false, walk).push(chunk(4, wishes))[0]?.fate).toBe('said')
    expect(traceOf('plain', true).push(chunk(4, wishes))[0]?.fate).toBe('said')
  })

  it('reads ids from logprobs when the chunk has no token_ids, and skips chunks without tokens', () => {
    const trace = traceOf('plain', true)
    expect(trace.push({ choices: [] })).toEqual([])
    expect(trace.push({})).toEqual([])
    const bare: Chunk = { choices: [{ logprobs: { content: [{ token: 'token_id:1' }] } }] }
    expect(trace.push(bare)[0]).toMatchObject({ id: 1, text: 'returns ' })
  })
})

describe('toTokenId', () => {
  it('takes only the form that the engine writes', () => {
    expect(toTokenId('token_id:17')).toBe(17)
    for (const bad of ['17', 'token_id:', 'token_id:-1', 'x token_id:1', undefined])
      expect(toTokenId(bad)).toBeUndefined()
  })
})
