import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/stream/dialect.ts'
import { createDialect } from '../../src/stream/dialects.ts'
import { createTemplate } from '../../src/stream/template.ts'

const frame = (content: string, rest: object = {}, more: object = {}): string =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null, ...rest }],
    ...more,
  })

const read = (data: string) => createDialect('openai-chat').read(JSON.parse(data) as JsonObject)
const templateOf = (data: string) =>
  createTemplate(data, JSON.parse(data) as JsonObject, read(data))

describe('createTemplate', () => {
  const template = templateOf(frame(' the'))

  it('reads every text that a frame of the same shape can hold', () => {
    const texts = fc.sample(fc.string({ unit: 'grapheme' }), 200)
    expect(texts.map((text) => template?.textOf(frame(text)))).toEqual(texts)
    expect(template?.textOf(frame('\u0000"\\\n'))).toBe('\u0000"\\\n')
  })

  it('never reads a frame otherwise than the parser does', () => {
    const data = frame(' the')
    const bytes = fc.constantFrom(
      '"',
      '\\',
      ',',
      '}',
      ':',
      'a',
      '\n',
      '"a":"',
      '","b":"',
      '\\u0041',
    )
    const edits = fc.tuple(fc.nat(data.length), fc.nat(6), fc.array(bytes))
    let accepted = 0
    for (const [at, cut, put] of fc.sample(edits, 2000)) {
      const changed = data.slice(0, at) + put.join('') + data.slice(at + cut)
      const text = template?.textOf(changed)
      if (text === undefined) continue
      accepted++
      const pieces = read(data).pieces.map((piece) => ({ ...piece, text }))
      expect(read(changed)).toEqual({ ...read(data), pieces })
    }
    expect(accepted).toBeGreaterThan(5)
  })

  it('takes a frame that says that it counts no usage yet', () => {
    const data = (text: string, usage: unknown): string => frame(text, {}, { usage })
    const quiet = templateOf(data(' the', null))
    expect(quiet?.textOf(data(' next', null))).toBe(' next')
    expect(quiet?.textOf(data(' next', { prompt_tokens: 1 }))).toBeUndefined()
  })

  it.each([
    ['ends', frame(' the', { finish_reason: 'stop' })],
    ['carries log probabilities', frame(' the', { logprobs: { content: [] } })],
    ['counts usage', frame(' the', {}, { usage: { prompt_tokens: 1 } })],
    ['says the text twice', frame('c1')],
    ['spells its text with escapes', frame('e').replace('"e"', '"\\u0065"')],
    [
      'has the text as a key only',
      frame('e', { e: 1 }).replace('"content":"e"', '"content":"\\u0065"'),
    ],
    ['holds two texts', frame(' the', { delta: { content: 'a', reasoning: 'b' } })],
    ['holds a call', frame(' the', { delta: { tool_calls: [{ index: 0 }] } })],
  ])('is not made from a frame that %s', (_, data) => {
    expect(templateOf(data)).toBeUndefined()
  })
})
