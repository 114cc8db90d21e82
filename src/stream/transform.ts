/**
 * A guard as a part of the response path: bytes in, bytes out, and answers that come later are written
 * when they come. The shape is the proxy's `ByteTransform`.
 */
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { type GuardedBody, bodyTexts, guardBody } from './body.ts'
import type { ChannelName } from './dialect.ts'
import type { CallOutcome, StreamDecision, StreamOptions } from './guard-options.ts'
import { type Settlement, createStreamGuard } from './stream-guard.ts'

type Pieces = readonly Uint8Array[]

export type GuardTransform = {
  push(chunk: Uint8Array): Pieces
  /** A promise while something waits for a verdict or an approval; who settles must be bounded in time. */
  end(): Pieces | Promise<Pieces>
  readonly done: boolean
  connect(write: (pieces: Pieces) => void): void
  readonly decisions: readonly StreamDecision[]
}

export type StreamTransform = GuardTransform & {
  settle(settlement: Settlement): void
  settleCall(key: string, outcome: CallOutcome): void
}

export function createStreamTransform(options: StreamOptions): StreamTransform {
  const guard = createStreamGuard(options)
  let write: ((pieces: Pieces) => void) | undefined
  let finish: ((pieces: Pieces) => void) | undefined
  const later = (pieces: Pieces): void => {
    if (finish === undefined || !guard.finished) write?.(pieces)
    else finish(pieces)
  }
  return {
    push: (chunk) => guard.push(chunk),
    end() {
      const pieces = guard.end()
      if (guard.finished) return pieces
      write?.(pieces)
      return new Promise((resolve) => (finish = resolve))
    },
    get done() {
      return guard.stopped
    },
    connect: (to) => void (write = to),
    get decisions() {
      return guard.decisions
    },
    settle: (settlement) => later(guard.settle(settlement)),
    settleCall: (key, outcome) => later(guard.settleCall(key, outcome)),
  }
}

export type BodyParts = {
  /** At the bound the answer ends with an error and nothing of it goes out. */
  readonly maxBytes: number
  /** Findings of classifiers for the texts of the body, by channel key. Bounded in time, never rejects. */
  readonly judge?: (
    texts: ReadonlyMap<ChannelName, string>,
  ) => Promise<ReadonlyMap<string, readonly Finding[]>>
}

/** A whole body: collected, guarded when it is complete. */
export function createBodyTransform(options: StreamOptions, parts: BodyParts): GuardTransform {
  const chunks: Uint8Array[] = []
  let bytes = 0
  let guarded: GuardedBody | undefined
  const run = (verdicts?: ReadonlyMap<string, readonly Finding[]>): Pieces => {
    guarded = guardBody(options, Buffer.concat(chunks), verdicts)
    return [guarded.body]
  }
  return {
    push(chunk) {
      bytes += chunk.length
      if (bytes > parts.maxBytes) {
        chunks.length = 0
        throw new GuardError('upstream_failed', `the answer is longer than ${parts.maxBytes} bytes`)
      }
      chunks.push(chunk)
      return []
    },
    end() {
      if (parts.judge === undefined) return run()
      return parts.judge(bodyTexts(options.dialect, Buffer.concat(chunks))).then(run)
    },
    done: false,
    connect: () => undefined,
    get decisions() {
      return guarded?.decisions ?? []
    },
  }
}
