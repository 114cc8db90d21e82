/**
 * What a decision looks like in the decision log: which rule, where, why, under which revision. Pure.
 *
 * Text is never in it: a span is told as offsets and, when the text is known, as a commitment that
 * whoever holds the salt can check against a text, and nobody else can guess. Only `evidence: full`,
 * which a site has to choose, adds the text itself.
 */
import { createHmac } from 'node:crypto'
import type { RuleFiring } from '../model/decision.ts'
import type { TextAt } from '../model/event.ts'

export const EVIDENCE = ['offsets', 'full'] as const
export type EvidenceMode = (typeof EVIDENCE)[number]

export type DecisionFacts = {
  readonly requestId: string
  readonly tenant: string
  readonly policy: string
  readonly revision: string
  readonly model: string
  readonly position: number
  /** Time that the decision took, in microseconds, where it was measured. */
  readonly tookUs?: number
  readonly textAt?: TextAt
}

export type DecisionRecord = {
  readonly kind: 'decision'
  /** ISO 8601, UTC. */
  readonly time: string
  readonly request_id: string
  readonly tenant: string
  readonly policy: string
  readonly revision: string
  readonly model: string
  readonly position: number
  readonly rule: string
  readonly phase: string
  readonly mode: string
  readonly action: string
  readonly priority: number
  readonly took_us?: number
  readonly regulation?: string
  readonly score?: number
  readonly category?: string
  readonly severity?: string
  readonly message?: string
  /** Of `notify`: who is told. */
  readonly to?: string
  /** UTF-16 offsets, end exclusive. */
  readonly span?: readonly [number, number]
  /** `hmac-sha256:` of the span's text, or of a call's value, under the site's salt and the request id. */
  readonly commitment?: string
  /** Only with `evidence: full`. */
  readonly text?: string
}

export type RecordOptions = {
  readonly evidence: EvidenceMode
  /** Secret of the site; without one no commitment is made. */
  readonly salt: Uint8Array | undefined
}

/** Longest evidence text of one record, in UTF-16 units; the rest is cut. */
const MAX_TEXT = 2_048

export function decisionRecord(
  firing: RuleFiring,
  facts: DecisionFacts,
  time: string,
  options: RecordOptions,
): DecisionRecord {
  const { span, regulation, score, category, severity, message, to } = firing
  const said = span === undefined ? undefined : facts.textAt?.(span[0], span[1])
  const committed =
    said === undefined || options.salt === undefined
      ? undefined
      : commit(options.salt, facts.requestId, said)
  const commitment = firing.commitment ?? committed
  return {
    kind: 'decision',
    time,
    request_id: facts.requestId,
    tenant: facts.tenant,
    policy: facts.policy,
    revision: facts.revision,
    model: facts.model,
    position: firing.position ?? facts.position,
    rule: firing.rule,
    phase: firing.phase,
    mode: firing.mode,
    action: firing.action,
    priority: firing.priority,
    ...(facts.tookUs === undefined ? {} : { took_us: facts.tookUs }),
    ...(regulation === undefined ? {} : { regulation }),
    ...(score === undefined ? {} : { score }),
    ...(category === undefined ? {} : { category }),
    ...(severity === undefined ? {} : { severity }),
    ...(message === undefined ? {} : { message }),
    ...(to === undefined ? {} : { to }),
    ...(span === undefined ? {} : { span }),
    ...(commitment === undefined ? {} : { commitment }),
    ...(said === undefined || options.evidence !== 'full' ? {} : { text: said.slice(0, MAX_TEXT) }),
  }
}

/** The request id is part of it, so that equal texts of two requests cannot be seen to be equal. */
export function commit(salt: Uint8Array, requestId: string, text: string): string {
  const mac = createHmac('sha256', salt).update(`${requestId}\n`).update(text)
  return `hmac-sha256:${mac.digest('hex')}`
}
