/**
 * One engine's stream from Hello to its end, without the transport.
 *
 * The order is the protocol's: Hello, Welcome, vocabulary if it was asked for, programs, steps.
 * Whatever breaks it ends this stream by a GuardError and touches no other engine.
 */
import type {
  EngineInfo,
  EngineSeat,
  EngineStats,
  ProgramSet,
  ProgramStatus,
} from '../model/engine.ts'
import { GuardError } from '../model/errors.ts'
import type { RowDirective } from '../model/directive.ts'
import type { StepBounds } from './bounds.ts'
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from './bounds.ts'
import { DenySets } from './deny-sets.ts'
import { toMessages } from './directives.ts'
import { parseHello } from './parse-hello.ts'
import { parseProgramStatus, parseStats } from './parse-stats.ts'
import { parseStep } from './parse-step.ts'
import { parseVocabularyChunk } from './parse-vocabulary.ts'
import type { VocabularyChunk } from './parse-vocabulary.ts'
import { EnginePrograms } from './programs.ts'
import type { WireEngineMessage, WireSidecarMessage, WireStep } from './wire.ts'

/** How the plugin is to behave; goes out with Welcome. */
export type WelcomeSettings = {
  readonly sidecarVersion: string
  readonly wantPromptTokens: boolean
  readonly deadlineUs: number
  readonly coalesceSteps: number
  readonly coalesceUs: number
  readonly onFailure: 'closed' | 'open' | 'resident'
  readonly breakerMisses: number
  readonly breakerOpenMs: number
  readonly reportState: boolean
}

/** Takes the chunks of one vocabulary. `add` throws `vocabulary_invalid`. */
export interface VocabularyIntake {
  /** True when the vocabulary is complete, checked against its digest and known from now on. */
  add(chunk: VocabularyChunk): boolean
}

export type ConversationParts = {
  readonly bounds: StepBounds
  readonly welcome: WelcomeSettings
  readonly vocabularies: {
    /** True when the vocabulary is known (in memory or on disk) and ready for use. */
    readonly find: (engine: EngineInfo) => Promise<boolean>
    readonly intake: (engine: EngineInfo) => VocabularyIntake
  }
  /** Calls `changed` with the programs of a vocabulary, now or soon, and at every change. */
  readonly programs: (engine: EngineInfo, changed: (set: ProgramSet) => void) => () => void
  /** Takes a seat at the guard; throws `overloaded` when there is none left. */
  readonly seat: (engine: EngineInfo, push: (rows: readonly RowDirective[]) => void) => EngineSeat
  /** For engines that can evaluate one. */
  readonly probe?: { readonly digest: string; readonly data: Uint8Array } | undefined
  readonly send: (message: WireSidecarMessage) => void
  readonly sendAll: (messages: Iterable<WireSidecarMessage>) => void
}

const ON_FAILURE = { closed: 1, open: 2, resident: 3 } as const

export class Conversation {
  readonly #parts: ConversationParts
  readonly #sets = new DenySets()
  #engine: EngineInfo | undefined
  #seat: EngineSeat | undefined
  #programs: EnginePrograms | undefined
  #intake: VocabularyIntake | undefined
  #unsubscribe: () => void = () => undefined
  #phase: 'new' | 'greeting' | 'open' | 'ended' = 'new'
  #sequence = -1

  constructor(parts: ConversationParts) {
    this.#parts = parts
  }

  get engine(): EngineInfo | undefined {
    return this.#engine
  }

  get isSeated(): boolean {
    return this.#seat !== undefined
  }

  /** Takes one message. Throws GuardError when the stream has to end. */
  receive(message: WireEngineMessage): void | Promise<void> {
    if (this.#phase === 'ended') return undefined
    if (this.#phase === 'new') return this.#hello(message)
    if (this.#phase === 'greeting') {
      throw new GuardError('step_invalid', `Attach: expected the engine to wait for Welcome`)
    }
    if (message.step) return this.#step(message.step)
    if (message.stats) return this.#seat?.stats(parseStats(message.stats) satisfies EngineStats)
    if (message.programStatus) return this.#status(parseProgramStatus(message.programStatus))
    if (message.vocabulary) return this.#vocabulary(message.vocabulary)
    if (message.body === 'unreadable') {
      throw new GuardError('step_invalid', 'Attach: expected an EngineMessage, got other bytes')
    }
    if (message.hello) throw new GuardError('step_invalid', 'Attach: Hello came twice')
    // A body that this version does not know: minors only add fields, so it is skipped.
    return undefined
  }

  /** Tells the engine that the sidecar goes away. */
  drain(graceMs: number, reason: string): void {
    if (this.#phase === 'open') this.#parts.send({ drain: { graceMs, reason } })
  }

  /** Frees everything of this engine. Harmless when called twice. */
  end(): void {
    this.#phase = 'ended'
    this.#unsubscribe()
    this.#unsubscribe = () => undefined
    this.#seat?.detach()
    this.#seat = undefined
    this.#intake = undefined
  }

  async #hello(message: WireEngineMessage): Promise<void> {
    if (!message.hello) {
      const got = message.body ?? 'an empty message'
      throw new GuardError('step_invalid', `Attach: expected Hello first, got ${got}`)
    }
    const engine = parseHello(message.hello, this.#parts.bounds)
    this.#phase = 'greeting'
    this.#engine = engine
    const known = await this.#parts.vocabularies.find(engine)
    if (this.#isEnded()) return
    this.#seat = this.#parts.seat(engine, (rows) => this.#directives(0, rows))
    this.#programs = new EnginePrograms(engine.heldPrograms)
    this.#phase = 'open'
    this.#parts.send(this.#welcome(!known))
    const { probe } = this.#parts
    if (probe !== undefined && engine.capabilities.includes('probe')) {
      const digest = Buffer.from(probe.digest, 'hex')
      this.#parts.send({ probe: { digest, data: probe.data } })
    }
    if (known) this.#subscribe(engine)
    else this.#intake = this.#parts.vocabularies.intake(engine)
  }

  /** A method, so that a check after an await is not folded away. */
  #isEnded(): boolean {
    return this.#phase === 'ended'
  }

  #welcome(needVocabulary: boolean): WireSidecarMessage {
    const { onFailure, ...settings } = this.#parts.welcome
    return {
      welcome: {
        ...settings,
        protocolMajor: PROTOCOL_MAJOR,
        protocolMinor: PROTOCOL_MINOR,
        needVocabulary,
        onFailure: ON_FAILURE[onFailure],
        maxStepEntries: this.#parts.bounds.entries,
      },
    }
  }

  #subscribe(engine: EngineInfo): void {
    this.#unsubscribe = this.#parts.programs(engine, (set) => {
      if (this.#programs !== undefined) this.#parts.sendAll(this.#programs.update(set))
    })
  }

  #vocabulary(wire: NonNullable<WireEngineMessage['vocabulary']>): void {
    const engine = this.#engine
    if (engine === undefined || this.#intake === undefined) {
      throw new GuardError('vocabulary_invalid', 'VocabularyChunk: no vocabulary was asked for')
    }
    const chunk = parseVocabularyChunk(wire, engine, this.#parts.bounds)
    if (!this.#intake.add(chunk)) return
    this.#intake = undefined
    this.#subscribe(engine)
  }

  #step(wire: WireStep): void {
    const { engine } = this
    if (engine === undefined || this.#seat === undefined) return
    const frame = { engine: engine.id, logitsWidth: engine.logitsWidth, slots: engine.slots }
    const step = parseStep(wire, frame, this.#parts.bounds)
    if (step.sequence <= this.#sequence) {
      throw new GuardError(
        'step_invalid',
        `Step.sequence: expected a number above ${this.#sequence}, got ${step.sequence}`,
      )
    }
    this.#sequence = step.sequence
    const { rows, late } = this.#seat.step(step)
    if (late === undefined) {
      if (step.awaited || rows.length > 0) this.#directives(step.sequence, rows)
      return
    }
    // Whoever waits gets one answer; what is later than that is pushed by the seat itself.
    void late.then((more) => {
      if (!this.#isEnded()) this.#directives(step.sequence, [...rows, ...more])
    })
  }

  #status(status: ProgramStatus): void {
    if (!status.ready) this.#programs?.forget(status.digest)
    this.#seat?.programStatus(status)
  }

  #directives(sequence: number, rows: readonly RowDirective[]): void {
    for (const message of toMessages(sequence, rows, this.#sets)) this.#parts.send(message)
  }
}
