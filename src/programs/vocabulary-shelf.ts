/**
 * The vocabularies of attached engines, by digest: in memory, else from the cache on disk, else taken
 * from the engine chunk by chunk.
 *
 * Bound: `maxVocabularies` in memory; past it the one that was asked for least recently is dropped
 * (it is on disk still). Rows that use it keep it alive for themselves.
 */
import type { EngineInfo } from '../model/engine.ts'

export type VocabularyChunkIn = {
  readonly firstId: number
  readonly kinds: Uint8Array
  readonly lengths: readonly number[]
  readonly data: Uint8Array
  readonly nameLengths: readonly number[]
  readonly names: Uint8Array
}

export type ShelfParts<V> = {
  /** From the disk cache; undefined when it is not there or damaged. Never rejects. */
  readonly load: (digest: string) => Promise<V | undefined>
  /** To the disk cache; its failures are its own to count. Never rejects. */
  readonly save: (vocabulary: V) => Promise<void>
  /** Takes chunks; gives the vocabulary with the last one. Throws `vocabulary_invalid`. */
  readonly assemble: (engine: EngineInfo) => (chunk: VocabularyChunkIn) => V | undefined
  readonly maxVocabularies: number
}

export class VocabularyShelf<V extends { readonly digest: string; readonly size: number }> {
  readonly #parts: ShelfParts<V>
  readonly #known = new Map<string, V>()

  constructor(parts: ShelfParts<V>) {
    this.#parts = parts
  }

  get(digest: string): V | undefined {
    return this.#known.get(digest)
  }

  /** True when the engine's vocabulary is ready for use. */
  async find(engine: EngineInfo): Promise<boolean> {
    const digest = engine.vocabularyDigest
    const known = this.#known.get(digest) ?? (await this.#parts.load(digest))
    if (known === undefined || known.size !== engine.logitsWidth) return false
    this.#put(known)
    return true
  }

  intake(engine: EngineInfo): { add: (chunk: VocabularyChunkIn) => boolean } {
    const assemble = this.#parts.assemble(engine)
    return {
      add: (chunk) => {
        const vocabulary = assemble(chunk)
        if (vocabulary === undefined) return false
        this.#put(vocabulary)
        void this.#parts.save(vocabulary)
        return true
      },
    }
  }

  #put(vocabulary: V): void {
    this.#known.delete(vocabulary.digest)
    this.#known.set(vocabulary.digest, vocabulary)
    if (this.#known.size <= this.#parts.maxVocabularies) return
    const oldest = this.#known.keys().next()
    if (oldest.done !== true) this.#known.delete(oldest.value)
  }
}
