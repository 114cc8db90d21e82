/** Reading a request's body and writing an answer's, both bounded and with back-pressure. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RequestError, toErrorBody } from './answers.ts'
import type { Problem } from './answers.ts'
import type { AnswerBody } from './answer-body.ts'
import type { BodyBudget } from './body-budget.ts'
import type { CancelSignal } from './cancel.ts'
import type { ByteTransform } from './frames.ts'
import type { Dialect } from './routes.ts'
import { turns } from './turns.ts'

const refuse = (problem: Problem): Promise<never> => Promise.reject(new RequestError(problem))

/** The whole body, or a RequestError: 413 past `maxBytes`, 503 past what all bodies may hold together. */
export function readBody(
  request: IncomingMessage,
  { maxBytes, budget }: { readonly maxBytes: number; readonly budget: BodyBudget },
): Promise<Uint8Array> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') {
    return refuse({ status: 415, message: `content-encoding ${encoding} is not accepted` })
  }
  const tooLarge = (got: string): Problem => ({
    status: 413,
    message: `the body is larger than ${maxBytes} bytes (${got})`,
    code: 'body_too_large',
  })
  const length = request.headers['content-length']
  const declared = length === undefined ? undefined : Number(length)
  if (declared !== undefined && declared > maxBytes) {
    return refuse(tooLarge(`${declared} declared`))
  }
  return new Promise((resolve, reject) => {
    let chunks: Uint8Array[] = []
    let bytes = 0
    let isOver = false
    const release = (): void => {
      budget.release(bytes)
      bytes = 0
      chunks = []
    }
    const fail = (error: unknown): void => {
      isOver = true
      release()
      reject(error)
    }
    const finish = (): void => {
      if (isOver) return
      isOver = true
      const [only] = chunks
      const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes)
      release()
      resolve(whole)
    }
    const onData = (chunk: Uint8Array): void => {
      try {
        const whole = bytes + chunk.length
        if (whole > maxBytes) throw new RequestError(tooLarge(`more than ${whole} read`))
        budget.take(chunk.length)
        bytes = whole
        chunks.push(chunk)
        // The parser gives no byte past the announced length: its end comes some turns later.
        if (bytes === declared) finish()
      } catch (error) {
        request.off('data', onData)
        request.pause()
        fail(error)
      }
    }
    request.on('data', onData)
    request.once('end', finish)
    // Every request is closed some time, and an error that nobody sees is dear to make.
    request.once('close', () => {
      if (!isOver) fail(new Error('the client is gone'))
    })
    request.once('error', fail)
  })
}

/** Sends an error in the client's own shape; only cuts the connection when headers are out. */
export function sendProblem(
  response: ServerResponse,
  problem: Problem,
  dialect?: Dialect,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const text = toErrorBody(problem, dialect)
  const isLater = problem.status === 429 || problem.status === 503
  const retry = isLater ? { 'retry-after': String(problem.retryAfterS ?? 1) } : {}
  // A body that was not read to its end would be taken for the next request.
  const close = response.req.complete ? {} : { connection: 'close' }
  response.writeHead(problem.status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...retry,
    ...(problem.allow && { allow: problem.allow.join(', ') }),
    ...close,
  })
  response.end(text)
}

export type Pump = {
  readonly transform: ByteTransform
  /** Longest time that the client may leave written bytes unread. */
  readonly idleMs: number
  readonly onFirst: () => void
  /** The client is gone: nothing is waited for any longer. */
  readonly signal: CancelSignal
}

/**
 * Body → transform → client. Reads no more while the client does not. Resolves to `done` when the
 * transform wanted no more (the upstream is then cancelled), else to `ended`.
 */
export function pump(
  body: AnswerBody,
  response: ServerResponse,
  { transform, idleMs, onFirst, signal }: Pump,
): Promise<'ended' | 'done'> {
  let isFirst = true
  let isFull = false
  const write = (pieces: readonly Uint8Array[]): void => {
    for (const piece of pieces) {
      if (piece.length === 0 || response.writableEnded) continue
      if (isFirst) onFirst()
      isFirst = false
      isFull = !response.write(piece)
    }
  }
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      body.cancel()
      resolve('done')
    }
    transform.connect?.((pieces) => {
      write(pieces)
      // A stop by a late verdict does not wait for what an upstream says next.
      if (transform.done === true) stop()
    })
    const fail = (error: unknown): void => {
      body.cancel()
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    const take = (chunk: Uint8Array): void => {
      write(transform.push(chunk))
      if (transform.done === true) stop()
      else if (isFull) {
        body.pause()
        isFull = false
        drained(response, idleMs).then(() => body.resume(), fail)
      } else if (!turns.take(chunk.length)) {
        body.pause()
        turns.next(() => body.resume())
      }
    }
    const finish = (): void => {
      const rest = transform.end()
      const last = (pieces: readonly Uint8Array[]): void => {
        write(pieces)
        resolve(transform.done === true ? 'done' : 'ended')
      }
      if (rest instanceof Promise) unlessAborted(rest, signal).then(last).catch(fail)
      else last(rest)
    }
    const guarded =
      <T>(act: (value: T) => void) =>
      (value: T): void => {
        try {
          act(value)
        } catch (error) {
          fail(error)
        }
      }
    body.read({ data: guarded(take), end: guarded(finish) as () => void, fail: reject })
  })
}

function unlessAborted<T>(value: Promise<T>, signal: CancelSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    const over = (): void => signal.removeEventListener('abort', onAbort)
    value.then(resolve, reject).finally(over)
  })
}

/** Until the client has read; rejects when it is gone or silent for too long. */
function drained(response: ServerResponse, idleMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      response.off('drain', onDrain)
      response.off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onDrain = (): void => finish()
    const onClose = (): void => finish(new Error('the client is gone'))
    // A client that has not read for so long is gone: its `close` follows.
    const timer = setTimeout(() => response.destroy(), idleMs)
    response.once('drain', onDrain)
    response.once('close', onClose)
  })
}
