/**
 * One sending of a request, and whether it may be sent again. An upstream that closes a connection which
 * it kept can do so just as the next request is written: nobody has read it then (RFC 9112 §9.3.1). The
 * signs: an answer had come over the connection before, no byte has come since the request was written,
 * and the end came at once.
 */
import { subscribe } from 'node:diagnostics_channel'

type Connection = { readonly bytesRead: number }

/** Longest time from writing to such an end; later the upstream may have begun its work. */
const AT_ONCE_MS = 1_000
const CLOSED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** The attempt that is being written: the HTTP client names its connection in the same turn. */
let writing: Attempt | undefined

// The only place at which undici tells which connection a request takes.
subscribe('undici:client:sendHeaders', (message) => {
  writing?.wrote((message as { readonly socket: Connection }).socket)
  writing = undefined
})

export class Attempt {
  #connection: Connection | undefined
  #readBefore = 0
  #wroteMs = 0

  wrote(connection: Connection): void {
    this.#connection = connection
    this.#readBefore = connection.bytesRead
    this.#wroteMs = performance.now()
  }

  /** `error` ended a connection that its other side had closed before it could have read the request. */
  wasUnread(error: unknown): boolean {
    const { code } = error as { readonly code?: unknown }
    return (
      typeof code === 'string' &&
      CLOSED.has(code) &&
      this.#readBefore > 0 &&
      this.#connection?.bytesRead === this.#readBefore &&
      performance.now() - this.#wroteMs < AT_ONCE_MS
    )
  }
}

/** The HTTP client is about to write the request. */
export function begin(attempt: Attempt): void {
  writing = attempt
}
