/**
 * Compiles token programs in a thread of its own: a large set of bans takes long, and a running
 * stream must not notice. Vocabularies are sent once; only bans and finished blobs travel after that.
 */
import { parentPort } from 'node:worker_threads'
import { compileAutomaton } from '../../automata/automaton.ts'
import { compileTokenProgram } from '../../automata/program.ts'
import { GuardError } from '../../model/errors.ts'
import type { Ban } from '../../model/ban.ts'
import type { Vocabulary } from '../../vocabulary/vocabulary.ts'

export type ProgramJob = {
  readonly id: number
  readonly bans: readonly Ban[]
  readonly vocabularyDigest: string
  /** With the first job that needs it. */
  readonly vocabulary?: Vocabulary
}

export type ProgramAnswer =
  | { readonly id: number; readonly digest: string; readonly blob: Uint8Array }
  | { readonly id: number; readonly code: string; readonly message: string }

/** Vocabularies kept here; past it the one that was sent first is dropped and must be sent again. */
const MAX_KNOWN = 16

const known = new Map<string, Vocabulary>()

function answer(job: ProgramJob): ProgramAnswer {
  const { id, bans, vocabularyDigest } = job
  try {
    if (job.vocabulary !== undefined) keep(job.vocabulary)
    const vocabulary = known.get(vocabularyDigest)
    if (vocabulary === undefined) throw new GuardError('program_invalid', 'vocabulary not sent')
    const { digest, blob } = compileTokenProgram(compileAutomaton(bans), vocabulary)
    return { id, digest, blob }
  } catch (error) {
    const { code, message } = GuardError.from(error, 'program_invalid')
    return { id, code, message }
  }
}

function keep(vocabulary: Vocabulary): void {
  known.set(vocabulary.digest, vocabulary)
  const oldest = known.keys().next()
  if (known.size > MAX_KNOWN && oldest.done !== true) known.delete(oldest.value)
}

parentPort?.on('message', (job: ProgramJob) => {
  const made = answer(job)
  // Moved, not copied: the other side serves streams meanwhile.
  const moved = 'blob' in made ? [made.blob.buffer as ArrayBuffer] : []
  parentPort?.postMessage(made, moved)
})
