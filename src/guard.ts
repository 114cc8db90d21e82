/**
 * The path, top to bottom: step → session → findings → policy → directive.
 *
 * A step is synchronous on purpose. The engine may be blocked while it runs, so it uses only what is
 * already known; classifiers report later, and what they change is pushed.
 */
import type { Decision } from './model/decision.ts'
import type { Directive, RowDirective } from './model/directive.ts'
import type {
  EngineInfo,
  EngineSeat,
  EngineStats,
  ProgramStatus,
  StepOutcome,
} from './model/engine.ts'
import type { GuardEvent, TextAt } from './model/event.ts'
import type { Finding, RequestContext } from './model/finding.ts'
import type { Opened, SamplingParameters, Step } from './model/step.ts'
import { countStep, createCounters } from './session/counters.ts'
import type { GuardCounters } from './session/counters.ts'
import type { GuardLimits } from './session/limits.ts'
import { RequestHub } from './session/request-hub.ts'
import type { Latch, RequestEntry, RequestOrigin } from './session/request-hub.ts'
import {
  isSameDirective,
  Row,
  steered,
  toDirective,
  withoutForce,
  withoutPlayed,
} from './session/row.ts'
import type { Steer, Watcher } from './session/row.ts'
import type { TokenBytes } from './session/row-text.ts'
import { Seat } from './session/seat.ts'
import { NOTICED, Session } from './session/session.ts'
import type { Walk } from './session/session.ts'

/** A compiled policy as far as the path reads it. */
export type GuardPolicy = {
  readonly digest: string
  readonly onFailure: 'closed' | 'open' | 'resident'
}

/** What a rule may ask in the engine: the request, and what its row was opened with. */
export type StepContext = RequestContext & {
  readonly sampling: SamplingParameters
  readonly vocabularyDigest: string
}

export type GuardParts<P extends GuardPolicy> = {
  /** The policy in force; a function, so that a new revision is used by the next row. */
  readonly policy: (tenant: string, name: string) => P
  readonly decide: (policy: P, findings: readonly Finding[], context: StepContext) => Decision
  readonly vocabulary: (digest: string) => TokenBytes | undefined
  readonly programs: {
    readonly find: (digest: string) => Walk | undefined
    /** What a row of this policy should run; undefined when nothing is banned or not compiled yet. */
    readonly expected: (policy: P, vocabularyDigest: string) => Walk | undefined
  }
  /** Makes what follows a row's text: keywords, tools, scores. `report` is for what comes later. */
  readonly watch: (
    row: Row<P>,
    report: (findings: readonly Finding[]) => void,
    engine: EngineInfo,
  ) => readonly Watcher[]
  /** Told of everything. Must not throw and must not block. */
  readonly observe: (event: GuardEvent) => void
  /** False when nobody listens, so that events need not be made. */
  readonly isObserved: () => boolean
  /** Milliseconds, monotonic, with fractions. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly limits: GuardLimits
}

/** An attached engine as telemetry and doctor show it. */
export type EngineView = {
  readonly engine: EngineInfo
  readonly rows: number
  readonly stats: EngineStats | undefined
  readonly programs: readonly ProgramStatus[]
}

export class Guard<P extends GuardPolicy> {
  readonly counters: GuardCounters = createCounters()
  readonly #parts: GuardParts<P>
  readonly #hub: RequestHub<P>
  readonly #seats = new Set<Seat<P>>()
  #liveRows = 0

  constructor(parts: GuardParts<P>) {
    this.#parts = parts
    this.#hub = new RequestHub(parts.limits.requests)
  }

  // ---- the path

  /** Rows open, tokens arrive, every touched row is judged, rows close. */
  #step(seat: Seat<P>, step: Step): StepOutcome {
    const startMs = this.#parts.now()
    const touched: Row<P>[] = []
    seat.serial++
    const rows = seat.collect(() => {
      const older = step.opened.map((opened) => this.#open(seat, opened, startMs))
      this.#advance(seat, step, touched, startMs)
      for (const row of touched) this.#judge(seat, row)
      for (const row of older) if (row !== undefined) this.#close(seat, row)
      for (const { slot, generation } of step.closed) {
        const row = seat.rows.find(slot, generation)
        if (row === undefined) this.counters.unknownRows++
        else this.#close(seat, row)
      }
    })
    this.#account(step, touched, rows, startMs)
    const late = step.awaited ? this.#openJudgements(touched) : undefined
    return late === undefined ? { rows } : { rows, late }
  }

  /** Every token of the step, in order, to the session of its row. */
  #advance(seat: Seat<P>, step: Step, touched: Row<P>[], nowMs: number): void {
    const { slot, generation, position, token, state } = step
    // One probe a row is sent; an engine that claims several is not listened to.
    const probe = step.probe.length === slot.length ? step.probe : []
    for (let i = 0; i < slot.length; i++) {
      const row = seat.rows.find(slot[i] ?? 0, generation[i] ?? 0)
      if (row === undefined) {
        this.counters.unknownRows++
        continue
      }
      if (row.touchedBy !== seat.serial) {
        row.touchedBy = seat.serial
        row.heardMs = nowMs
        touched.push(row)
      }
      try {
        const { session } = row
        const at = position[i] ?? 0
        // Apart from the token, so that watchers go back over text that is already shortened.
        if (at !== session.position) this.#incident(seat, row, session.seek(at), at)
        row.probability = probe[i]
        const noticed = session.advance(at, token[i] ?? 0, state[i])
        if (noticed !== 0) this.#incident(seat, row, noticed, at)
      } catch {
        this.#latch(seat, row, 'failed')
      }
    }
  }

  /** What the row's text says now. */
  #judge(seat: Seat<P>, row: Row<P>): void {
    if (row.latch !== undefined) return
    try {
      let isFound = false
      for (const watcher of row.watchers) {
        const findings = watcher.advance()
        if (findings.length === 0) continue
        row.find(findings)
        isFound = true
      }
      const isSteered = this.#steer(row)
      if (isFound) this.#decide(seat, row)
      else if (isSteered) this.#direct(seat, row, steered(row.ruled, row.steer, row.position))
    } catch {
      // Our own mistake: it costs this row its judgement, never the engine its stream.
      this.#latch(seat, row, 'failed')
    }
  }

  /** Asks the watchers what a tool call needs now; true when that is something else than before. */
  #steer(row: Row<P>): boolean {
    const { forced } = row
    // What a rule forces is played to its end: another directive would replace it.
    if (forced !== undefined && row.position < forced.at + forced.tokens.length) return false
    let steer: Steer | undefined
    for (const watcher of row.watchers) steer ??= watcher.steer?.()
    // A mask is told anew for every token: it holds for one.
    if (steer === row.steer && steer?.deny === undefined) return false
    row.steer = steer
    return true
  }

  /** What the row's policy makes of everything that was found so far. */
  #decide(seat: Seat<P>, row: Row<P>): void {
    if (row.latch !== undefined || row.isClosed) return
    const { requestId } = row.session.opened
    const { position, child } = row
    const startMs = this.#parts.now()
    const decision = this.#parts.decide(row.policy, row.findings, this.#context(seat, row))
    const tookUs = Math.round((this.#parts.now() - startMs) * 1_000)
    this.counters.decisions++
    const ruled = withoutPlayed(row, toDirective(decision, position))
    const directive = steered(ruled, row.steer, position)
    row.ruled = withoutForce(ruled)
    const isChange = !isSameDirective(directive, row.directive)
    if (isChange) this.#direct(seat, row, directive)
    if (!isChange && decision.firings.length === 0) return
    row.entry?.tell({ kind: 'decision', child, position, decision })
    const { firings } = decision
    if (firings.length === 0) return
    const textAt: TextAt = (start, end) => row.text().slice(start, end)
    this.#parts.observe({ kind: 'decision', requestId, position, firings, tookUs, textAt })
  }

  #direct(seat: Seat<P>, row: Row<P>, directive: Directive): void {
    if (isSameDirective(directive, row.directive)) return
    if (directive.stop !== undefined) this.counters.stops++
    seat.change(row, directive)
  }

  #context(seat: Seat<P>, row: Row<P>): StepContext {
    const { opened } = row.session
    const origin = row.entry?.origin
    return {
      requestId: opened.requestId,
      tenant: origin?.tenant ?? opened.tenant,
      user: origin?.user ?? '',
      model: seat.engine.model,
      phase: 'step',
      position: row.position,
      parameters: origin?.parameters ?? {},
      ...(origin?.mode === undefined ? {} : { mode: origin.mode }),
      sampling: opened.sampling,
      vocabularyDigest: seat.engine.vocabularyDigest,
    }
  }

  /** Awaited steps wait for rules that asked for it, never longer than `waitMs`. */
  #openJudgements(touched: readonly Row<P>[]): Promise<readonly RowDirective[]> | undefined {
    const open = touched.flatMap((row) =>
      row.directive.sync ? row.watchers.flatMap((watcher) => watcher.settled?.() ?? []) : [],
    )
    if (open.length === 0) return undefined
    // What they found was pushed on the same stream by then, ahead of this answer.
    const all = Promise.all(open).then(() => undefined)
    return Promise.race([all, this.#parts.sleep(this.#parts.limits.waitMs)]).then(() => [])
  }

  // ---- what is not as it should be

  #incident(seat: Seat<P>, row: Row<P>, noticed: number, position: number): void {
    const { counters } = this
    if ((noticed & NOTICED.rewind) !== 0) {
      counters.rewinds++
      if (row.rewind(position)) this.#decide(seat, row)
    }
    if ((noticed & NOTICED.gap) !== 0) {
      counters.gaps++
      if (row.policy.onFailure === 'closed') this.#latch(seat, row, 'gap')
    }
    if ((noticed & NOTICED.divergence) !== 0) {
      counters.divergences++
      row.find([{ kind: 'divergence', position }])
      this.#decide(seat, row)
      this.#latch(seat, row, 'divergence')
    }
    if ((noticed & NOTICED.violation) !== 0) {
      counters.violations++
      this.#latch(seat, row, 'violation')
    }
  }

  /** From now on the policy's on_failure is all that is done for the row. */
  #latch(seat: Seat<P>, row: Row<P>, reason: Latch): void {
    if (row.latch !== undefined) return
    row.latch = reason
    this.#report(row, reason)
    const { onFailure } = row.policy
    // Text that was banned has been sampled: resident masks are plainly not binding here.
    const isStopped = onFailure === 'closed' || (onFailure === 'resident' && reason === 'violation')
    const fromPosition = row.position
    const stop = { reason: `checkstream: ${reason}` }
    this.#direct(seat, row, { fromPosition, sync: false, ...(isStopped ? { stop } : {}) })
  }

  #report(row: Row<P>, reason: Latch): void {
    const { requestId } = row.session.opened
    this.counters.latched[reason]++
    row.entry?.tell({ kind: 'latched', child: row.child, reason })
    this.#parts.observe({ kind: 'latched', requestId, position: row.position, reason })
  }

  // ---- rows

  /** Opens a row. Gives the older row of the slot, which ends with this step. */
  #open(seat: Seat<P>, opened: Opened, nowMs: number): Row<P> | undefined {
    const { vocabularyDigest } = seat.engine
    const known = this.#hub.find(opened.requestId)
    const policy = known?.origin?.policy ?? this.#parts.policy(opened.tenant, opened.policy)
    const running = this.#parts.programs.find(opened.program)
    const expected = this.#parts.programs.expected(policy, vocabularyDigest)
    const session = new Session({
      opened,
      vocabulary: this.#parts.vocabulary(vocabularyDigest),
      walk: running ?? expected,
      isCompared: running !== undefined,
      maxTextBytes: this.#parts.limits.textBytes,
    })
    const row = new Row<P>(session, policy, known ?? this.#hub.enter(opened.requestId), nowMs)
    const older = seat.rows.open(row)
    this.#liveRows++
    this.counters.openedRows++
    this.#announce(seat, row)
    const report = (findings: readonly Finding[]): void => {
      if (row.isClosed) return
      row.find(findings)
      this.#decide(seat, row)
    }
    row.watchers = this.#parts.watch(row, report, seat.engine)
    this.#checkMask(seat, row, running, expected)
    if (this.#liveRows > this.#parts.limits.sessions) this.#latch(seat, row, 'refused')
    const stopped = row.entry?.stopReason
    if (stopped === undefined) this.#begin(seat, row)
    else this.#halt(seat, row, stopped)
    return older
  }

  /** Rules about the request itself act before its first token. */
  #begin(seat: Seat<P>, row: Row<P>): void {
    try {
      this.#steer(row)
      this.#decide(seat, row)
    } catch {
      this.#latch(seat, row, 'failed')
    }
    if (row.position > 0) this.#judge(seat, row)
  }

  #checkMask(
    seat: Seat<P>,
    row: Row<P>,
    running: Walk | undefined,
    expected: Walk | undefined,
  ): void {
    if (running !== undefined) return
    if (row.session.opened.program !== '') this.counters.foreignPrograms++
    else if (expected !== undefined) {
      this.counters.unmaskedRows++
      this.#latch(seat, row, 'unmasked')
    }
  }

  #announce(seat: Seat<P>, row: Row<P>): void {
    const { requestId, tenant, policy, promptLength } = row.session.opened
    const promptTokens = row.child === 0 ? promptLength : 0
    row.entry?.rows.add(row)
    row.entry?.tell({ kind: 'opened', child: row.child })
    const { model } = seat.engine
    this.#parts.observe({ kind: 'opened', requestId, tenant, policy, model, promptTokens })
  }

  #close(seat: Seat<P>, row: Row<P>): void {
    if (row.isClosed) return
    row.isClosed = true
    seat.rows.close(row)
    this.#liveRows--
    this.counters.closedRows++
    for (const watcher of row.watchers) watcher.close()
    const { requestId } = row.session.opened
    const { entry, child, position } = row
    this.#parts.observe({ kind: 'closed', requestId, tokens: position })
    if (entry === undefined) return
    entry.rows.delete(row)
    entry.tell({ kind: 'closed', child, position })
    // Nobody else knows of a request that did not come through the proxy.
    if (entry.rows.size === 0 && entry.origin === undefined && !entry.isListened) {
      this.#hub.leave(requestId)
    }
  }

  #halt(seat: Seat<P>, row: Row<P>, reason: string): void {
    this.#direct(seat, row, { fromPosition: row.position, sync: false, stop: { reason } })
  }

  #account(
    step: Step,
    touched: readonly Row<P>[],
    rows: readonly RowDirective[],
    startMs: number,
  ): void {
    const { counters } = this
    counters.steps++
    if (step.awaited) counters.awaitedSteps++
    counters.tokens += step.token.length
    counters.directives += rows.length
    const addedUs = (this.#parts.now() - startMs) * 1_000
    countStep(counters, addedUs)
    const isObserved = this.#parts.isObserved()
    for (const row of touched) {
      const { position, child, entry } = row
      if (entry?.isListened === true) entry.tell({ kind: 'tokens', child, position })
      if (!isObserved) continue
      const { requestId } = row.session.opened
      const { adapt } = row.directive
      const { risk } = row
      const more = {
        ...(adapt === undefined ? {} : { adapt }),
        ...(risk === undefined ? {} : { risk }),
      }
      this.#parts.observe({ kind: 'tokens', requestId, position, count: 1, addedUs, ...more })
    }
  }

  // ---- engines

  /** An engine takes its seat; `push` sends directives on our own account. */
  attach(engine: EngineInfo, push: (rows: readonly RowDirective[]) => void): EngineSeat {
    const seat = new Seat<P>(engine, push)
    // Kept over a reconnect: the engine proved it then, and sends nothing about it again.
    for (const digest of engine.heldPrograms) seat.program({ digest, ready: true, error: '' })
    this.#seats.add(seat)
    this.#parts.observe({ kind: 'engine', engine: engine.id, attached: true })
    return {
      step: (step) => this.#step(seat, step),
      stats: (stats) => {
        seat.stats = stats
      },
      programStatus: (status) => seat.program(status),
      detach: () => {
        if (!this.#seats.delete(seat)) return
        seat.isLeft = true
        for (const row of seat.rows.all()) {
          this.#lose(seat, row, 'engine_lost')
        }
        this.#parts.observe({ kind: 'engine', engine: engine.id, attached: false })
      },
    }
  }

  #lose(seat: Seat<P>, row: Row<P>, reason: Latch): void {
    this.#report(row, reason)
    this.#close(seat, row)
  }

  /** Evicts rows that fell silent; called every few seconds. */
  sweep(): void {
    const before = this.#parts.now() - this.#parts.limits.silentMs
    for (const seat of this.#seats) {
      for (const row of seat.rows.all()) {
        if (row.heardMs >= before) continue
        this.counters.evictedRows++
        this.#lose(seat, row, 'evicted')
      }
    }
  }

  engines(): readonly EngineView[] {
    return [...this.#seats].map((seat) => ({
      engine: seat.engine,
      rows: seat.rows.size,
      stats: seat.stats,
      programs: seat.programs,
    }))
  }

  get liveRows(): number {
    return this.#liveRows
  }

  // ---- for the proxy

  /** Says who asks before the engine opens the row, so that both judge by the same revision. */
  expect(requestId: string, origin: RequestOrigin<P>): RequestEntry<P> | undefined {
    const entry = this.#hub.enter(requestId)
    if (entry !== undefined) entry.origin = origin
    return entry
  }

  /** What the step plane knows of a request: rows, text, decisions, and a way to listen. */
  request(requestId: string): RequestEntry<P> | undefined {
    return this.#hub.find(requestId)
  }

  /** Ends every row of the request at its next token. False when the request is not known. */
  stop(requestId: string, reason: string): boolean {
    const entry = this.#hub.find(requestId)
    if (entry === undefined) return false
    entry.stopReason = reason
    for (const seat of this.#seats) {
      for (const row of seat.rows.all()) if (row.entry === entry) this.#halt(seat, row, reason)
    }
    return true
  }

  /** The proxy is done with the request. */
  forget(requestId: string): void {
    this.#hub.leave(requestId)
  }

  get requests(): { readonly live: number; readonly forgotten: number } {
    return { live: this.#hub.size, forgotten: this.#hub.forgotten }
  }
}
