/**
 * A guard as a part of the response path: bytes in, bytes out, and answers that come later are written
 * when they come. The shape is the proxy's `ByteTransform`.
 */
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { type Judged, bodyTexts, openBody } from './body.ts'
import type {
  CallOutcome,
  JudgeJob,
  JudgeTerms,
  StreamDecision,
  StreamOptions,
} from './guard-options.ts'
import { createStreamGuard } from './stream-guard.ts'
import { writeComment } from './sse.ts'
import { windowsOf } from './windows.ts'

type Pieces = readonly Uint8Array[]

export type GuardTransform = {
  push(chunk: Uint8Array): Pieces
  /** A promise while something waits for a verdict or an approval; who answers is bounded in time. */
  end(): Pieces | Promise<Pieces>
  readonly done: boolean
  connect(write: (pieces: Pieces) => void): void
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
  let write: ((pieces: Pieces) => void) | undefined
  let finish: ((pieces: Pieces) => void) | undefined
  const settled = (pieces: Pieces): void => {
    if (finish !== undefined && guard.finished) finish(pieces)
    else if (pieces.length > 0) write?.(pieces)
  }
  const { judge, answerOf } = later
  const submit = (job: JudgeJob): void => {
    const { channel, to } = job
    void judge?.ask(job).then((found) => {
      const findings = found.map((finding) => shifted(finding, job.textFrom))
      settled(guard.settle({ channel: channel.key, to, findings }))
    })
  }
  const guard = createStreamGuard({
    ...options,
    ...(judge === undefined ? {} : { judge: { ...judge, submit } }),
    ...deciding(options, (key) => {
      // Clients and proxies between give up on a connection that says nothing.
      write?.([writeComment('a tool call waits for an answer')])
      void answerOf?.(key).then((outcome) => settled(guard.settleCall(key, outcome)))
    }),
  })
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
  const chunks: Uint8Array[] = []
  let bytes = 0
  let decisions: readonly StreamDecision[] = []
  const run = async (): Promise<Pieces> => {
    const whole = Buffer.concat(chunks)
    const body = openBody(options, whole, await judgeBody(options, parts, whole))
    for (const { key } of body.held) {
      const outcome = await parts.answerOf?.(key)
      if (outcome !== undefined) body.settleCall(key, outcome)
    }
    const guarded = body.finish()
    decisions = guarded.decisions
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
    end: run,
    done: false,
    connect: () => undefined,
    get decisions() {
      return decisions
    },
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
