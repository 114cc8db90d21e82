/** Recorded streams of real providers, when the data folder is there: cut anywhere, nothing changes. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { guardBody } from '../../src/stream/body.ts'
import type { DialectName } from '../../src/stream/guard-options.ts'
import { hear, optionsFor, through } from './streams.ts'

const DATA = process.env['CHECKSTREAM_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data')
const FOLDER = [
  resolve(DATA, 'fixtures/vercel_sse_fixtures'),
  resolve(import.meta.dirname, '../../../../shared/data/fixtures/vercel_sse_fixtures'),
].find((folder) => existsSync(folder))

const names = FOLDER === undefined ? [] : readdirSync(FOLDER)
const read = (name: string): string => {
  const bytes = readFileSync(resolve(FOLDER ?? '', name))
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
}
const dialectOf = (name: string): DialectName =>
  name.includes('completion__') ? 'openai-completions' : 'openai-chat'
const streams = names.filter((name) => name.includes('.chunks.txt'))
const bodies = names.filter((name) => name.endsWith('.json') && !name.includes('error'))

describe.skipIf(FOLDER === undefined)('recorded streams', () => {
  it.each(streams)('%s passes byte for byte at random cuts', (name) => {
    const lines = read(name)
      .split('\n')
      .filter((line) => line.trim() !== '')
    const text = `${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`
    const bytes = Buffer.from(text)
    const options = {
      ...optionsFor(dialectOf(name), [{ phrase: 'xyzzy', redact: '*' }]),
      choices: 1,
    }
    let state = bytes.length
    const cuts: number[] = []
    for (
      let at = 0;
      at < bytes.length;
      at += 1 + ((state = (state * 48_271) % 2_147_483_647) % 700)
    ) {
      cuts.push(at)
    }
    expect(through(options, bytes, cuts).equals(bytes)).toBe(true)
  })

  it.each(streams)('%s loses every word that is redacted, and no other', (name) => {
    const lines = read(name)
      .split('\n')
      .filter((line) => line.trim() !== '')
    const bytes = Buffer.from(
      `${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`,
    )
    const options = optionsFor(dialectOf(name), [{ phrase: 'the', redact: '<T>' }])
    const out = hear(through(options, bytes, []))
    expect(out.text).toBe(hear(bytes).text.replaceAll('the', '<T>'))
  })

  it.each(bodies)('%s passes byte for byte as a body', (name) => {
    const body = Buffer.from(read(name))
    expect(
      guardBody(optionsFor(dialectOf(name), [{ phrase: 'xyzzy', redact: '*' }]), body).body,
    ).toBe(body)
  })
})
