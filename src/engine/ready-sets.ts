/** The denied tokens of a program's states, kept ready: many rows are in the same few states. */
import { parseTokenProgram, type TokenProgram } from '../automata/program.ts'

/** Sets kept; past it the one unused longest goes and is made again when it is needed. */
const MAX_READY = 2048

export class ReadyProgram {
  readonly #program: TokenProgram
  readonly #ready = new Map<number, Uint32Array>()

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

  advance(state: number, token: number): number {
    return this.#program.next(state, token)
  }

  /** Sorted; undefined when no token is left. */
  denied(state: number): Uint32Array | undefined {
    let tokens = this.#ready.get(state)
    if (tokens === undefined) tokens = this.#program.deniedTokens(state)
    else this.#ready.delete(state)
    this.#ready.set(state, tokens)
    const oldest = this.#ready.keys().next()
    if (this.#ready.size > MAX_READY && oldest.done !== true) this.#ready.delete(oldest.value)
    return tokens.length >= this.width ? undefined : tokens
  }
}
