/** Streams that carry everything at once, cut at many places and byte by byte, with both line endings. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { DialectName } from '../../src/stream/guard-options.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { optionsFor, through } from './streams.ts'

type Rich = {
  readonly name: string
  readonly dialect: DialectName
  /** A text is a comment, or the data of a frame as it is. */
  readonly frames: readonly (string | Readonly<Record<string, unknown>>)[]
}

const all = parse(
  readFileSync(join(import.meta.dirname, '../data/stream/rich.yaml'), 'utf8'),
) as Rich[]

/** Frames as their provider writes them: the typed dialects name their events. */
function bytesOf({ dialect, frames }: Rich, lineEnd: string): Buffer {
  const isNamed = dialect === 'anthropic-messages' || dialect === 'openai-responses'
  const lines = frames.map((frame) => {
    if (typeof frame === 'string') return frame.startsWith(':') ? [frame] : [`data: ${frame}`]
    const event = isNamed ? [`event: ${String(frame['type'])}`] : []
    return [...event, `data: ${JSON.stringify(frame)}`]
  })
  return Buffer.from(lines.map((frame) => [...frame, '', ''].join(lineEnd)).join(''))
}

const options = (rich: Rich, redact: string) => ({
  ...optionsFor(rich.dialect, [{ phrase: 'secret', redact }]),
  choices: 2,
})
const passing = (rich: Rich) => optionsFor(rich.dialect, [{ phrase: 'xyzzy', redact: '' }])
/** Beside every line end, and at every seventh byte: a few of each escape, name and number. */
const cutsOf = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.length - 1 }, (_, i) => i + 1).filter(
    (cut) => cut % 7 === 0 || (bytes[cut - 1] ?? 32) < 32 || (bytes[cut] ?? 32) < 32,
  )
const ENDS = [
  ['LF', '\n'],
  ['CRLF', '\r\n'],
] as const

describe.each(all)('$dialect: $name', (rich) => {
  it.each(ENDS)('passes byte for byte, wherever it is cut (%s)', (_, lineEnd) => {
    const bytes = bytesOf(rich, lineEnd)
    for (const cut of cutsOf(bytes)) {
      const out = through(passing(rich), bytes, [cut])
      if (!out.equals(bytes)) expect(out.toString(), `cut at ${cut}`).toBe(bytes.toString())
    }
    const single = Array.from({ length: bytes.length - 1 }, (_one, i) => i + 1)
    expect(through(passing(rich), bytes, single).equals(bytes)).toBe(true)
  })

  it.each(ENDS)('says the same without the word, wherever it is cut (%s)', (_, lineEnd) => {
    const bytes = bytesOf(rich, lineEnd)
    const whole = through(options(rich, '[gone]'), bytes, [])
    for (const cut of cutsOf(bytes)) {
      const out = through(options(rich, '[gone]'), bytes, [cut])
      if (!out.equals(whole)) expect(out.toString(), `cut at ${cut}`).toBe(whole.toString())
    }
    const single = Array.from({ length: bytes.length - 1 }, (_one, i) => i + 1)
    expect(through(options(rich, '[gone]'), bytes, single).equals(whole)).toBe(true)
    expect(textsOf(whole)).toEqual(
      textsOf(bytes).map((text) => text.replaceAll('secret', '[gone]')),
    )
  })
})

/** Every text of a stream, by field and place, joined; in the order in which they begin. */
function textsOf(bytes: Uint8Array): string[] {
  const texts = new Map<string, string>()
  const say = (key: string, value: unknown): void => {
    if (typeof value === 'string') texts.set(key, (texts.get(key) ?? '') + value)
  }
  for (const { data } of createSseParser(1 << 24).push(bytes)) {
    if (data === undefined || data === '[DONE]') continue
    walk(JSON.parse(data), '', say)
  }
  // Escapes inside of arguments are another spelling of the same text.
  return [...texts.values()].map((text) => text.replaceAll('\\u0073', 's'))
}

const SAID = /(content|reasoning_content|refusal|text|arguments|delta|thinking|partial_json)$/

/** Places in a frame and numbers of choices, items and calls make the key; envelopes do not. */
function walk(value: unknown, key: string, say: (key: string, value: unknown) => void): void {
  if (typeof value === 'string') {
    if (SAID.test(key)) say(key, value)
    return
  }
  if (typeof value !== 'object' || value === null) return
  const fields = Object.entries(value)
  const place = fields
    .filter(([name, one]) => /index|^type$/.test(name) && typeof one !== 'object')
    .map(([name, one]) => `${name}=${String(one)}`)
  for (const [name, one] of fields) {
    // What names its own number has the same key wherever it stands in a list.
    const isNumbered = typeof one === 'object' && one !== null && 'index' in one
    const step = isNumbered ? '' : name
    if (name !== 'logprobs') walk(one, `${key}/${place.join(',')}/${step}`, say)
  }
}
