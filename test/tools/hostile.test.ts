/**
 * Raw tool calls that no model was trained to write: nothing throws, cuts make no difference, every span
 * lies in the text, and four times the text takes four times the work.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { ToolFormat } from '../../src/model/tool-format.ts'
import { createDetectingRecogniser, createToolRecogniser } from '../../src/tools/recogniser.ts'
import type { ToolRecogniser } from '../../src/tools/recogniser.ts'
import type { SeenCall } from '../../src/tools/source.ts'
import { cutsOf, JSON_SPLINTERS, numbers } from '../stream/mutate.ts'
import type { Random } from '../stream/mutate.ts'

type Case = { readonly name: string; readonly format: ToolFormat; readonly text: string }

const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/formats.yaml'), 'utf8'),
) as readonly Case[]

const FORMATS = [...new Set(cases.map(({ format }) => format))]
const ROUNDS = 300

/** What opens something in each format, and what stands inside of it. */
const OPENERS: Readonly<Record<ToolFormat, readonly string[]>> = {
  hermes: ['<tool_call>', '<tool_call>{"name": "a", "arguments": ', '<tool_call', '<'],
  llama3_json: ['{"name": "a", "parameters": ', '<|python_tag|>', '{', '{"name": '],
  mistral: ['[TOOL_CALLS]', '[TOOL_CALLS][{"name": "a", "arguments": ', '[TOOL_CALLS]a[ARGS]', '['],
  pythonic: ['[', '[a(', '[a(b=', '[a(b="', '(', 'a('],
  qwen3_xml: [
    '<tool_call>',
    '<function=',
    '<tool_call><function=a><parameter=b>',
    '<parameter=',
    '<',
  ],
  deepseek_v3: ['<｜tool▁calls▁begin｜>', '<｜tool▁call▁begin｜>', 'function<｜tool▁sep｜>', '<｜'],
  kimi_k2: [
    '<|tool_calls_section_begin|>',
    '<|tool_call_begin|>',
    '<|tool_call_argument_begin|>',
    '<|',
  ],
  glm45: ['<tool_call>', '<tool_call>a<arg_key>b</arg_key><arg_value>', '<arg_key>', '<'],
  openai: ['<|channel|>commentary to=functions.a', '<|message|>', '<|start|>', '<|'],
}
const SPLINTERS = [
  ...JSON_SPLINTERS,
  '(',
  ')',
  '=',
  "'",
  '\n',
  ' ',
  '<',
  '>',
  '|',
  '🎉',
  '\ud83d',
  '</tool_call>',
  '<|',
  '｜',
]

/** The text with a few parts cut out, doubled, moved, or broken by foreign ones. */
function mutated(text: string, format: ToolFormat, random: Random): string {
  const foreign = [...SPLINTERS, ...OPENERS[format]]
  let out = text
  for (let i = 1 + random(4); i > 0; i--) {
    const at = random(out.length + 1)
    const end = at + 1 + random(30)
    const kind = random(5)
    if (kind === 0) out = out.slice(0, at) + out.slice(end)
    else if (kind === 1) out = out.slice(0, at) + out.slice(at, end) + out.slice(at)
    else if (kind === 2)
      out = out.slice(0, at) + (foreign[random(foreign.length)] ?? '') + out.slice(at)
    else if (kind === 3) out = out.slice(0, at)
    else out = out.slice(at, end) + out.slice(0, at) + out.slice(end)
  }
  return out
}

function read(recogniser: ToolRecogniser, text: string, cuts: readonly number[]): SeenCall[] {
  const seen: SeenCall[] = []
  let from = 0
  for (const to of [...cuts, text.length]) {
    seen.push(...recogniser.push(text.slice(from, to)))
    expect(recogniser.openFrom).toBeLessThanOrEqual(to)
    expect(recogniser.openFrom).toBeGreaterThanOrEqual(0)
    from = to
  }
  return [...seen, ...recogniser.end()]
}

const whole = (seen: readonly SeenCall[]): readonly SeenCall[] =>
  seen.filter((call) => call.complete)

describe.each(FORMATS)('%s', (format) => {
  const texts = cases.filter((one) => one.format === format).map(({ text }) => text)

  it('sees the same calls in broken text, wherever it is cut', () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = numbers(seed)
      const text = mutated(texts[random(texts.length)] ?? '', format, random)
      const once = read(createToolRecogniser(format), text, [])
      const cut = read(
        createToolRecogniser(format),
        text,
        cutsOf(text.length, 1 + random(20), random),
      )
      expect(whole(cut), `seed ${seed}: ${text}`).toEqual(whole(once))
      for (const { start, end, name, arguments: written } of whole(once)) {
        expect(0 <= start && start < end && end <= text.length, `seed ${seed}`).toBe(true)
        expect(name).not.toBe('')
        expect(() => void (written === '' ? {} : JSON.parse(written)), `seed ${seed}`).not.toThrow(
          TypeError,
        )
      }
    }
  })

  it.each([
    ...OPENERS[format].map((opener): [string, (chars: number) => string] => [
      opener,
      (chars) => opener.repeat(Math.ceil(chars / opener.length)),
    ]),
    ...OPENERS[format].map((opener): [string, (chars: number) => string] => [
      `${opener}[[[[`,
      (chars) => opener + '['.repeat(chars),
    ]),
    ...OPENERS[format].map((opener): [string, (chars: number) => string] => [
      `${opener}{"a":{"a":`,
      (chars) => opener + '{"a":'.repeat(chars / 5),
    ]),
    ...OPENERS[format].map((opener): [string, (chars: number) => string] => [
      `${opener}xxxx`,
      (chars) => opener + 'x'.repeat(chars),
    ]),
    ['nested objects', (chars) => '{"id":'.repeat(chars / 7) + '1' + '}'.repeat(chars / 7)],
  ])('reads %s again and again in linear time', (_, textOf) => {
    expectLinear(() => createToolRecogniser(format), textOf)
  })
})

it('looks for every format at once in linear time', () => {
  for (const opener of ['<', '<tool_call>', '[', '{"name": ']) {
    expectLinear(createDetectingRecogniser, (chars) => opener.repeat(chars / opener.length))
  }
}, 120_000)

/** Four times it is past the bound of a call. */
const SMALL = 280_000
/** Between linear (4) and quadratic (16), with room for collections and for what is read on a cold start. */
const MOST = 9
const CHUNK = 1 << 12
/** Below this, the clock of the CPU says too little. */
const LEAST_US = 20_000

/** CPU time, which other load hardly moves; the best of several. */
function expectLinear(create: () => ToolRecogniser, textOf: (chars: number) => string): void {
  const cost = (text: string): number => {
    const begin = process.cpuUsage()
    const recogniser = create()
    for (let at = 0; at < text.length; at += CHUNK) recogniser.push(text.slice(at, at + CHUNK))
    recogniser.end()
    const { user, system } = process.cpuUsage(begin)
    return user + system
  }
  const [small, large] = [textOf(SMALL), textOf(4 * SMALL)]
  cost(small)
  let best = Infinity
  for (let i = 0; i < 4 && best > MOST; i++) {
    best = Math.min(best, cost(large) / Math.max(cost(small), LEAST_US / 4))
  }
  expect(best).toBeLessThan(MOST)
}
