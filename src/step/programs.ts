/**
 * Which programs one engine has, and what must be sent so that it has the current ones: the missing
 * programs in chunks, then the bindings that name them.
 */
import type { ProgramImage, ProgramSet } from '../model/engine.ts'
import type { WireSidecarMessage } from './wire.ts'

/** Small enough that a directive never waits long behind a chunk; the protocol allows 1 MiB. */
const CHUNK_BYTES = 256 * 1024

export class EnginePrograms {
  readonly #held: Set<string>
  #revision = 0

  /** `held`: digests that the engine kept over a reconnect. */
  constructor(held: readonly string[]) {
    this.#held = new Set(held)
  }

  /** Everything to send for `set`, lazily: a program is not copied until it is written. */
  update(set: ProgramSet): Iterable<WireSidecarMessage> {
    const missing = set.programs.filter((program) => !this.#held.has(program.digest))
    this.#held.clear()
    for (const program of set.programs) this.#held.add(program.digest)
    this.#revision = Math.max(this.#revision + 1, set.revision)
    return messages(missing, set, this.#revision)
  }

  /** The engine refused or lost the program: it is sent again with the next set. */
  forget(digest: string): void {
    this.#held.delete(digest)
  }
}

function* messages(
  missing: readonly ProgramImage[],
  set: ProgramSet,
  revision: number,
): Generator<WireSidecarMessage> {
  for (const program of missing) yield* chunks(program)
  yield {
    bindings: {
      defaultProgram: Buffer.from(set.defaultProgram, 'hex'),
      livePrograms: set.programs.map((program) => Buffer.from(program.digest, 'hex')),
      revision,
    },
  }
}

function* chunks(program: ProgramImage): Generator<WireSidecarMessage> {
  const digest = Buffer.from(program.digest, 'hex')
  const totalBytes = program.blob.length
  for (let offset = 0; offset < totalBytes; offset += CHUNK_BYTES) {
    const data = program.blob.subarray(offset, Math.min(offset + CHUNK_BYTES, totalBytes))
    yield { program: { digest, totalBytes, offset, data } }
  }
}
