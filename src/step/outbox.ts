/**
 * What waits to be written to one engine. Directives go first and at once; programs go chunk by
 * chunk when nothing else is on its way.
 *
 * Bound: a client that does not read lets the queue grow to `queuedMessages` or `queuedBytes`; the
 * next message then closes the outbox with `overloaded`, and everything that waits is dropped.
 */
import { GuardError } from '../model/errors.ts'
import type { StepBounds } from './bounds.ts'
import type { WireSidecarMessage } from './wire.ts'

const IN_FLIGHT = 64

export type OutboxParts = {
  /** Hands one message to the transport; `done` is called when it has left. */
  readonly write: (message: WireSidecarMessage, done: () => void) => void
  /** Called once, when the bound was passed. */
  readonly overflow: (error: GuardError) => void
  readonly bounds: Pick<StepBounds, 'queuedMessages' | 'queuedBytes'>
}

export class Outbox {
  readonly #parts: OutboxParts
  readonly #urgent: WireSidecarMessage[] = []
  readonly #bulk: Iterator<WireSidecarMessage>[] = []
  #urgentBytes = 0
  #inFlight = 0
  #inFlightBytes = 0
  #closed = false

  constructor(parts: OutboxParts) {
    this.#parts = parts
  }

  /** Directives and the like: written now if the transport takes them. */
  send(message: WireSidecarMessage): void {
    if (this.#closed) return
    const bytes = roughBytes(message)
    if (this.#urgent.length === 0 && this.#free()) {
      this.#write(message, bytes)
      return
    }
    this.#urgent.push(message)
    this.#urgentBytes += bytes
    const { queuedMessages, queuedBytes } = this.#parts.bounds
    if (this.#urgent.length <= queuedMessages && this.#urgentBytes <= queuedBytes) return
    const waiting = `${this.#urgent.length} messages of about ${this.#urgentBytes} bytes wait`
    this.close()
    this.#parts.overflow(
      new GuardError(
        'overloaded',
        `Attach: the engine does not read: ${waiting}, at most ${queuedMessages} messages and ${queuedBytes} bytes may`,
      ),
    )
  }

  /** Programs: written in order, one piece at a time, behind everything urgent. */
  sendAll(messages: Iterable<WireSidecarMessage>): void {
    if (this.#closed) return
    this.#bulk.push(messages[Symbol.iterator]())
    this.#pump()
  }

  close(): void {
    this.#closed = true
    this.#urgent.length = 0
    this.#urgentBytes = 0
    this.#bulk.length = 0
  }

  #free(): boolean {
    return this.#inFlight < IN_FLIGHT && this.#inFlightBytes < this.#parts.bounds.queuedBytes
  }

  #pump(): void {
    while (!this.#closed && this.#urgent.length > 0 && this.#free()) {
      const message = this.#urgent.shift()
      if (message === undefined) break
      const bytes = roughBytes(message)
      this.#urgentBytes -= bytes
      this.#write(message, bytes)
    }
    while (!this.#closed && this.#inFlight === 0) {
      const piece = this.#nextPiece()
      if (piece === undefined) return
      this.#write(piece, roughBytes(piece))
    }
  }

  #nextPiece(): WireSidecarMessage | undefined {
    for (;;) {
      const first = this.#bulk[0]
      if (first === undefined) return undefined
      const next = first.next()
      if (next.done !== true) return next.value
      this.#bulk.shift()
    }
  }

  #write(message: WireSidecarMessage, bytes: number): void {
    this.#inFlight++
    this.#inFlightBytes += bytes
    this.#parts.write(message, () => {
      this.#inFlight--
      this.#inFlightBytes -= bytes
      this.#pump()
    })
  }
}

/** Near enough for a bound: what a message weighs on the wire. */
function roughBytes(message: WireSidecarMessage): number {
  if ('directives' in message) {
    let bytes = 16
    for (const row of message.directives.rows) {
      bytes += 40 + 4 * (row.denySets.length + row.force.length)
    }
    return bytes
  }
  if ('denySet' in message) return 16 + 4 * message.denySet.token.length
  if ('program' in message) return 64 + message.program.data.length
  if ('probe' in message) return 64 + message.probe.data.length
  return 256
}
