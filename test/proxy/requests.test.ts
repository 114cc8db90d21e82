import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkRequest, isOrdinary } from '../../src/proxy/requests.ts'
import type { Body } from '../../src/proxy/requests.ts'
import type { Dialect } from '../../src/proxy/routes.ts'

const DIALECTS: readonly Dialect[] = ['chat', 'completions', 'responses', 'messages']
const KEYS = (
  'model stream temperature top_p top_k presence_penalty frequency_penalty n seed stop stream_options ' +
  'max_tokens max_completion_tokens system prompt input tools messages logprobs background ' +
  'use_beam_search user __proto__ constructor'
).split(' ')

const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 2, 1.5, 1e308, -1e308, Infinity, NaN, 5e-324, 2 ** 53, 64),
  fc.double(),
)
const message = fc.record(
  {
    role: fc.constantFrom<unknown>('user', 'tool', '', 1, null),
    content: fc.constantFrom<unknown>('hi', '', null, [], ['a'], [{}], [1], 5, {}),
  },
  { requiredKeys: [] },
)
const value = fc.oneof(
  number,
  fc.boolean(),
  fc.constantFrom<unknown>(null, undefined, '', 'text', [], {}, ['a'], [1], [{}], [null]),
  fc.record({ include_usage: fc.constantFrom<unknown>(true, null, 1) }),
  fc.array(fc.oneof(message, fc.constantFrom<unknown>(null, 'x', [])), { maxLength: 3 }),
)
const valid: Readonly<Record<string, unknown>> = {
  messages: [{ role: 'user', content: 'hi' }],
  max_tokens: 1,
  input: 'hi',
}
const body = fc
  .tuple(fc.constantFrom({}, valid), fc.array(fc.tuple(fc.constantFrom(...KEYS), value)))
  .map(([base, pairs]): Body => Object.fromEntries([...Object.entries(base), ...pairs]))

describe('isOrdinary', () => {
  it('passes nothing that the schema refuses', () => {
    let ordinary = 0
    fc.assert(
      fc.property(body, fc.constantFrom(...DIALECTS), (one, dialect) => {
        if (!isOrdinary(one, dialect)) return
        ordinary++
        expect(() => checkRequest(one, dialect)).not.toThrow()
      }),
      { numRuns: 5_000 },
    )
    expect(ordinary).toBeGreaterThan(200)
  })

  it('knows the requests of usual clients', () => {
    const chat = {
      model: 'm',
      stream: true,
      temperature: 0.7,
      max_tokens: 100,
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hi' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
      user: 'u',
    }
    expect(isOrdinary(chat, 'chat')).toBe(true)
    expect(isOrdinary({ ...chat, system: 'Be kind.' }, 'messages')).toBe(true)
    expect(isOrdinary({ model: 'm', input: 'hi' }, 'responses')).toBe(true)
    expect(isOrdinary({ model: 'm', prompt: 'hi' }, 'completions')).toBe(true)
    expect(isOrdinary({ ...chat, use_beam_search: true }, 'chat')).toBe(false)
    expect(isOrdinary({ model: 'm' }, 'chat')).toBe(false)
  })
})
