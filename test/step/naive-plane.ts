/** A whole step plane whose programs are compiled the obvious way; for tests. */
import { createStepPlane } from '../../src/main/rows/step-plane.ts'
import type { StepPlane, StepPlaneParts, StepPolicy } from '../../src/main/rows/step-plane.ts'
import type { Ban } from '../../src/model/ban.ts'
import type { EngineInfo } from '../../src/model/engine.ts'
import { GuardError } from '../../src/model/errors.ts'
import type { VocabularyChunkIn } from '../../src/programs/vocabulary-shelf.ts'
import { allow, namedDigest, vocabularyDigest } from './fakes.ts'
import type { Vocabulary } from './fakes.ts'
import { naiveProgram } from './naive-program.ts'

export type NaivePolicy = StepPolicy
type Parts = StepPlaneParts<NaivePolicy, Vocabulary>

/** Strings are substrings with ASCII case folded; everything else is a ban already. */
export const toBans = (list: readonly unknown[]): readonly Ban[] =>
  list.map((item, i) =>
    typeof item === 'string'
      ? {
          id: `ban-${i}`,
          kind: 'phrase',
          text: item,
          match: 'substring',
          folds: ['case'],
          pending: 'allow',
        }
      : (item as Ban),
  )

export const WELCOME = {
  sidecarVersion: '0.1.0',
  wantPromptTokens: false,
  deadlineUs: 20_000,
  coalesceSteps: 8,
  coalesceUs: 10_000,
  onFailure: 'resident',
  breakerMisses: 3,
  breakerOpenMs: 1_000,
  reportState: true,
} as const

export type NaivePlane = {
  readonly plane: StepPlane<NaivePolicy, Vocabulary>
  readonly use: (bans: readonly Ban[]) => Promise<void>
  readonly digestFor: (vocabulary: Vocabulary) => string
}

export function createNaivePlane(
  socket: string,
  bans: readonly Ban[],
  onFailure: NaivePolicy['onFailure'],
  more: Partial<Parts> = {},
): NaivePlane {
  let revision = 1
  let policy = toPolicy(bans, onFailure, revision)
  const made = new Map<string, ReturnType<typeof naiveProgram>>()
  const plane = createStepPlane<NaivePolicy, Vocabulary>({
    socket: { path: socket, mode: 0o660 },
    welcome: { ...WELCOME, onFailure },
    policy: () => policy,
    policies: () => [policy],
    decide: ({ digest }) => allow(digest),
    watch: () => [],
    observe: () => undefined,
    isObserved: () => false,
    door: () => undefined,
    vocabularies: {
      load: () => Promise.resolve(undefined),
      save: () => Promise.resolve(),
      assemble: assembler,
      maxVocabularies: 4,
    },
    compile: (list, vocabulary) => {
      const program = naiveProgram(list, vocabulary)
      made.set(program.image.digest, program)
      return Promise.resolve(program.image)
    },
    load: (image) => {
      const program = made.get(image.digest)
      if (program === undefined) throw new Error('a program of another process')
      return program.walk
    },
    programFailed: (error) => {
      throw error
    },
    ...more,
  })
  return {
    plane,
    use: async (list) => {
      policy = toPolicy(list, onFailure, ++revision)
      await plane.book.refresh()
    },
    digestFor: (vocabulary) => naiveProgram(policy.bans, vocabulary).image.digest,
  }
}

const toPolicy = (
  bans: readonly Ban[],
  onFailure: NaivePolicy['onFailure'],
  revision: number,
): NaivePolicy => ({ digest: String(revision).padStart(64, '0'), onFailure, bans })

type Chunk = Pick<VocabularyChunkIn, 'kinds' | 'lengths' | 'data' | 'nameLengths' | 'names'>

function assembler(engine: EngineInfo): (chunk: Chunk) => Vocabulary | undefined {
  const chunks: Chunk[] = []
  let entries = 0
  return (chunk) => {
    chunks.push(chunk)
    entries += chunk.kinds.length
    if (entries < engine.logitsWidth) return undefined
    const kinds = Buffer.concat(chunks.map((one) => one.kinds))
    const offsets = new Uint32Array(entries + 1)
    chunks
      .flatMap((one) => [...one.lengths])
      .forEach((length, i) => {
        offsets[i + 1] = (offsets[i] ?? 0) + length
      })
    const data = Buffer.concat(chunks.map((one) => one.data))
    const textDigest = vocabularyDigest(kinds, offsets, data)
    const listed = chunks.flatMap((one) => {
      let at = 0
      const text = Buffer.from(one.names).toString('utf8')
      return [...one.nameLengths].map((length) => text.slice(at, (at += length)))
    })
    const digest = listed.length === 0 ? textDigest : namedDigest(textDigest, listed)
    const ids = [...kinds.keys()].filter((id) => kinds[id] === 1 || kinds[id] === 3)
    const names = new Map(listed.map((name, i) => [ids[i] ?? 0, name]))
    if (digest !== engine.vocabularyDigest) {
      throw new GuardError('vocabulary_invalid', `digest: expected ${engine.vocabularyDigest}`)
    }
    return { size: entries, kinds, offsets, data, names, textDigest, digest }
  }
}
