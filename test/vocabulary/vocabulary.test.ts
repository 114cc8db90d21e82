import { mkdtempSync, readdirSync, rmSync, writeFileSync, existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createHash } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { createVocabularyCache } from '../../src/vocabulary/file.ts'
import { toVocabulary } from '../../src/vocabulary/tokenizer.ts'
import {
  createVocabulary,
  createVocabularyAssembler,
  toPieces,
  tokenBytes,
} from '../../src/vocabulary/vocabulary.ts'

const encode = (s: string): Uint8Array => new TextEncoder().encode(s)
const SMALL = [encode('a'), 'control', encode('bc'), 'end', encode('')] as const
const small = createVocabulary(SMALL, 7)
const NAMES = new Map([
  [1, '[TOOL_CALLS]'],
  [3, '</s>'],
])
const named = createVocabulary(SMALL, 7, NAMES)

describe('createVocabulary', () => {
  it('pads to the logits width and tells the kinds apart', () => {
    expect([...small.kinds]).toEqual([0, 1, 0, 3, 2, 2, 2])
    expect(Buffer.from(tokenBytes(small, 2)).toString()).toBe('bc')
    expect(tokenBytes(small, 1)).toHaveLength(0)
  })

  it('has the documented digest', () => {
    const lengths = Buffer.alloc(28)
    lengths.writeUInt32LE(1, 0)
    lengths.writeUInt32LE(2, 8)
    const wanted = createHash('sha256')
      .update('checkstream-vocabulary/1\n')
      .update(Buffer.from([7, 0, 0, 0]))
      .update(Buffer.from([0, 1, 0, 3, 2, 2, 2]))
      .update(lengths)
      .update('abc')
      .digest('hex')
    expect(small.digest).toBe(wanted)
  })

  it('covers the names of control tokens with a second digest, and keeps no others', () => {
    const wanted = createHash('sha256')
      .update('checkstream-vocabulary/2\n')
      .update(Buffer.from(small.digest, 'hex'))
      .update(Buffer.from([12, 0, 0, 0, 4, 0, 0, 0]))
      .update('[TOOL_CALLS]</s>')
      .digest('hex')
    expect(named).toMatchObject({ digest: wanted, textDigest: small.digest, names: NAMES })
    expect(named.data).toEqual(small.data)
    const more = new Map([...NAMES, [0, 'a'], [4, 'unused'], [99, 'far']] as const)
    expect(createVocabulary(SMALL, 7, more)).toEqual(named)
    expect(small).toMatchObject({ textDigest: small.digest, names: new Map() })
  })

  it.each([0, 262_145, 1.5])('refuses a width of %s', (width) => {
    expect(() => createVocabulary([], width)).toThrow(/vocabulary: expected 1 to 262144 entries/)
  })

  it('refuses more tokens than logits', () => {
    expect(() => createVocabulary(['end', 'end'], 1)).toThrow(/at most 1 tokens/)
  })
})

describe('createVocabularyAssembler', () => {
  const pieces = toPieces(small, 12)

  it('puts together what toPieces cut', () => {
    expect(pieces.length).toBeGreaterThan(2)
    const assembler = createVocabularyAssembler(small.digest, small.size)
    for (const piece of pieces) assembler.add(piece)
    expect(assembler.isComplete).toBe(true)
    expect(assembler.done()).toEqual(small)
  })

  it.each([1, 12, 1_000])('puts names together from pieces of %s bytes', (bytes) => {
    const assembler = createVocabularyAssembler(named.digest, named.size)
    for (const piece of toPieces(named, bytes)) assembler.add(piece)
    expect(assembler.done()).toEqual(named)
  })

  it.each([
    ['a gap', { firstId: 1 }, /first_id: expected 0, got 1/],
    ['an unknown kind', { kinds: Uint8Array.of(9) }, /kinds\[0\]: expected 0 to 3/],
    ['bytes of a control token', { kinds: Uint8Array.of(1) }, /bytes for text tokens only/],
    ['too few bytes', { data: new Uint8Array(0) }, /data: expected 1 bytes, got 0/],
    ['a giant length', { lengths: [2 ** 31] }, /at most 33554432 bytes/],
    ['a name of a text', { nameLengths: [1] }, /name_lengths: expected 0 entries, got 1/],
    ['names without lengths', { names: encode('x') }, /names: expected 0 bytes, got 1/],
  ])('refuses %s', (_, change, message) => {
    const assembler = createVocabularyAssembler(small.digest, small.size)
    const nameless = { nameLengths: [], names: encode('') }
    const piece = {
      firstId: 0,
      kinds: Uint8Array.of(0),
      lengths: [1],
      data: encode('a'),
      ...nameless,
    }
    expect(() => assembler.add({ ...piece, ...change })).toThrow(message)
  })

  it('refuses a wrong digest and missing ids', () => {
    const assembler = createVocabularyAssembler('0'.repeat(64), small.size)
    expect(() => assembler.done()).toThrow(/expected 7 entries, got 0/)
    for (const piece of pieces) assembler.add(piece)
    expect(() => assembler.done()).toThrow(/digest: expected 0000/)
  })
})

describe('createVocabularyCache', () => {
  const dir = mkdtempSync(join(tmpdir(), 'vocabulary-'))
  afterAll(() => rmSync(dir, { recursive: true }))

  it('gives back what was put, and treats a damaged file as a miss that it removes', () => {
    const cache = createVocabularyCache(dir, { maxBytes: 1000 })
    expect(cache.get(small.digest)).toBeUndefined()
    cache.put(small)
    expect(cache.get(small.digest)).toEqual(small)
    const path = join(dir, `${small.digest}.vocabulary`)
    const bytes = readFileSync(path)
    for (const damaged of [bytes.subarray(0, 9), bytes.subarray(0, -1), Buffer.from('x')]) {
      writeFileSync(path, damaged)
      expect(cache.get(small.digest)).toBeUndefined()
      expect(existsSync(path)).toBe(false)
    }
  })

  it('keeps names, and reads files of the version that had none', () => {
    const cache = createVocabularyCache(dir, { maxBytes: 1000 })
    cache.put(named)
    expect(cache.get(named.digest)).toEqual(named)
    const old = Buffer.alloc(12 + 7 * 5 + 3)
    old.write('CSVOCAB1')
    old.writeUInt32LE(7, 8)
    old.set(small.kinds, 12)
    old.writeUInt32LE(1, 12 + 7)
    old.writeUInt32LE(2, 12 + 7 + 8)
    old.write('abc', 12 + 7 * 5)
    writeFileSync(join(dir, `${small.digest}.vocabulary`), old)
    expect(cache.get(small.digest)).toEqual(small)
  })

  it('stays below its bound and never reads outside its folder', () => {
    const cache = createVocabularyCache(dir, { maxBytes: 120 })
    for (let i = 0; i < 20; i++) cache.put(createVocabulary([encode(`token ${i}`)], 3))
    expect(readdirSync(dir).length).toBeLessThan(4)
    expect(cache.get('../../etc/passwd')).toBeUndefined()
  })
})

describe('toVocabulary', () => {
  const bytesOf = (v: ReturnType<typeof toVocabulary>, id: number): string =>
    Buffer.from(tokenBytes(v, id)).toString('latin1')

  it('reads byte-level BPE', () => {
    const json = {
      added_tokens: [
        { id: 3, content: '<|endoftext|>', special: true },
        { id: 4, content: '<|reserved_special_token_7|>', special: true },
        { id: 5, content: '<tool>', special: false },
      ],
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab: { Ġhi: 0, Ã: 1, '©': 2 }, merges: [] },
    }
    const v = toVocabulary(encode(JSON.stringify(json)), { width: 8 })
    expect([0, 1, 2, 5].map((id) => bytesOf(v, id))).toEqual([' hi', '\xc3', '\xa9', '<tool>'])
    expect([...v.kinds]).toEqual([0, 0, 0, 3, 2, 0, 2, 2])
  })

  it('reads byte fallback and its spaces', () => {
    const json = {
      added_tokens: [{ id: 0, content: '<s>', special: true }],
      decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }] },
      model: { type: 'BPE', byte_fallback: true, vocab: { '<s>': 0, '<0xE2>': 1, '▁a': 2 } },
    }
    const v = toVocabulary(encode(JSON.stringify(json)))
    expect([...v.kinds]).toEqual([1, 0, 0])
    expect([bytesOf(v, 1), bytesOf(v, 2)]).toEqual(['\xe2', ' a'])
  })

  it('reads tiktoken ranks with their special tokens', () => {
    const v = toVocabulary(encode('YQ== 0\nwqk= 1\n'), { special: { '<|return|>': 3 } })
    expect([...v.kinds]).toEqual([0, 0, 2, 3])
    expect(bytesOf(v, 1)).toBe('\xc2\xa9')
  })

  it.each([
    ['nothing', '', /at least one line/],
    ['a line without a rank', 'YQ==\n', /line 1: expected base64 and a rank/],
    ['WordPiece', '{"model":{"type":"WordPiece"}}', /expected BPE or Unigram, got WordPiece/],
    ['broken JSON', '{', /expected JSON/],
    ['a cut SentencePiece model', '\n\u007fx', /ends inside a field/],
  ])('refuses %s', (_, text, message) => {
    expect(() => toVocabulary(encode(text))).toThrow(message)
  })
})

const SHARED =
  process.env['CHECKSTREAM_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data')
describe.skipIf(!existsSync(SHARED))('toVocabulary with real tokenizers', () => {
  const load = (path: string) =>
    toVocabulary(gunzipSync(readFileSync(join(SHARED, 'tokenizers', path))))

  it.each([
    ['tok_mistral/tokenizer.model.v1.gz', 32_000],
    ['tok_mistral/mistral_instruct_tokenizer_240323.model.v3.gz', 32_768],
    ['tok_openai/cl100k_base.tiktoken.gz', 100_256],
    ['tok_openai/o200k_base.tiktoken.gz', 199_998],
    ['tok_qwen3/tokenizer.json.gz', 151_669],
  ])('reads %s', (path, size) => {
    const v = load(path)
    expect(v.size).toBe(size)
    // Every byte can be written, so every text can.
    const single = new Set<number>()
    for (let id = 0; id < v.size; id++) {
      const bytes = tokenBytes(v, id)
      if (bytes.length === 1) single.add(bytes[0] ?? 0)
    }
    expect(single.size).toBeGreaterThanOrEqual(243)
  })
})
