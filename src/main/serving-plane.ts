/** What stands between the proxy and the rest, in both modes; and what the sidecar's is built from. */
import type { Ban } from '../model/ban.ts'
import type { ProgramImage } from '../model/engine.ts'
import type { LoadedProgram } from '../programs/program-book.ts'
import type { ShelfParts } from '../programs/vocabulary-shelf.ts'
import type { Exchange, ProxyParts } from '../proxy/parts.ts'

export type ServingPlane = Pick<ProxyParts, 'admit' | 'wasStopped' | 'readiness' | 'metrics'> & {
  readonly start: () => Promise<void>
  readonly stop: (graceMs: number) => Promise<void>
  /** The proxy is done with a request. */
  readonly finished: (exchange: Exchange) => void
}

/** Programs and vocabularies: from automata in the product, simple ones in tests. */
export type PlaneKit<V> = {
  readonly compile: (bans: readonly Ban[], vocabulary: V) => Promise<ProgramImage>
  readonly load: (image: ProgramImage) => LoadedProgram
  readonly vocabularies: ShelfParts<V>
  /** Kinds of a vocabulary's tokens, for the reserved stop token. */
  readonly kinds: (vocabulary: V) => Uint8Array
  readonly env: Readonly<Record<string, string | undefined>>
}
