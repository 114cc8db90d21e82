/** One attached engine's place at the guard: its rows, and the directives that wait to be sent. */
import type { Directive, RowDirective } from '../model/directive.ts'
import type { EngineInfo, EngineStats, ProgramStatus } from '../model/engine.ts'
import type { Row } from './row.ts'
import { SessionTable } from './session-table.ts'

const MAX_PROGRAM_STATUS = 64

export class Seat<P> {
  readonly engine: EngineInfo
  readonly rows: SessionTable<Row<P>>
  stats: EngineStats | undefined
  isLeft = false
  /** Grows with every step; rows note it when they are touched. */
  serial = 0
  readonly #push: (rows: readonly RowDirective[]) => void
  readonly #programs = new Map<string, ProgramStatus>()
  #changed = new Map<Row<P>, Directive>()
  #isCollecting = false
  #isFlushing = false

  constructor(engine: EngineInfo, push: (rows: readonly RowDirective[]) => void) {
    this.engine = engine
    this.rows = new SessionTable(engine.slots)
    this.#push = push
  }

  /** Remembers what changed; inside a step it is the step's answer, outside it is pushed soon. */
  change(row: Row<P>, directive: Directive): void {
    row.directive = directive
    this.#changed.set(row, directive)
    if (this.#isCollecting || this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => {
      this.#isFlushing = false
      if (!this.isLeft && this.#changed.size > 0) this.#push(this.#take())
    })
  }

  /** Runs one step and gives the directives that it changed. */
  collect(step: () => void): readonly RowDirective[] {
    this.#isCollecting = true
    try {
      step()
    } finally {
      this.#isCollecting = false
    }
    return this.#changed.size === 0 ? [] : this.#take()
  }

  program(status: ProgramStatus): void {
    if (this.#programs.size >= MAX_PROGRAM_STATUS && !this.#programs.has(status.digest)) {
      const oldest = this.#programs.keys().next()
      if (oldest.done !== true) this.#programs.delete(oldest.value)
    }
    this.#programs.set(status.digest, status)
  }

  get programs(): readonly ProgramStatus[] {
    return [...this.#programs.values()]
  }

  #take(): RowDirective[] {
    const rows: RowDirective[] = []
    for (const [{ slot, generation, isClosed }, directive] of this.#changed) {
      if (!isClosed) rows.push({ slot, generation, directive })
    }
    this.#changed = new Map()
    return rows
  }
}
