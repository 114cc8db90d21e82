/** The table of actions, for every dialect: cut at every byte, streamed and whole. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { guardBody } from '../../src/stream/body.ts'
import {
  type Action,
  DIALECTS,
  bodyOf,
  hear,
  optionsFor,
  streamOf,
  textOfBody,
  through,
} from './streams.ts'

type Case = {
  readonly name: string
  readonly pieces: readonly string[]
  readonly actions: readonly Action[]
  readonly heard: string
  readonly stopped?: boolean
}

const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/stream/actions.yaml'), 'utf8'),
) as readonly Case[]

const REASONS = {
  'openai-chat': ['stop', 'content_filter'],
  'openai-completions': ['stop', 'content_filter'],
  'openai-responses': ['completed', 'incomplete'],
  'anthropic-messages': ['end_turn', 'refusal'],
} as const

/** Every byte where streams are short; every thirty-first where envelopes are long. */
const STEP = {
  'openai-chat': 1,
  'openai-completions': 31,
  'openai-responses': 31,
  'anthropic-messages': 31,
} as const

describe.each(DIALECTS)('%s', (dialect) => {
  it.each(cases)('streams: $name', ({ pieces, actions, heard, stopped }) => {
    const bytes = Buffer.from(streamOf(dialect, pieces))
    const whole = through(optionsFor(dialect, actions), bytes, [])
    expect(hear(whole)).toMatchObject({
      text: heard,
      reason: REASONS[dialect][stopped === true ? 1 : 0],
    })
    for (let cut = 1; cut < bytes.length; cut += STEP[dialect]) {
      const out = through(optionsFor(dialect, actions), bytes, [cut])
      if (!out.equals(whole)) expect(out.toString(), `cut at ${cut}`).toBe(whole.toString())
    }
  })

  it.each(cases)('whole bodies: $name', ({ pieces, actions, heard, stopped }) => {
    const body = Buffer.from(bodyOf(dialect, pieces.join('')))
    const guarded = guardBody(optionsFor(dialect, actions), body)
    expect(textOfBody(dialect, guarded.body)).toMatchObject({
      text: heard,
      reason: REASONS[dialect][stopped === true ? 1 : 0],
    })
    expect(guarded.stopped).toBe(stopped === true)
  })

  it('says byte for byte what came when nothing fires, one byte at a time', () => {
    const pieces = ['Hél', 'lo 🎉', ' "quoted" \\ \n', ' s', 'e', 'cr', 'y', '.']
    const bytes = Buffer.from(streamOf(dialect, pieces))
    const options = optionsFor(dialect, [{ phrase: 'secret', redact: 'x' }])
    const cuts = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)
    expect(through(options, bytes, cuts).toString()).toBe(bytes.toString())
    const body = Buffer.from(bodyOf(dialect, pieces.join('')))
    expect(guardBody(options, body).body).toBe(body)
  })
})
