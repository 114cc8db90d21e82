/** What the sidecar says on one stream, as calls of the hooks. Throws for a broken protocol. */
import { GuardError } from '../model/errors.ts'
import type { WireRowDirective, WireVocabularyChunk } from '../step/wire.ts'
import type { EngineStats } from './engine-stats.ts'
import type { GuardRows, OnFailure } from './guard-rows.ts'
import { ReadyProgram } from './ready-sets.ts'
import { toPieces, type Vocabulary } from '../vocabulary/vocabulary.ts'

const MAJOR = 1
const MAX_PROGRAM_BYTES = 256 * 1024 * 1024
/** Programs that may be half sent at a time. */
const MAX_PARTS = 64

/** A SidecarMessage as the loader decodes it: every scalar is present, one body is set. */
export type SidecarMessage = {
  readonly welcome?: Welcome | null
  readonly program?: ProgramChunk | null
  readonly bindings?: {
    readonly defaultProgram: Uint8Array
    readonly livePrograms: readonly Uint8Array[]
  } | null
  readonly denySet?: {
    readonly id: number
    readonly invert: boolean
    readonly token: readonly number[]
  } | null
  readonly directives?: {
    readonly sequence: number
    readonly rows: readonly WireRowDirective[]
  } | null
  readonly drain?: { readonly graceMs: number; readonly reason: string } | null
}

export type Welcome = {
  readonly protocolMajor: number
  readonly protocolMinor: number
  readonly needVocabulary: boolean
  readonly wantPromptTokens: boolean
  readonly deadlineUs: number
  readonly coalesceSteps: number
  readonly coalesceUs: number
  readonly onFailure: number | string
  readonly breakerMisses: number
  readonly breakerOpenMs: number
  readonly reportState: boolean
  readonly maxStepEntries: number
}

type ProgramChunk = {
  readonly digest: Uint8Array
  readonly totalBytes: number
  readonly offset: number
  readonly data: Uint8Array
}

export type IncomingParts = {
  readonly hooks: Pick<GuardRows, 'agreed' | 'programReady' | 'bound' | 'denySet' | 'told'>
  readonly stats: EngineStats
  readonly vocabulary: Vocabulary
  readonly width: number
  readonly send: (
    message: { readonly vocabulary: WireVocabularyChunk } | { readonly programStatus: object },
  ) => void
  /** Told after the programs are bound: the stream is ready. */
  readonly bound: () => void
  readonly answered: (sequence: number) => void
}

export class Incoming {
  readonly #parts: IncomingParts
  readonly #programs = new Map<
    string,
    { readonly total: number; readonly chunks: Uint8Array[]; size: number }
  >()

  constructor(parts: IncomingParts) {
    this.#parts = parts
  }

  take(message: SidecarMessage): void {
    const { hooks } = this.#parts
    if (message.welcome) this.#welcome(message.welcome)
    else if (message.program) this.#program(message.program)
    else if (message.denySet) {
      const { id, invert, token } = message.denySet
      hooks.denySet(id, invert, token)
    } else if (message.directives) {
      const { sequence, rows } = message.directives
      if (rows.length > 0) hooks.told(rows)
      if (sequence > 0) this.#parts.answered(sequence)
    } else if (message.bindings) {
      const { defaultProgram, livePrograms } = message.bindings
      hooks.bound(toHex(defaultProgram), new Set(livePrograms.map(toHex)))
      this.#parts.bound()
    } else if (message.drain) this.#parts.stats.say(`sidecar drains: ${message.drain.reason}`)
  }

  #welcome(welcome: Welcome): void {
    if (welcome.protocolMajor !== MAJOR) {
      const theirs = `${welcome.protocolMajor}.${welcome.protocolMinor}`
      throw new GuardError(
        'protocol_unsupported',
        `the sidecar speaks step protocol ${theirs}, this engine ${MAJOR}: upgrade the older of the two`,
      )
    }
    this.#parts.hooks.agreed({
      onFailure: onFailureOf(welcome.onFailure),
      wantPromptTokens: welcome.wantPromptTokens,
      reportState: welcome.reportState,
      deadlineMs: (welcome.deadlineUs || 20_000) / 1000,
      coalesceSteps: welcome.coalesceSteps || 8,
      coalesceMs: (welcome.coalesceUs || 10_000) / 1000,
      breakerMisses: welcome.breakerMisses || 3,
      breakerOpenMs: welcome.breakerOpenMs || 1000,
      maxEntries: welcome.maxStepEntries || 16_384,
    })
    if (!welcome.needVocabulary) return
    const { vocabulary } = this.#parts
    const digest = Buffer.from(vocabulary.textDigest, 'hex')
    for (const { lengths, nameLengths, ...piece } of toPieces(vocabulary)) {
      const counted = { lengths: [...lengths], nameLengths: [...nameLengths] }
      const whole = { digest, totalEntries: vocabulary.size, ...piece, ...counted }
      this.#parts.send({ vocabulary: whole })
    }
  }

  #program(chunk: ProgramChunk): void {
    const digest = toHex(chunk.digest)
    const part = this.#programs.get(digest) ?? { total: chunk.totalBytes, chunks: [], size: 0 }
    this.#programs.set(digest, part)
    const isInRange = part.total > 0 && part.total <= MAX_PROGRAM_BYTES
    if (!isInRange || this.#programs.size > MAX_PARTS) {
      const wanted = `1 to ${MAX_PROGRAM_BYTES} bytes`
      throw new GuardError('program_invalid', `program: expected ${wanted}, got ${part.total}`)
    }
    if (chunk.offset !== part.size || part.size + chunk.data.length > part.total) {
      const got = `a chunk at ${chunk.offset}`
      throw new GuardError('program_invalid', `program: expected one at ${part.size}, got ${got}`)
    }
    part.chunks.push(chunk.data)
    part.size += chunk.data.length
    if (part.size < part.total) return
    this.#programs.delete(digest)
    // A plain Uint8Array: slices of a Buffer would share its pool.
    this.#finish(digest, new Uint8Array(Buffer.concat(part.chunks)))
  }

  /** A program that cannot run is refused; what is in force stays. */
  #finish(digest: string, bytes: Uint8Array): void {
    let problem = ''
    try {
      const program = new ReadyProgram(bytes)
      if (program.digest !== digest) {
        throw new GuardError(
          'program_invalid',
          `program: digest ${digest} announced, ${program.digest} sent`,
        )
      }
      if (program.width !== this.#parts.width) {
        const wanted = this.#parts.width
        throw new GuardError(
          'program_invalid',
          `program: expected ${wanted} logits, got ${program.width}`,
        )
      }
      this.#parts.hooks.programReady(program)
    } catch (error) {
      problem = GuardError.from(error, 'program_invalid').message
      this.#parts.stats.note(error)
    }
    const status = { digest: Buffer.from(digest, 'hex'), ready: problem === '', error: problem }
    this.#parts.send({ programStatus: status })
  }
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The loader gives an enum as its number or as its name. */
function onFailureOf(value: number | string): OnFailure {
  if (value === 1 || value === 'ON_FAILURE_CLOSED') return 'closed'
  return value === 2 || value === 'ON_FAILURE_OPEN' ? 'open' : 'resident'
}
