/**
 * `VocabularyChunk` from the wire: the shape of one chunk. Order, gaps and the digest of the whole
 * are the assembler's business.
 */
import { GuardError } from '../model/errors.ts'
import { below, digest, within } from './bounds.ts'
import type { StepBounds } from './bounds.ts'
import type { WireVocabularyChunk } from './wire.ts'

export type VocabularyChunk = {
  readonly firstId: number
  /** 0 text, 1 control, 2 unused or padding, 3 end of text. */
  readonly kinds: Uint8Array
  readonly lengths: readonly number[]
  readonly data: Uint8Array
  /** Names of control and end tokens: one length each, or none at all. */
  readonly nameLengths: readonly number[]
  readonly names: Uint8Array
}

/** What the engine's Hello fixed for all its chunks. */
export type VocabularyFrame = { readonly logitsWidth: number; readonly textDigest: string }

export function parseVocabularyChunk(
  wire: WireVocabularyChunk,
  frame: VocabularyFrame,
  bounds: StepBounds,
): VocabularyChunk {
  const { kinds, lengths, data, nameLengths, names, firstId, totalEntries } = wire
  const named = digest(wire.digest, 'VocabularyChunk.digest', 'required')
  if (named !== frame.textDigest) {
    throw invalid('digest', `the digest of Hello (${frame.textDigest})`, named)
  }
  if (totalEntries !== frame.logitsWidth) {
    throw invalid('total_entries', `${frame.logitsWidth} as in Hello.logits_width`, totalEntries)
  }
  below(firstId, totalEntries, 'VocabularyChunk.first_id', 'a token id')
  if (kinds.length === 0) throw invalid('kinds', 'at least one entry', 0)
  within(kinds.length, totalEntries - firstId, 'VocabularyChunk.kinds', 'entries left')
  if (lengths.length !== kinds.length) {
    throw invalid('lengths', `${kinds.length} entries as in kinds`, lengths.length)
  }
  within(data.length, bounds.vocabularyBytes, 'VocabularyChunk.data', 'bytes')
  within(names.length, bounds.vocabularyBytes, 'VocabularyChunk.names', 'bytes')
  const nameBytes = nameLengths.reduce((sum, length) => sum + length, 0)
  if (nameBytes !== names.length) {
    throw invalid('names', `${nameBytes} bytes as the lengths say`, names.length)
  }
  let nameable = 0
  let sum = 0
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] ?? 0
    const kind = kinds[i] ?? 0
    if (kind > 3) throw invalid(`kinds[${i}]`, 'a kind from 0 to 3', kind)
    if (kind !== 0 && length !== 0)
      throw invalid(`lengths[${i}]`, '0 for a token without text', length)
    sum += length
    if (kind === 1 || kind === 3) nameable++
  }
  if (nameLengths.length !== 0 && nameLengths.length !== nameable) {
    throw invalid('name_lengths', `${nameable} entries or none`, nameLengths.length)
  }
  if (sum !== data.length) throw invalid('data', `${sum} bytes as the lengths say`, data.length)
  return { firstId, kinds, lengths, data, nameLengths, names }
}

function invalid(field: string, wanted: string, got: string | number): GuardError {
  return new GuardError(
    'vocabulary_invalid',
    `VocabularyChunk.${field}: expected ${wanted}, got ${got}`,
  )
}
