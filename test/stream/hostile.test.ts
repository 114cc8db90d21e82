/**
 * Answers that nobody would send, made of recorded streams and our own: nothing throws, nothing that is
 * held gets out, nothing else is lost, and it makes no difference where the bytes are cut.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { guardBody } from '../../src/stream/body.ts'
import { objects, valueAt } from '../../src/stream/dialect.ts'
import type { DialectName, StreamOptions } from '../../src/stream/guard-options.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { cutsOf, mutated, numbers } from './mutate.ts'
import { DIALECTS, bodyOf, optionsFor, streamOf, through } from './streams.ts'

const DATA = process.env['CHECKSTREAM_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data')
const FOLDER = resolve(DATA, 'fixtures/vercel_sse_fixtures')
const ROUNDS = 400
/** Of a recorded stream only so much: hostile variants are many. */
const MOST_BYTES = 12_000

type Sample = { readonly name: string; readonly dialect: DialectName; readonly bytes: Buffer }

const SAID = [
  'It is a sec',
  'ret, a secret',
  ' and no s',
  'e',
  'c',
  'r',
  'e',
  't at all. 日本🎉 "\\ ',
]
const CALL = { name: 'f', arguments: ['{"to": "the sec', 'ret one"', '}'] }

const own: readonly Sample[] = DIALECTS.map((dialect) => ({
  name: dialect,
  dialect,
  bytes: Buffer.from(streamOf(dialect, SAID, dialect === 'openai-completions' ? undefined : CALL)),
}))

function recorded(): readonly Sample[] {
  if (!existsSync(FOLDER)) return []
  const names = readdirSync(FOLDER).filter((name) => name.includes('.chunks.txt'))
  return names.map((name) => {
    const raw = readFileSync(resolve(FOLDER, name))
    const lines = (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString().split('\n')
    const frames = lines.filter((line) => line.trim() !== '').map((line) => `data: ${line}\n\n`)
    const dialect = name.includes('completion__') ? 'openai-completions' : 'openai-chat'
    return { name, dialect, bytes: Buffer.from(frames.join('')).subarray(0, MOST_BYTES) }
  })
}

/** The frames without comments, which may pass what waits. */
const inOrder = (bytes: Uint8Array): readonly string[] =>
  createSseParser(1 << 24)
    .push(bytes)
    .filter(({ raw }) => raw[0] !== 0x3a)
    .map(({ raw }) => Buffer.from(raw).toString())

/** What a client puts together, by the part of the answer that it belongs to. */
function heard(bytes: Uint8Array): readonly string[] {
  const texts = new Map<string, string>()
  const say = (key: string, more: unknown): void => {
    if (typeof more === 'string') texts.set(key, (texts.get(key) ?? '') + more)
  }
  for (const { data } of createSseParser(1 << 24).push(bytes)) {
    const json = data === undefined ? undefined : parsed(data)
    const at = (...path: (string | number)[]): unknown => valueAt(json, path)
    for (const [i, choice] of objects(at('choices')).entries()) {
      const key = String(choice['index'] ?? i)
      say(`${key} content`, valueAt(choice, ['delta', 'content']))
      say(`${key} text`, choice['text'])
    }
    if (at('type') === 'response.output_text.delta') {
      say(`${String(at('output_index'))} ${String(at('content_index'))}`, at('delta'))
    }
    if (at('type') === 'content_block_delta') say(String(at('index')), at('delta', 'text'))
  }
  return [...texts.values()]
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined // no client could read it either
  }
}

const redacting = (dialect: DialectName, onMalformed: 'open' | 'closed'): StreamOptions => ({
  ...optionsFor(dialect, [{ phrase: 'secret', redact: '*' }]),
  onMalformed,
})
const passing = (dialect: DialectName): StreamOptions => ({
  ...optionsFor(dialect, [{ phrase: 'xyzzy', redact: '*' }]),
  onMalformed: 'open',
})

describe.each([...own, ...recorded()])('$name', ({ dialect, bytes }) => {
  const rounds = bytes.length > 4_000 ? ROUNDS / 10 : ROUNDS

  it('never says what is to be redacted, wherever it is cut', () => {
    for (let seed = 1; seed <= rounds; seed++) {
      const random = numbers(seed)
      const sent = mutated(bytes, random)
      for (const onMalformed of ['open', 'closed'] as const) {
        const whole = through(redacting(dialect, onMalformed), sent, [])
        const cuts = cutsOf(sent.length, 1 + random(60), random)
        const inPieces = through(redacting(dialect, onMalformed), sent, cuts)
        expect(inOrder(inPieces), `seed ${seed}, ${onMalformed}`).toEqual(inOrder(whole))
        for (const text of heard(whole)) expect(text, `seed ${seed}`).not.toContain('secret')
      }
    }
  })

  it('loses nothing where nothing is to be done', () => {
    for (let seed = 1; seed <= rounds; seed++) {
      const random = numbers(seed)
      const sent = mutated(bytes, random)
      const out = through(passing(dialect), sent, cutsOf(sent.length, 30, random))
      if (out.equals(sent)) continue
      // An answer that ends inside of a frame ends with an error, which no whole frame is lost for.
      let same = 0
      while (same < out.length && out[same] === sent[same]) same++
      const lost = sent.subarray(same).toString('latin1')
      expect(lost, `seed ${seed}`).not.toMatch(/(?:\r\n|\r(?!\n)|\n){2}/)
      expect(out.subarray(same).toString('latin1')).toContain('error')
    }
  })
})

describe.each(DIALECTS)('a body of %s', (dialect) => {
  const call = dialect === 'openai-completions' ? undefined : CALL
  const bytes = Buffer.from(bodyOf(dialect, SAID.join(''), call))

  it('is read or passed on as it is, and never says what is to be redacted', () => {
    for (let seed = 1; seed <= 4 * ROUNDS; seed++) {
      const sent = mutated(bytes, numbers(seed))
      const { body } = guardBody(redacting(dialect, 'open'), sent)
      const json = parsed(Buffer.from(body).toString())
      if (json === undefined) expect(Buffer.from(body).equals(sent)).toBe(true)
      const said = [
        ...objects(valueAt(json, ['choices'])).flatMap((choice) => [
          valueAt(choice, ['message', 'content']),
          choice['text'],
        ]),
        ...(valueAt(json, ['type']) === 'message'
          ? objects(valueAt(json, ['content'])).map((block) => block['text'])
          : []),
        ...(valueAt(json, ['object']) === 'response'
          ? objects(valueAt(json, ['output'])).flatMap((item) =>
              objects(item['content']).map((part) => part['text']),
            )
          : []),
      ]
      for (const text of said) expect(String(text), `seed ${seed}`).not.toContain('secret')
    }
  })
})
