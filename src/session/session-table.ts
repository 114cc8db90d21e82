/**
 * The live rows of one engine, by slot and generation. A slot that is opened again ends its older
 * row; a row that says nothing for too long is evicted and counted.
 *
 * Bound: rows per engine. The door already refuses more slots than that, so the bound is met only
 * while a slot changes hands within one step.
 */
import { GuardError } from '../model/errors.ts'

const SLOTS = 2 ** 20 // slots are below this: the key of a row stays an exact integer

export type TableRow = {
  readonly slot: number
  readonly generation: number
  /** When the row was last heard of, in milliseconds. */
  heardMs: number
}

export class SessionTable<R extends TableRow> {
  readonly #rows = new Map<number, R>()
  /** The youngest generation of each slot. */
  readonly #current = new Map<number, R>()
  readonly #bound: number

  constructor(bound: number) {
    this.#bound = bound
  }

  get size(): number {
    return this.#rows.size
  }

  find(slot: number, generation: number): R | undefined {
    return this.#rows.get(generation * SLOTS + slot)
  }

  /**
   * Adds a row. Gives the older row of the same slot, which is still found until it is closed.
   * Throws `step_invalid` when the generation did not grow, `overloaded` past the bound.
   */
  open(row: R): R | undefined {
    const older = this.#current.get(row.slot)
    if (older !== undefined && older.generation >= row.generation) {
      throw new GuardError(
        'step_invalid',
        `Step.opened: slot ${row.slot} is at generation ${older.generation}, expected a higher one, got ${row.generation}`,
      )
    }
    if (this.#rows.size >= 2 * this.#bound) {
      throw new GuardError('overloaded', `Step.opened: at most ${this.#bound} live rows an engine`)
    }
    this.#rows.set(row.generation * SLOTS + row.slot, row)
    this.#current.set(row.slot, row)
    return older
  }

  close(row: R): void {
    this.#rows.delete(row.generation * SLOTS + row.slot)
    if (this.#current.get(row.slot) === row) this.#current.delete(row.slot)
  }

  /** A copy, so that rows may close while it is walked. */
  all(): R[] {
    return [...this.#rows.values()]
  }
}
