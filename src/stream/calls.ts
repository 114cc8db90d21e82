/**
 * The tool calls of one response: assembled from their parts, decided once when whole. Until it is
 * decided a call has not happened: nothing of it may reach the client.
 */
import type { CallPart } from './dialect.ts'
import type { CallOutcome, StreamOptions } from './guard-options.ts'

export type Call = {
  readonly key: string
  readonly choice: number
  id: string | undefined
  name: string
  arguments: string
  isWhole: boolean
  /** The answer ended before the call was decided: it has not happened. */
  isGone: boolean
  outcome: CallOutcome | undefined
  /** Rewritten arguments that went out with the call's first piece. */
  written: string | undefined
}

export class CallBook {
  readonly #calls = new Map<string, Call>()
  readonly #decide: StreamOptions['decideCall']
  readonly #maxChars: number
  readonly #observe: (call: Call) => void

  constructor(
    decide: StreamOptions['decideCall'],
    maxChars: number,
    observe: (call: Call) => void,
  ) {
    this.#decide = decide
    this.#maxChars = maxChars
    this.#observe = observe
  }

  get(key: string): Call | undefined {
    return this.#calls.get(key)
  }

  /**
   * The parts of one frame. A call that is new completes those of its choice that came in earlier
   * frames; calls that share the frame may all go on, because their arguments are still to be read.
   */
  add(parts: readonly CallPart[]): readonly Call[] {
    const keys = new Set(parts.map((part) => part.key))
    for (const { key, choice } of parts) {
      if (this.#calls.has(key)) continue
      for (const call of this.#calls.values()) {
        if (call.choice === choice && !keys.has(call.key)) this.complete(call.key)
      }
    }
    return parts.map((part) => this.#addOne(part))
  }

  #addOne(part: CallPart): Call {
    let call = this.#calls.get(part.key)
    if (call === undefined) {
      call = {
        key: part.key,
        choice: part.choice,
        id: undefined,
        name: '',
        arguments: '',
        isWhole: false,
        isGone: false,
        outcome: undefined,
        written: undefined,
      }
      this.#calls.set(part.key, call)
    }
    call.id ??= part.id
    if (part.name !== undefined && call.name === '') call.name = part.name
    return call
  }

  addArguments(key: string, text: string): void {
    const call = this.#calls.get(key)
    if (call === undefined) return
    call.arguments += text
    if (call.arguments.length <= this.#maxChars || call.outcome !== undefined) return
    const message = `The arguments of ${call.name} are longer than ${this.#maxChars} characters.`
    call.outcome = { kind: 'block', message }
    call.arguments = ''
    this.#observe(call)
  }

  /** The answer ended before the call was whole: it has not happened, and is not decided. */
  drop(key: string): void {
    const call = this.#calls.get(key)
    if (call === undefined || call.isGone) return
    call.isGone = true
    call.outcome = undefined
    this.#observe(call)
  }

  /** Drops what is not decided: of one choice, or of all. */
  dropOpen(choice?: number): void {
    // Without decisions calls go out as they come.
    if (this.#decide === undefined) return
    for (const call of this.#calls.values()) {
      const isOpen = call.outcome === undefined || call.outcome.kind === 'hold'
      if (isOpen && (choice === undefined || call.choice === choice)) this.drop(call.key)
    }
  }

  complete(key: string): void {
    const call = this.#calls.get(key)
    if (call === undefined || call.isWhole || call.isGone) return
    call.isWhole = true
    if (call.outcome !== undefined) return
    const { id, name, choice } = call
    call.outcome = this.#decide?.({ key, id, name, choice, arguments: call.arguments }) ?? {
      kind: 'allow',
    }
    this.#observe(call)
  }

  completeChoice(choice: number | undefined): void {
    for (const call of this.#calls.values()) {
      if (choice === undefined || call.choice === choice) this.complete(call.key)
    }
  }

  /** The answer to a held call; false when nothing waits under that key. */
  settle(key: string, outcome: CallOutcome): boolean {
    const call = this.#calls.get(key)
    if (call?.outcome?.kind !== 'hold') return false
    call.outcome = outcome
    this.#observe(call)
    return true
  }

  isReady(key: string): boolean {
    const outcome = this.#calls.get(key)?.outcome
    return this.#decide === undefined || (outcome !== undefined && outcome.kind !== 'hold')
  }

  /** Every call of the choice was blocked, and there was one. */
  isAllBlocked(choice: number): boolean {
    const calls = [...this.#calls.values()].filter((call) => call.choice === choice && !call.isGone)
    return calls.length > 0 && calls.every((call) => call.outcome?.kind === 'block')
  }

  /** Blocked calls of the choice before this one: clients index calls without gaps. */
  blockedBefore(key: string): number {
    let blocked = 0
    const of = this.#calls.get(key)
    for (const call of this.#calls.values()) {
      if (call.key === key) return blocked
      if (call.choice === of?.choice && call.outcome?.kind === 'block') blocked++
    }
    return blocked
  }
}
