/**
 * Follows the events of the guard and makes a record of every firing: who asked is told once, when a
 * request opens, and remembered until it closes.
 *
 * Bound: 16 384 open requests; past it the oldest is forgotten and its records name no tenant.
 */
import type { Asked, GuardEvent } from '../model/event.ts'
import { decisionRecord } from './decision-log.ts'
import type { DecisionRecord, RecordOptions } from './decision-log.ts'

export type TapParts = {
  readonly write: (record: DecisionRecord) => void
  /** Somebody outside is told; not of what a rule in `monitor` would have done. */
  readonly notify: (to: string, record: DecisionRecord) => void
  /** Digest of the policy of that name that is in force. */
  readonly revisionOf: (policy: string) => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly options: RecordOptions
}

const MAX_OPEN = 16_384

const NOBODY: Asked = { tenant: '', policy: '', model: '', revision: '' }

/** Gives the observer. It must not throw, so neither may `write`. */
export function createDecisionTap(parts: TapParts): (event: GuardEvent) => void {
  const open = new Map<string, Asked>()
  return (event) => {
    if (event.kind === 'opened') {
      const { tenant, policy, model, requestId } = event
      open.set(requestId, { tenant, policy, model, revision: parts.revisionOf(policy) })
      const oldest = open.size > MAX_OPEN ? open.keys().next().value : undefined
      if (oldest !== undefined) open.delete(oldest)
    } else if (event.kind === 'closed') open.delete(event.requestId)
    else if (event.kind === 'decision') {
      const { requestId, position, tookUs, textAt } = event
      const asked = event.asked ?? open.get(requestId) ?? NOBODY
      const time = new Date(parts.now()).toISOString()
      const facts = {
        ...asked,
        requestId,
        position,
        ...(tookUs === undefined ? {} : { tookUs }),
        ...(textAt === undefined ? {} : { textAt }),
      }
      for (const firing of event.firings) {
        const record = decisionRecord(firing, facts, time, parts.options)
        parts.write(record)
        if (firing.action === 'notify' && firing.mode !== 'monitor') {
          parts.notify(firing.to ?? '', record)
        }
      }
    }
  }
}
