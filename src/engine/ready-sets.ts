/** The denied tokens of a program's states, kept ready: many rows are in the same few states. */
import type { ProgramState } from '../model/engine.ts'
import { parseTokenProgram, type TokenProgram } from '../automata/program.ts'

/** Sets kept; past it the one unused longest goes and is made again when it is needed. */
const MAX_READY = 2048

export class ReadyProgram {
  readonly #program: TokenProgram
  readonly #ready = new Map<string, Uint32Array>()

  /** Throws `program_invalid` for a blob that cannot be executed. */
  constructor(blob: Uint8Array) {
    this.#program = parseTokenProgram(blob)
  }

  get digest(): string {
    return this.#program.digest
  }

  get width(): number {
    return this.#program.logitsWidth
  }

  get start(): number {
    return this.#program.start
  }

  /** What the step protocol reports. */
  report(state: ProgramState): number {
    return this.#program.report(state)
  }

  advance(state: ProgramState, token: number): ProgramState {
    return this.#program.next(state, token)
  }

  /** Sorted; undefined when no token is left. */
  denied(state: ProgramState): Uint32Array | undefined {
    const key = String(state)
    let tokens = this.#ready.get(key)
    if (tokens === undefined) tokens = this.#program.deniedTokens(state)
    else this.#ready.delete(key)
    this.#ready.set(key, tokens)
    const oldest = this.#ready.keys().next()
    if (this.#ready.size > MAX_READY && oldest.done !== true) this.#ready.delete(oldest.value)
    return tokens.length >= this.width ? undefined : tokens
  }
}
