/**
 * Calls that wait for a person, as the operator sees them. Kept in this process only: after a restart
 * nothing waits, and what had waited was refused with its connection.
 */
import type { GuardEvent } from '../../model/event.ts'
import { Approvals } from '../../tools/approvals.ts'
import type { Answer, Pending } from '../../tools/approvals.ts'
import type { InspectorParts } from './inspector.ts'

export type ApprovalDesk = {
  readonly approve: InspectorParts['approve']
  readonly list: () => readonly Pending[]
  /** Throws `request_invalid` when nothing waits under the id. */
  readonly answer: (id: string, kind: 'approved' | 'denied', by: string) => Answer
  /** The client is gone: its calls wait no longer. */
  readonly cancel: (requestId: string) => void
  readonly expire: () => void
}

export type ApprovalDeskParts = {
  readonly maxPending: number
  readonly newId: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly observe: (event: GuardEvent) => void
}

export function createApprovalDesk({
  maxPending,
  newId,
  now,
  observe,
}: ApprovalDeskParts): ApprovalDesk {
  const approvals = new Approvals({
    now,
    maxPending,
    observe: ({ id, requestId, tool }, { kind, by }) =>
      observe({ kind: 'approval', requestId, id, tool, state: kind, by }),
  })
  return {
    approve: (requestId, { name: tool }, { reason, expiresMs }) =>
      new Promise((resolve) => {
        const id = newId()
        observe({ kind: 'approval', requestId, id, tool, state: 'waiting', by: '' })
        approvals.open({ id, requestId, tool, reason, expiresAtMs: now() + expiresMs }, resolve)
      }),
    list: () => approvals.list(),
    answer: (id, kind, by) => approvals.answer(id, kind, by),
    cancel: (requestId) => {
      for (const pending of approvals.list()) {
        if (pending.requestId === requestId) approvals.cancel(pending.id)
      }
    },
    expire: () => approvals.expire(),
  }
}
