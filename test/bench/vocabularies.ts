/** The vocabulary and the phrases that the mask benches use: licensed data if it is here, else made. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { toVocabulary } from '../../src/vocabulary/tokenizer.ts'
import { createVocabulary, tokenBytes, type Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import { dataFolder } from './data-folder.ts'

const MADE =
  'damn hell crap idiot moron scam fraud guaranteed return insider tip bastard bloody bugger pillock wanker tosser plonker numpty muppet twit'

export function benchVocabulary(): { readonly name: string; readonly vocabulary: Vocabulary } {
  const data = dataFolder()
  const file = data && join(data, 'tokenizers/tok_openai/o200k_base.tiktoken.gz')
  if (file !== undefined && existsSync(file)) {
    const special = { '<|endoftext|>': 199_999, '<|endofprompt|>': 200_018 }
    return { name: 'o200k', vocabulary: toVocabulary(gunzipSync(readFileSync(file)), { special }) }
  }
  const bytes = Array.from({ length: 256 }, (_, b) => Uint8Array.of(b))
  const pieces = new Set<string>()
  for (const word of MADE.split(' ')) {
    for (let i = 0; i < word.length; i++) {
      for (let n = 2; n <= 4; n++) pieces.add(word.slice(i, i + n)).add(` ${word.slice(i, i + n)}`)
    }
  }
  const more = [...pieces].map((piece) => new TextEncoder().encode(piece))
  return { name: 'made', vocabulary: createVocabulary([...bytes, ...more, 'end'], 4096) }
}

export function benchPhrases(): readonly string[] {
  const data = dataFolder()
  const file = data && join(data, 'train/ldnoobw/en.txt')
  if (file === undefined || !existsSync(file)) return MADE.split(' ')
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** Token ids by their bytes (latin1). */
export function tokenIds(v: Vocabulary): ReadonlyMap<string, number> {
  const ids = new Map<string, number>()
  for (let id = 0; id < v.size; id++) {
    const key = Buffer.from(tokenBytes(v, id)).toString('latin1')
    if (key !== '' && !ids.has(key)) ids.set(key, id)
  }
  return ids
}
