/** Tool calls steered while they are spelled: a scripted model, a real guard, its directives obeyed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'
import { run, toWords } from './scripted.ts'
import type { Case } from './scripted.ts'

const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/steering.yaml'), 'utf8'),
) as readonly Case[]

const awaited = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/awaited.yaml'), 'utf8'),
) as readonly (Pick<Case, 'name' | 'format'> & {
  readonly text: string
  readonly free: string
  readonly marked?: boolean
})[]

const PIECES = [
  '<tool_call>',
  '</tool_call>',
  '{"',
  'name',
  '":',
  '": "',
  ' "',
  '"to',
  'arguments',
  'parameters',
  'send',
  '_email',
  'delete',
  '_all',
  'evil',
  'bank',
  'safe@',
  '.example',
  '"}}',
  'alice',
  'bob',
  '("',
  "('",
  '=to>',
  '</arg_value>',
  'x@',
]
/** What formats write with control tokens. */
const MARKS = [
  '[TOOL_CALLS]',
  '[ARGS]',
  '<|tool_calls_section_begin|>',
  '<|tool_calls_section_end|>',
  '<|tool_call_begin|>',
  '<|tool_call_argument_begin|>',
  '<|tool_call_end|>',
  '<｜tool▁calls▁begin｜>',
  '<｜tool▁calls▁end｜>',
  '<｜tool▁call▁begin｜>',
  '<｜tool▁call▁end｜>',
  '<｜tool▁sep｜>',
  '<|start|>',
  '<|channel|>',
  '<|constrain|>',
  '<|message|>',
  '<|call|>',
]
const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
const texts = [...bytes, ...PIECES.map((piece) => new TextEncoder().encode(piece))]

const written = toWords(createVocabulary(texts, texts.length))
const marked = toWords(
  createVocabulary(
    [...texts, ...MARKS.map(() => 'control' as const)],
    texts.length + MARKS.length,
    new Map(MARKS.map((mark, i) => [texts.length + i, mark])),
  ),
)

const escape = (text: string): string => text.replaceAll(/[{}[\]().*+^$\\]/g, '\\$&')

describe('ToolWatcher', () => {
  const runs = cases.flatMap((one) => [
    { ...one, how: 'spelled as text', words: written },
    { ...one, how: 'as control tokens', words: marked },
  ])
  it.each(runs)('$name, markers $how', ({ words, ...one }) => {
    const { text } = run(one, {}, words)
    const isPattern = /\(alice|\?"|\.\*/.test(one.says)
    if (!isPattern) expect(text).toBe(one.says)
    else if (one.says.endsWith('.*')) expect(text.startsWith(one.says.slice(0, -2))).toBe(true)
    else {
      const pattern = escape(one.says).replace('\\(alice|bob\\)', '(alice|bob)').replace(' ?', ' ?')
      expect(text).toMatch(new RegExp(`^${pattern}$`))
    }
    expect(text).not.toMatch(/evil|delete_all\W/)
  })

  it('tells of what it steered, once', () => {
    const { told, played } = run(caseOf('forced'), {}, written)
    expect(told).toEqual(['mail-stays-here=force'])
    expect(played).toEqual([{ name: 'send_email', path: 'to', value: 'safe@bank.example' }])
  })

  it('does not tell of a value that was chosen from a list as of a forced one', () => {
    expect(run(caseOf('only a listed'), {}, written).played).toEqual([])
  })

  it('leaves a request under a grammar to the stream', () => {
    const forced = caseOf('forced')
    const left = run(forced, { tool_choice: 'required' }, written)
    expect(left.text).toBe(forced.wants)
    expect(left.steer).toBeUndefined()
  })

  it('does not let a refused name be completed that began before the mask was there', () => {
    const refused = caseOf('mistral, a refused name cannot')
    const { text } = run(refused, {}, marked, '[TOOL_CALLS]')
    expect(text).toMatch(/^\[TOOL_CALLS\]delete/)
    expect(text).not.toContain('delete_all')
  })

  it.each(awaited)('$name', ({ format, text: wants, free, marked: isMarked }) => {
    const one = { ...caseOf('forced'), format, offered: ['read'], wants, rest: '' }
    const { text, unawaited } = run(one, {}, isMarked === true ? marked : written)
    expect(text).toBe(wants)
    expect(unawaited).toBe(free)
  })
})

function caseOf(words: string): Case {
  const found = cases.find(({ name }) => name.includes(words))
  if (found === undefined) throw new Error(`no case ${words}`)
  return found
}
