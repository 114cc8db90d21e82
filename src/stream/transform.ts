/**
 * A guard as a part of the response path: bytes in, bytes out, and answers that come later are written
 * when they come. The shape is the proxy's `ByteTransform`.
 */
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { type Judged, bodyTexts, openBody } from './body.ts'
import type { CallOutcome, JudgeJob, StreamDecision, StreamOptions } from './guard-options.ts'
import { createStreamGuard } from './stream-guard.ts'
import type { StreamGuard } from './stream-guard.ts'
import { writeComment } from './sse.ts'
import { type JudgeTerms, windowsOf } from './windows.ts'

type Pieces = readonly Uint8Array[]

export type GuardTransform = {
  push(chunk: Uint8Array): Pieces
  /** A promise while something waits for a verdict or an approval; who answers is bounded in time. */
  end(): Pieces | Promise<Pieces>
  readonly done: boolean
  connect(write: (pieces: Pieces) => void): void
  /** The exchange is over, whether or not the answer is. */
  close(): void
  readonly decisions: readonly StreamDecision[]
}

/** Who answers later. Neither promise rejects, and both are bounded in time. */
export type Later = {
  readonly judge?: JudgeTerms & {
    /** Findings with spans in the job's own text. */
    readonly ask: (job: JudgeJob) => Promise<readonly Finding[]>
  }
  /** The answer to a call that `decideCall` holds. */
  readonly answerOf?: (key: string) => Promise<CallOutcome>
}

export function createStreamTransform(options: StreamOptions, later: Later = {}): GuardTransform {
  return new StreamTransform(options, later)
}

class StreamTransform implements GuardTransform {
  readonly #guard: StreamGuard
  #write: ((pieces: Pieces) => void) | undefined
  #finish: ((pieces: Pieces) => void) | undefined

  constructor(options: StreamOptions, { judge, answerOf }: Later) {
    const submit = (job: JudgeJob): void => {
      const { channel, to } = job
      void judge?.ask(job).then((found) => {
        const findings = found.map((finding) => shifted(finding, job.textFrom))
        this.#settled(this.#guard.settle({ channel: channel.key, to, findings }))
      })
    }
    this.#guard = createStreamGuard({
      ...options,
      ...(judge === undefined ? {} : { judge: { ...judge, submit } }),
      ...deciding(options, (key) => {
        // Clients and proxies between give up on a connection that says nothing.
        this.#write?.([writeComment('a tool call waits for an answer')])
        void answerOf?.(key).then((outcome) => this.#settled(this.#guard.settleCall(key, outcome)))
      }),
    })
  }

  push(chunk: Uint8Array): Pieces {
    return this.#guard.push(chunk)
  }

  end(): Pieces | Promise<Pieces> {
    const pieces = this.#guard.end()
    if (this.#guard.finished) return pieces
    this.#write?.(pieces)
    return new Promise((resolve) => (this.#finish = resolve))
  }

  get done(): boolean {
    return this.#guard.stopped
  }

  connect(write: (pieces: Pieces) => void): void {
    this.#write = write
  }

  close(): void {
    this.#guard.close()
  }

  get decisions(): readonly StreamDecision[] {
    return this.#guard.decisions
  }

  #settled(pieces: Pieces): void {
    if (this.#finish !== undefined && this.#guard.finished) this.#finish(pieces)
    else if (pieces.length > 0) this.#write?.(pieces)
  }
}

/** The options' own decision about calls, with word of every call that is held. */
function deciding(
  { decideCall }: StreamOptions,
  held: (key: string) => void,
): Pick<StreamOptions, 'decideCall'> {
  if (decideCall === undefined) return {}
  return {
    decideCall: (call) => {
      const outcome = decideCall(call)
      // An answer that is there at once must not overtake the decision that it answers.
      if (outcome.kind === 'hold') queueMicrotask(() => held(call.key))
      return outcome
    },
  }
}

function shifted(finding: Finding, by: number): Finding {
  if (finding.kind === 'pii') {
    return { ...finding, start: finding.start + by, end: finding.end + by }
  }
  if (finding.kind !== 'verdict') return finding
  const { span } = finding.verdict
  return { ...finding, verdict: { ...finding.verdict, span: [span[0] + by, span[1] + by] } }
}

export type BodyParts = Later & {
  /** At the bound the answer ends with an error and nothing of it goes out. */
  readonly maxBytes: number
}

/** A whole body: collected, guarded when it is complete. */
export function createBodyTransform(options: StreamOptions, parts: BodyParts): GuardTransform {
  return new BodyTransform(options, parts)
}

class BodyTransform implements GuardTransform {
  readonly done = false
  readonly #options: StreamOptions
  readonly #parts: BodyParts
  #chunks: Uint8Array[] = []
  #bytes = 0
  decisions: readonly StreamDecision[] = []

  constructor(options: StreamOptions, parts: BodyParts) {
    this.#options = options
    this.#parts = parts
  }

  push(chunk: Uint8Array): Pieces {
    const { maxBytes } = this.#parts
    this.#bytes += chunk.length
    if (this.#bytes > maxBytes) {
      this.#chunks = []
      throw new GuardError('upstream_failed', `the answer is longer than ${maxBytes} bytes`)
    }
    this.#chunks.push(chunk)
    return []
  }

  async end(): Promise<Pieces> {
    const whole = Buffer.concat(this.#chunks)
    const judged = await judgeBody(this.#options, this.#parts, whole)
    const body = openBody(this.#options, whole, judged)
    for (const { key } of body.held) {
      const outcome = await this.#parts.answerOf?.(key)
      if (outcome !== undefined) body.settleCall(key, outcome)
    }
    const guarded = body.finish()
    this.decisions = guarded.decisions
    return [guarded.body]
  }

  connect(): void {
    // Nothing becomes free before the end.
  }

  close(): void {
    // Nothing is read before the end.
  }
}

/** Every window of every channel, as a stream would have asked for it. */
async function judgeBody(
  { dialect, jsonContent }: StreamOptions,
  { judge }: Later,
  body: Uint8Array,
): Promise<ReadonlyMap<string, readonly Judged[]>> {
  const judged = new Map<string, readonly Judged[]>()
  if (judge === undefined) return judged
  for (const [channel, text] of bodyTexts(dialect, body, jsonContent)) {
    const jobs = windowsOf(text, judge).map(async (window): Promise<Judged> => {
      const found = await judge.ask({ ...window, channel })
      return { from: window.from, findings: found.map((one) => shifted(one, window.textFrom)) }
    })
    judged.set(channel.key, await Promise.all(jobs))
  }
  return judged
}
