/**
 * The decision log as configured: `telemetry.decisions` names `stdout` or a file, `off` writes none.
 * Spans are told as offsets; the text of an answer does not come this way.
 */
import { randomBytes } from 'node:crypto'
import { createDecisionTap } from '../audit/decision-tap.ts'
import { createDecisionLog, decisionDestination } from '../audit/log.ts'
import type { GuardEvent } from '../model/event.ts'

export type Decisions = {
  readonly observe: (event: GuardEvent) => void
  readonly close: () => Promise<void>
}

const SALT_BYTES = 32

export function openDecisions(
  telemetry: { readonly decisions: string },
  revisionOf: (policy: string) => string,
): Decisions {
  if (telemetry.decisions === 'off') {
    return { observe: () => undefined, close: () => Promise.resolve() }
  }
  const log = createDecisionLog(decisionDestination(telemetry.decisions))
  const observe = createDecisionTap({
    write: log.write,
    revisionOf,
    now: () => Date.now(),
    options: { evidence: 'offsets', salt: randomBytes(SALT_BYTES) },
  })
  return {
    observe,
    close: () => {
      log.close()
      return Promise.resolve()
    },
  }
}
