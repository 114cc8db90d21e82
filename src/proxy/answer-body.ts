/**
 * The body of an upstream's answer as it arrives: chunks are pushed, in the very turn in which they are
 * read. A stream of Node's takes several turns and promises for each chunk.
 */
import { GuardError } from '../model/errors.ts'

export type BodySink = {
  readonly data: (chunk: Uint8Array) => void
  readonly end: () => void
  readonly fail: (error: unknown) => void
}

/** What stands behind the body: the connection it is read from. */
export type BodySource = {
  readonly pause: () => void
  readonly resume: () => void
  readonly abort: (reason: Error) => void
}

type End = { readonly error?: unknown }

/** Kept before somebody reads; past it the source is paused. More than one read of a socket brings. */
const MAX_KEPT = 64 * 1024

/**
 * What comes before somebody reads is kept: the first bytes often come with the head, and who waited for
 * the head reads a few turns later.
 */
export class AnswerBody {
  readonly #source: BodySource
  #kept: Uint8Array[] = []
  #keptBytes = 0
  #ended: End | undefined
  #sink: BodySink | undefined
  #isPaused = false
  #isDone = false

  constructor(source: BodySource) {
    this.#source = source
  }

  // ---- for the source

  push(chunk: Uint8Array): void {
    // A parser that goes on after a pause may tell of nothing first: who pauses at every chunk, and
    // goes on at the next, would get it again without end.
    if (this.#isDone || chunk.length === 0) return
    if (this.#sink !== undefined && !this.#isPaused) return this.#sink.data(chunk)
    this.#kept.push(chunk)
    this.#keptBytes += chunk.length
    if (this.#isPaused || this.#keptBytes > MAX_KEPT) this.#source.pause()
  }

  end(): void {
    this.#finish({})
  }

  fail(error: unknown): void {
    this.#finish({ error })
  }

  // ---- for the reader

  /** Gives everything to `sink`, from the first byte; once. Nothing comes after `end` or `fail`. */
  read(sink: BodySink): void {
    this.#sink = sink
    this.#flow()
  }

  pause(): void {
    this.#isPaused = true
    this.#source.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#flow()
  }

  /** Nothing more is wanted: the connection is cut, and the sink hears nothing more. */
  cancel(): void {
    if (this.#isDone) return
    const isOpen = this.#ended === undefined
    this.#isDone = true
    this.#kept = []
    if (isOpen) this.#source.abort(new Error('the answer is not wanted any longer'))
  }

  /** The whole body of the answer from `place`; rejects past `maxBytes`, and the rest is cancelled. */
  bytes(maxBytes: number, place: string): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    let size = 0
    return new Promise((resolve, reject) => {
      this.read({
        data: (chunk) => {
          chunks.push(chunk)
          size += chunk.length
          if (size <= maxBytes) return
          this.cancel()
          const wanted = `expected an answer of at most ${maxBytes} bytes`
          reject(
            new GuardError('upstream_failed', `${place}: ${wanted}, got more (${size} so far)`),
          )
        },
        end: () => resolve(Buffer.concat(chunks, size)),
        fail: reject,
      })
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const ready: Uint8Array[] = []
    let ended: End | undefined
    let wake: (() => void) | undefined
    const finish = (end: End): void => {
      ended = end
      wake?.()
    }
    const data = (chunk: Uint8Array): void => {
      ready.push(chunk)
      this.pause()
      wake?.()
    }
    this.read({ data, end: () => finish({}), fail: (error) => finish({ error }) })
    try {
      for (;;) {
        const chunk = ready.shift()
        if (chunk !== undefined) yield chunk
        else if (ended === undefined) {
          const woken = new Promise<void>((resolve) => (wake = resolve))
          this.resume()
          await woken
        } else if ('error' in ended) throw ended.error
        else return
      }
    } finally {
      this.cancel()
    }
  }

  /** An end waits for what is kept; a failure does not. */
  #finish(end: End): void {
    if (this.#isDone || this.#ended !== undefined) return
    this.#ended = end
    if ('error' in end && this.#sink !== undefined) {
      this.#isDone = true
      this.#kept = []
      this.#sink.fail(end.error)
    } else this.#flow()
  }

  #flow(): void {
    const sink = this.#sink
    if (sink === undefined) return
    while (!this.#isPaused && !this.#isDone) {
      const chunk = this.#kept.shift()
      if (chunk === undefined) break
      this.#keptBytes -= chunk.length
      sink.data(chunk)
    }
    if (this.#isPaused || this.#isDone) return
    const ended = this.#ended
    if (ended === undefined) return this.#source.resume()
    this.#isDone = true
    if ('error' in ended) sink.fail(ended.error)
    else sink.end()
  }
}
