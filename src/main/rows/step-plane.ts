/**
 * Joins the step plane: vocabularies, programs, the guard and the door. `main.ts` and test fixtures
 * give it policies; everything it starts, it stops.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Guard } from '../../guard.ts'
import type { GuardParts, GuardPolicy } from '../../guard.ts'
import type { Ban } from '../../model/ban.ts'
import type { ProgramImage } from '../../model/engine.ts'
import type { GuardError } from '../../model/errors.ts'
import type { RefusedEngine, StepStatus } from '../../model/status.ts'
import { ProgramBook } from '../../programs/program-book.ts'
import type { LoadedProgram } from '../../programs/program-book.ts'
import { VocabularyShelf } from '../../programs/vocabulary-shelf.ts'
import type { ShelfParts } from '../../programs/vocabulary-shelf.ts'
import { DEFAULT_LIMITS } from '../../session/limits.ts'
import type { GuardLimits } from '../../session/limits.ts'
import type { TokenBytes } from '../../session/row-text.ts'
import { DEFAULT_BOUNDS } from '../../step/bounds.ts'
import type { StepBounds } from '../../step/bounds.ts'
import type { WelcomeSettings } from '../../step/conversation.ts'
import { createStepServer } from '../../step/grpc.ts'
import type { StepServer, StepServerEvent, StepServerParts } from '../../step/grpc.ts'

export type StepPolicy = GuardPolicy & { readonly bans: readonly Ban[] }
export type PlaneVocabulary = TokenBytes & { readonly digest: string }

export type StepPlaneParts<P extends StepPolicy, V extends PlaneVocabulary> = {
  readonly socket: { readonly path: string; readonly mode: number }
  readonly welcome: WelcomeSettings
  readonly policy: GuardParts<P>['policy']
  /** Every policy whose program engines should hold; a new revision takes effect by `refresh`. */
  readonly policies: () => readonly P[]
  readonly decide: GuardParts<P>['decide']
  readonly watch: GuardParts<P>['watch']
  readonly observe: GuardParts<P>['observe']
  readonly isObserved: () => boolean
  readonly door: (event: StepServerEvent) => void
  readonly vocabularies: ShelfParts<V>
  readonly compile: (bans: readonly Ban[], vocabulary: V) => Promise<ProgramImage>
  readonly load: (image: ProgramImage) => LoadedProgram
  readonly programFailed: (error: GuardError) => void
  readonly probe?: StepServerParts['probe'] | undefined
  readonly bounds?: Partial<StepBounds>
  readonly limits?: Partial<GuardLimits>
}

export type StepPlane<P extends StepPolicy, V extends PlaneVocabulary> = {
  readonly guard: Guard<P>
  readonly book: ProgramBook<P, LoadedProgram>
  readonly shelf: VocabularyShelf<V>
  readonly server: StepServer
  /** Digest of the program that rows of a policy must run, for the proxy; empty for none yet. */
  readonly programOf: (policy: P) => string
  /** Everything at a glance, for operators. */
  readonly status: () => StepStatus
  readonly start: () => Promise<void>
  readonly stop: (graceMs: number) => Promise<void>
}

const MAX_PROGRAMS = 64
const SWEEP_MS = 5_000

export function createStepPlane<P extends StepPolicy, V extends PlaneVocabulary>(
  parts: StepPlaneParts<P, V>,
): StepPlane<P, V> {
  const shelf = new VocabularyShelf<V>(parts.vocabularies)
  const book = new ProgramBook<P, LoadedProgram>({
    policies: parts.policies,
    defaultPolicy: () => parts.policy('', ''),
    compile: (bans, digest) => {
      const vocabulary = shelf.get(digest)
      if (vocabulary === undefined) return Promise.reject(new Error(`no vocabulary ${digest}`))
      return parts.compile(bans, vocabulary)
    },
    load: parts.load,
    failed: parts.programFailed,
    maxPrograms: MAX_PROGRAMS,
  })
  const guard = new Guard<P>({
    policy: parts.policy,
    decide: parts.decide,
    vocabulary: (digest) => shelf.get(digest),
    programs: {
      find: (digest) => (digest === '' ? undefined : book.find(digest)),
      expected: (policy, digest) => book.expected(policy, digest),
    },
    watch: parts.watch,
    observe: parts.observe,
    isObserved: parts.isObserved,
    now: () => performance.now(),
    sleep: (ms) => sleep(ms, undefined, { ref: false }),
    limits: { ...DEFAULT_LIMITS, ...parts.limits },
  })
  let refused: RefusedEngine | undefined
  const server = createStepServer({
    bounds: { ...DEFAULT_BOUNDS, ...parts.bounds },
    welcome: parts.welcome,
    probe: parts.probe,
    vocabularies: {
      find: (engine) => shelf.find(engine),
      intake: (engine) => shelf.intake(engine),
    },
    programs: (engine, changed) => book.subscribe(engine.vocabularyDigest, changed),
    seat: (engine, push) => guard.attach(engine, push),
    socket: parts.socket,
    observe: (event) => {
      refused = afterEvent(refused, event)
      parts.door(event)
    },
    liveRows: () => guard.liveRows,
  })
  let sweeper: NodeJS.Timeout | undefined
  return {
    guard,
    book,
    shelf,
    server,
    programOf: (policy) => {
      for (const digest of book.sets().keys()) {
        const program = book.expected(policy, digest)
        if (program !== undefined) return program.digest
      }
      return ''
    },
    status: () => ({
      ...toStatus(parts.welcome.sidecarVersion, guard, book, shelf),
      ...(refused === undefined ? {} : { refused }),
    }),
    start: async () => {
      await server.start()
      sweeper = setInterval(() => guard.sweep(), SWEEP_MS).unref()
    },
    stop: async (graceMs) => {
      clearInterval(sweeper)
      await server.stop(graceMs)
    },
  }
}

/** An engine that attaches has come back, whoever it was before it could say so. */
function afterEvent(
  before: RefusedEngine | undefined,
  event: StepServerEvent,
): RefusedEngine | undefined {
  if (event.kind === 'refused') {
    const { code, message } = event.error
    return { engine: event.engine, code, reason: message }
  }
  const isBack = before?.engine === '' || before?.engine === event.engine
  return event.kind === 'attached' && isBack ? undefined : before
}

function toStatus<P extends StepPolicy, V extends PlaneVocabulary>(
  version: string,
  guard: Guard<P>,
  book: ProgramBook<P, LoadedProgram>,
  shelf: VocabularyShelf<V>,
): StepStatus {
  const engines = guard.engines().map(({ engine, rows, stats, programs }) => {
    const { id, name, runner, model, logitsWidth, vocabularyDigest } = engine
    const known = { id, name, version: engine.version, runner, model, logitsWidth }
    return { ...known, vocabularyDigest, rows, programs, ...(stats === undefined ? {} : { stats }) }
  })
  const sets = book.sets()
  const digests = new Set([...sets.keys(), ...engines.map((one) => one.vocabularyDigest)])
  const vocabularies = [...digests].map((digest) => {
    const set = sets.get(digest)
    const size = shelf.get(digest)?.size
    const compiled =
      set === undefined
        ? {}
        : {
            programs: set.programs.map((program) => program.digest),
            defaultProgram: set.defaultProgram,
            revision: set.revision,
          }
    return { digest, ...(size === undefined ? {} : { size }), ...compiled }
  })
  const { steps, tokens, divergences, violations, gaps } = guard.counters
  const { unmaskedRows, foreignPrograms, evictedRows } = guard.counters
  const totals = { steps, tokens, divergences, violations, gaps, unmaskedRows }
  return {
    version,
    engines,
    vocabularies,
    liveRows: guard.liveRows,
    totals: { ...totals, foreignPrograms, evictedRows },
  }
}
