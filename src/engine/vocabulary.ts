/** The vocabulary as the sidecar is told of it: kinds, lengths and bytes, and their digest. */
import { createHash } from 'node:crypto'
import type { WireVocabularyChunk } from '../step/wire.ts'
import { KIND, type Tokenizer } from './tokenizer.ts'

const CHUNK_BYTES = 512 * 1024
const CHUNK_ENTRIES = 65_536

export type Vocabulary = {
  readonly digest: Buffer
  readonly endTokenIds: readonly number[]
  chunks(): Iterable<WireVocabularyChunk>
}

type VocabularySource = Pick<Tokenizer, 'size' | 'kinds' | 'bytes'>

/** Entries that are not text have no bytes; a text without bytes is unused. */
export function toVocabulary(source: VocabularySource): Vocabulary {
  const kinds = Buffer.from(source.kinds)
  const texts = Array.from({ length: source.size }, (_, id) => {
    const bytes = source.bytes(id)
    if (kinds[id] !== KIND.text) return new Uint8Array(0)
    if (bytes.length === 0) kinds[id] = KIND.unused
    return bytes
  })
  const lengths = texts.map((text) => text.length)
  return {
    digest: digestOf(kinds, lengths, texts),
    endTokenIds: [...kinds.keys()].filter((id) => kinds[id] === KIND.end),
    chunks: () => chunksOf(digestOf(kinds, lengths, texts), kinds, texts),
  }
}

/** docs/protocol.md, "Vocabulary digest". */
function digestOf(
  kinds: Uint8Array,
  lengths: readonly number[],
  texts: readonly Uint8Array[],
): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(kinds.length)
  const widths = Buffer.alloc(4 * lengths.length)
  for (const [i, length] of lengths.entries()) widths.writeUInt32LE(length, 4 * i)
  const hash = createHash('sha256').update('checkstream-vocabulary/1\n').update(size)
  hash.update(kinds).update(widths)
  for (const text of texts) hash.update(text)
  return hash.digest()
}

function* chunksOf(
  digest: Buffer,
  kinds: Buffer,
  texts: readonly Uint8Array[],
): Generator<WireVocabularyChunk> {
  let first = 0
  while (first < texts.length) {
    let end = first
    let bytes = 0
    while (end < texts.length && end - first < CHUNK_ENTRIES && bytes < CHUNK_BYTES) {
      bytes += texts[end]?.length ?? 0
      end++
    }
    const part = texts.slice(first, end)
    yield {
      digest,
      totalEntries: texts.length,
      firstId: first,
      kinds: kinds.subarray(first, end),
      lengths: part.map((text) => text.length),
      data: Buffer.concat(part),
    }
    first = end
  }
}
