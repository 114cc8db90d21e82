import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { AutoTokenizer, env } from '@xenova/transformers'
import { describe, expect, it } from 'vitest'
import type { EmojiNames } from '../../src/classifiers/text.ts'
import { WordIds } from '../../src/classifiers/word-ids.ts'

const FOLDER = resolve(import.meta.dirname, '../../models/encoder')
type Case = { readonly text: string; readonly ids: readonly number[] }
const cases = readFileSync(join(import.meta.dirname, '../data/classifiers/tokens.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)

env.allowRemoteModels = false
env.localModelPath = dirname(FOLDER)
const tokenizer = await AutoTokenizer.from_pretrained('encoder', { local_files_only: true })
const names = JSON.parse(readFileSync(join(FOLDER, 'emoji.json'), 'utf8')) as EmojiNames
const words = new WordIds(
  (text, special) => tokenizer.encode(text, { add_special_tokens: special }),
  names,
)

describe('WordIds', () => {
  it.each(cases)('cuts %j as the training side does', ({ text, ids }) => {
    expect(words.of(text).flatMap((word) => [...word.ids])).toEqual(ids)
  })

  it('knows the marks around a window', () => {
    expect([words.prefix, words.suffix]).toEqual([[101], [102]])
  })

  it('gives offsets into the text as it came', () => {
    const text = 'I ❤️  it'
    expect(words.of(text).map(({ start, end }) => text.slice(start, end))).toEqual([
      'I',
      '❤️',
      'it',
    ])
  })
})
