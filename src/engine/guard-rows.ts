/**
 * The engine's side of the step protocol: programs run on every row, directives are applied, tokens
 * are reported. Written to the contract of the Python plugin (plugin/checkstream_vllm), so that the
 * sidecar cannot tell the two apart. Knows rows and messages, not the socket (client-grpc.ts).
 */
import type { ProgramState } from '../model/engine.ts'
import type { WireOpened, WireRowDirective, WireStep } from '../step/wire.ts'
import { Breaker } from './breaker.ts'
import type { EngineStats } from './engine-stats.ts'
import type { Row, RowLogits, StepHooks } from './hooks.ts'
import { parseIdentity, type Identity } from './identity.ts'
import { applyRule, deny, DenySets, force } from './mask.ts'
import { Outbox } from './outbox.ts'
import type { ReadyProgram } from './ready-sets.ts'
import { holds, isEmpty, tighten, toRule, type Rule } from './rule.ts'
import type { Sampling } from './sampler.ts'

export type OnFailure = 'closed' | 'open' | 'resident'

/** From Welcome: how both sides have agreed that the engine behaves. */
export type Agreement = {
  readonly onFailure: OnFailure
  readonly wantPromptTokens: boolean
  readonly reportState: boolean
  readonly deadlineMs: number
  readonly coalesceSteps: number
  readonly coalesceMs: number
  readonly breakerMisses: number
  readonly breakerOpenMs: number
  readonly maxEntries: number
}

export type GuardRowsParts = {
  readonly width: number
  readonly stats: EngineStats
  /** What holds until the sidecar has answered once. */
  readonly onFailure: OnFailure
  /** Hands a Step to the stream; false when it is gone or stuck. Must not throw. */
  readonly send: (step: WireStep) => boolean
  /** Until the answer to this Step has come; false past the deadline. */
  readonly wait: (sequence: number, deadlineMs: number) => Promise<boolean>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Calls back once, after about this long. */
  readonly alarm: (ms: number, ring: () => void) => void
}

type Guarded = {
  readonly row: Row
  readonly generation: number
  readonly identity: Identity
  program: ReadyProgram | undefined
  state: ProgramState
  /** Tokens sampled so far; the position that is sampled next. */
  seen: number
  rule: Rule | undefined
}

/** Rows without a program report 0. */
const reported = ({ program, state }: Guarded): number => program?.report(state) ?? 0

export class GuardRows implements StepHooks {
  readonly #parts: GuardRowsParts
  readonly #rows = new Map<number, Guarded>()
  readonly #generations = new Map<number, number>()
  readonly #outbox = new Outbox()
  readonly #sets = new DenySets()
  readonly #programs = new Map<string, ReadyProgram>()
  #agreement: Agreement
  #breaker: Breaker
  #default = ''
  #live: ReadonlySet<string> = new Set()
  #bound = false
  #attached = false
  #owed = 0
  #alarmed = false

  constructor(parts: GuardRowsParts) {
    this.#parts = parts
    this.#agreement = { ...DEFAULTS, onFailure: parts.onFailure }
    this.#breaker = new Breaker(DEFAULTS.breakerMisses, DEFAULTS.breakerOpenMs)
  }

  /** Digests of the programs that a new stream need not send again. */
  get held(): readonly string[] {
    return [...this.#programs.keys()]
  }

  // ------------------------------------------------------------ what the sidecar says

  agreed(agreement: Agreement): void {
    this.#agreement = agreement
    this.#outbox.terms = agreement
    this.#breaker = new Breaker(agreement.breakerMisses, agreement.breakerOpenMs)
  }

  programReady(program: ReadyProgram): void {
    this.#programs.set(program.digest, program)
  }

  /** Rows without a program get one now; rows that have one keep it for their life. */
  bound(defaultProgram: string, live: ReadonlySet<string>): void {
    this.#default = defaultProgram
    this.#live = live
    this.#bound = true
    for (const guarded of this.#rows.values()) {
      if (guarded.program === undefined) this.#startOver(guarded)
    }
    this.#forget()
  }

  /** A stream is ready: every live row is opened on it. */
  attached(): void {
    this.#attached = true
    this.#outbox.reset()
    this.#sets.clear()
    this.#breaker.answered()
    this.#release()
    for (const guarded of this.#rows.values()) this.#announce(guarded)
    this.#wake()
  }

  /** The stream is gone: nobody keeps the rows' directives up to date. */
  detached(): void {
    this.#attached = false
    this.#owed = 0
    this.#release()
  }

  denySet(id: number, invert: boolean, tokens: readonly number[]): void {
    this.#sets.add(id, { invert, tokens })
  }

  told(rows: readonly WireRowDirective[]): void {
    for (const wire of rows) {
      const guarded = this.#rows.get(wire.slot)
      if (guarded === undefined || guarded.generation !== wire.generation) {
        this.#parts.stats.lateDirectives++
        continue
      }
      let rule = toRule(wire)
      if (rule.force.length > 0 && rule.first < guarded.seen) {
        // Its position has passed: a sequence played from its middle would say something else.
        this.#parts.stats.lateForces++
        rule = { ...rule, force: [] }
      }
      guarded.rule = isEmpty(rule) ? undefined : rule
    }
  }

  // ------------------------------------------------------------ what the scheduler does

  opened(row: Row): void {
    const generation = (this.#generations.get(row.slot) ?? 0) + 1
    this.#generations.set(row.slot, generation)
    const identity = parseIdentity(row.sequence.options, this.#parts.width)
    const rest = { program: undefined, state: 0, seen: 0, rule: undefined }
    const guarded: Guarded = { row, generation, identity, ...rest }
    this.#rows.set(row.slot, guarded)
    this.#startOver(guarded)
    this.#announce(guarded)
    this.#parts.stats.openRows = this.#rows.size
  }

  report(): void {
    const { now, stats } = this.#parts
    stats.steps++
    if (!this.#attached) return
    this.#outbox.step()
    const awaited = [...this.#rows.values()].some((guarded) => guarded.rule?.sync === true)
    // While the breaker is not closed, any step may be the one that tries again.
    const tries = awaited || this.#breaker.state !== 'closed'
    if (tries && this.#breaker.mayWait(now())) this.#owed = this.#send(true)
    else if (this.#outbox.due(now())) this.#send(false)
    stats.breaker = this.#breaker.state
  }

  async apply(rows: readonly RowLogits[]): Promise<void> {
    if (this.#owed !== 0) await this.#await()
    const began = this.#parts.now()
    for (const { row, logits } of rows) {
      const guarded = this.#rows.get(row.slot)
      if (guarded !== undefined && !this.#mask(guarded, logits)) {
        force(logits, guarded.identity.stopToken)
      }
    }
    this.#parts.stats.apply.add((this.#parts.now() - began) * 1000)
  }

  sampling(row: Row): Sampling {
    const guarded = this.#rows.get(row.slot)
    if (guarded === undefined) return row.sequence.options.sampling
    const { rule, seen, identity } = guarded
    const adapt = rule !== undefined && this.#judged && holds(rule, seen) ? rule.adapt : undefined
    return tighten(identity.sampling, adapt)
  }

  stopToken(row: Row): number {
    this.#parts.stats.emptyRows++
    return this.#rows.get(row.slot)?.identity.stopToken ?? row.sequence.options.endTokenId
  }

  sampled(row: Row, token: number): void {
    const guarded = this.#rows.get(row.slot)
    if (guarded === undefined) return
    const { generation, program, seen } = guarded
    if (program !== undefined) guarded.state = program.advance(guarded.state, token)
    guarded.seen++
    if (!this.#attached) return
    const state = this.#agreement.reportState ? reported(guarded) : undefined
    const entry = { slot: row.slot, generation, position: seen, token, state }
    this.#outbox.add(entry, this.#parts.now())
    this.#wake()
  }

  closed(row: Row): void {
    const guarded = this.#rows.get(row.slot)
    if (guarded === undefined) return
    this.#rows.delete(row.slot)
    this.#parts.stats.openRows = this.#rows.size
    this.#forget()
    if (!this.#attached) return
    const { generation, seen } = guarded
    this.#outbox.close({ slot: row.slot, generation, finalPosition: seen }, this.#parts.now())
    this.#wake()
  }

  // ------------------------------------------------------------

  /** Whether the sidecar is there to judge rows. */
  get #judged(): boolean {
    return this.#attached && this.#breaker.state === 'closed'
  }

  /** False when the row has to be stopped. */
  #mask(guarded: Guarded, logits: Float32Array): boolean {
    const judged = this.#judged
    const { onFailure } = this.#agreement
    if (!judged && onFailure === 'closed' && this.#isGoverned(guarded)) return false
    const { program, rule } = guarded
    if (program !== undefined && (judged || onFailure !== 'open')) {
      const denied = program.denied(guarded.state)
      if (denied === undefined) {
        this.#parts.stats.emptyRows++
        return false
      }
      deny(logits, denied)
    }
    if (rule === undefined || !(judged || rule.stop)) return true
    return applyRule(logits, rule, guarded.seen, this.#sets)
  }

  #isGoverned({ program, identity }: Guarded): boolean {
    return !this.#bound || program !== undefined || identity.requestId !== ''
  }

  async #await(): Promise<void> {
    const { now, stats, wait } = this.#parts
    const sequence = this.#owed
    this.#owed = 0
    const began = now()
    const isAnswered = await wait(sequence, this.#agreement.deadlineMs)
    stats.awaitedSteps++
    stats.wait.add((now() - began) * 1000)
    if (isAnswered) this.#breaker.answered()
    else {
      stats.missedDeadlines++
      this.#breaker.missed(now())
    }
    stats.breaker = this.#breaker.state
  }

  /** The program that a row keeps: its own, or else the default; from the state of its tokens. */
  #startOver(guarded: Guarded): void {
    const program =
      this.#programs.get(guarded.identity.program) ?? this.#programs.get(this.#default)
    guarded.program = program
    if (program === undefined) return
    guarded.state = program.start
    for (const token of guarded.row.sequence.outputIds) {
      guarded.state = program.advance(guarded.state, token)
    }
  }

  #announce(guarded: Guarded): void {
    if (!this.#attached) return
    // One message must not close a slot and open it again: the order in it is open, then close.
    if (this.#outbox.closes(guarded.row.slot)) this.#send(false)
    this.#outbox.open(this.#openedMessage(guarded), this.#parts.now())
    this.#wake()
  }

  #openedMessage({ row, generation, identity, program, seen }: Guarded): WireOpened {
    const { options, outputIds } = row.sequence
    return {
      slot: row.slot,
      generation,
      requestId: identity.requestId,
      tenant: identity.tenant,
      policy: identity.policy,
      program: Buffer.from(program?.digest ?? '', 'hex'),
      promptLength: options.promptIds.length,
      promptTokenIds: this.#agreement.wantPromptTokens ? options.promptIds : [],
      outputTokenIds: outputIds.slice(0, seen),
      child: identity.child,
      sampling: {
        ...identity.sampling,
        maxTokens: options.maxTokens,
        stopToken: identity.stopToken,
      },
    }
  }

  /** The number of the Step that left, 0 when none did. */
  #send(awaited: boolean): number {
    const step = this.#outbox.take(awaited, this.#parts.now())
    if (this.#parts.send(step)) return step.sequence
    this.#parts.stats.droppedSteps++
    return 0
  }

  /** While the engine rests, nobody calls `report`: what waits leaves by itself. */
  #wake(): void {
    if (this.#alarmed) return
    this.#alarmed = true
    this.#parts.alarm(this.#agreement.coalesceMs, () => {
      this.#alarmed = false
      if (!this.#attached || this.#outbox.isEmpty) return
      if (this.#outbox.due(this.#parts.now())) this.#send(false)
      else this.#wake()
    })
  }

  /** Only a stop still holds when nobody judges. */
  #release(): void {
    for (const guarded of this.#rows.values()) {
      if (guarded.rule?.stop !== true) guarded.rule = undefined
    }
  }

  #forget(): void {
    if (!this.#bound) return
    const used = new Set([...this.#rows.values()].map((guarded) => guarded.program?.digest))
    for (const digest of this.#programs.keys()) {
      const isLive = this.#live.has(digest) || digest === this.#default
      if (!isLive && !used.has(digest)) this.#programs.delete(digest)
    }
  }
}

const DEFAULTS = {
  wantPromptTokens: false,
  reportState: true,
  deadlineMs: 20,
  coalesceSteps: 8,
  coalesceMs: 10,
  breakerMisses: 3,
  breakerOpenMs: 1000,
  maxEntries: 16_384,
} as const
