/** The table of raw formats: whole, cut at every character, and one character at a time. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parsePartialJson } from '../../src/tools/partial-json.ts'
import type { ToolFormat } from '../../src/model/tool-format.ts'
import { createToolRecogniser } from '../../src/tools/recogniser.ts'
import type { SeenCall } from '../../src/tools/source.ts'

type Case = {
  readonly name: string
  readonly format: ToolFormat
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[]
  readonly open?: { readonly name: string; readonly arguments: string }
}

const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/formats.yaml'), 'utf8'),
) as readonly Case[]

function read(format: ToolFormat, parts: readonly string[]): SeenCall[] {
  const recogniser = createToolRecogniser(format)
  const seen = parts.flatMap((part) => recogniser.push(part))
  return [...seen, ...recogniser.end()]
}

const completed = (seen: readonly SeenCall[]): unknown[] =>
  seen
    .filter((call) => call.complete)
    .map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) as unknown }))

describe('createToolRecogniser', () => {
  it.each(cases)('reads $name', ({ format, text, calls, open }) => {
    const whole = read(format, [text])
    expect(completed(whole)).toEqual(calls)
    const ends = whole.filter((call) => call.complete).map((call) => [call.start, call.end])
    for (let cut = 1; cut < text.length; cut++) {
      const seen = read(format, [text.slice(0, cut), text.slice(cut)])
      expect(completed(seen), `cut at ${cut}`).toEqual(calls)
      expect(seen.filter((call) => call.complete).map((call) => [call.start, call.end])).toEqual(
        ends,
      )
    }
    const singly = read(format, text.split(''))
    expect(completed(singly)).toEqual(calls)
    if (open !== undefined) expect(singly.at(-1)).toMatchObject({ ...open, complete: false })
  })

  it.each(cases)('reports growing arguments as prefixes: $name', ({ format, text }) => {
    const seen = read(format, text.split(''))
    seen.forEach((call, i) => {
      const later = seen.slice(i + 1).find((one) => one.start === call.start && one.complete)
      if (!call.complete && later !== undefined) {
        expect(later.arguments.startsWith(call.arguments) || call.arguments.endsWith('"')).toBe(
          true,
        )
      }
    })
  })

  it('tells where the text stands, and what may still be a call', () => {
    const recogniser = createToolRecogniser('hermes')
    recogniser.push('some text <tool')
    expect(recogniser.openFrom).toBe(10)
    recogniser.push('s and more')
    expect(recogniser.openFrom).toBe(25)
    recogniser.push('<tool_call>{"name": "a", ')
    expect(recogniser).toMatchObject({ openFrom: 25, place: 'arguments' })
    recogniser.push('"arguments": {}}</tool_call>')
    expect(recogniser).toMatchObject({ place: 'text', openFrom: 78 })
  })

  it('gives up a call that outgrows its bound, and still sees the next one', () => {
    const recogniser = createToolRecogniser('hermes', 100)
    recogniser.push(
      `<tool_call>{"name": "a", "arguments": {"x": "${'y'.repeat(200)}"}}</tool_call>`,
    )
    const seen = recogniser.push('<tool_call>{"name": "b", "arguments": {}}</tool_call>')
    expect(seen.filter((call) => call.complete).map((call) => call.name)).toEqual(['b'])
  })
})

describe('parsePartialJson', () => {
  it.each([
    ['{"a": "b', { a: 'b' }],
    ['{"a": "b", "c', { a: 'b' }],
    ['{"a": "b", "c":', { a: 'b' }],
    ['{"a": [1, 2', { a: [1] }],
    ['{"a": [1, {"b": "x\\u00', { a: [1, { b: 'x' }] }],
    ['{"a": "x\\', { a: 'x' }],
    ['{"a": "x\\\\', { a: 'x\\' }],
    ['', undefined],
    ['{', {}],
  ])('reads %s as far as it goes', (text, value) => {
    expect(parsePartialJson(text)).toEqual({ value, isWhole: false })
  })

  it('knows a whole value', () => {
    expect(parsePartialJson('{"a": 1}')).toEqual({ value: { a: 1 }, isWhole: true })
  })
})
