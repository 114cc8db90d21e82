/**
 * What waits to be told to the sidecar: engine steps, coalesced. While nobody is waited for, several
 * steps travel as one message, so that the socket costs a fraction of a message a step.
 */
import type { WireClosed, WireOpened, WireStep } from '../step/wire.ts'

/** One Step message to be. */
export type Parcel = {
  readonly opened: WireOpened[]
  readonly closed: WireClosed[]
  readonly slot: number[]
  readonly generation: number[]
  readonly position: number[]
  readonly token: number[]
  readonly state: number[]
  steps: number
  sinceMs: number
}

export type Terms = {
  readonly coalesceSteps: number
  readonly coalesceMs: number
  /** Past half of it a parcel is due at once. */
  readonly maxEntries: number
}

export type Entry = {
  readonly slot: number
  readonly generation: number
  readonly position: number
  readonly token: number
  /** Left out when the sidecar does not want it. */
  readonly state: number | undefined
}

export class Outbox {
  terms: Terms = { coalesceSteps: 8, coalesceMs: 10, maxEntries: 16_384 }
  #parcel = fresh()
  #sequence = 0

  /** A new stream: its sequence begins again and nothing of the old one is owed. */
  reset(): void {
    this.#parcel = fresh()
    this.#sequence = 0
  }

  get isEmpty(): boolean {
    const { opened, closed, slot } = this.#parcel
    return opened.length === 0 && closed.length === 0 && slot.length === 0
  }

  /** True when the waiting parcel closes this slot and so has to leave before it is opened again. */
  closes(slot: number): boolean {
    return this.#parcel.closed.some((row) => row.slot === slot)
  }

  open(row: WireOpened, nowMs: number): void {
    this.#touch(nowMs).opened.push(row)
  }

  close(row: WireClosed, nowMs: number): void {
    this.#touch(nowMs).closed.push(row)
  }

  add(entry: Entry, nowMs: number): void {
    const parcel = this.#touch(nowMs)
    parcel.slot.push(entry.slot)
    parcel.generation.push(entry.generation)
    parcel.position.push(entry.position)
    parcel.token.push(entry.token)
    if (entry.state !== undefined) parcel.state.push(entry.state)
  }

  /** One engine step is over. */
  step(): void {
    if (!this.isEmpty) this.#parcel.steps++
  }

  due(nowMs: number): boolean {
    if (this.isEmpty) return false
    const { steps, sinceMs, slot, opened } = this.#parcel
    // The sidecar may want to be waited for from the first token on.
    if (opened.length > 0) return true
    const { coalesceSteps, coalesceMs, maxEntries } = this.terms
    return steps >= coalesceSteps || slot.length * 2 > maxEntries || nowMs - sinceMs >= coalesceMs
  }

  /** The parcel as a message, numbered. */
  take(awaited: boolean, nowMs: number): WireStep {
    const { steps: _steps, sinceMs: _sinceMs, ...rows } = this.#parcel
    this.#parcel = fresh()
    this.#sequence++
    const monotonicUs = Math.round(nowMs * 1000)
    return { sequence: this.#sequence, awaited, ...rows, probe: [], monotonicUs }
  }

  #touch(nowMs: number): Parcel {
    if (this.isEmpty) this.#parcel.sinceMs = nowMs
    return this.#parcel
  }
}

function fresh(): Parcel {
  const rows = { opened: [], closed: [], slot: [], generation: [], position: [] }
  return { ...rows, token: [], state: [], steps: 0, sinceMs: 0 }
}
