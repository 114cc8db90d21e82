/** The text side of admission: ingress rules now, the guard of the answer for later. */
import type { RuleFiring } from '../model/decision.ts'
import type { GuardEvent } from '../model/event.ts'
import type { Admission, AdmissionRequest } from '../proxy/parts.ts'
import { createAnswerGuard } from './answer-guard.ts'
import { inspectRequest } from './ingress.ts'
import type { Tenancy } from './tenancy.ts'

export type Deny = Extract<Admission, { kind: 'deny' }>
export type Inspection = Omit<Partial<Extract<Admission, { kind: 'admit' }>>, 'kind' | 'binding'>

export type InspectorParts = {
  readonly checksRequests: boolean
  readonly checksAnswers: boolean
  readonly holdbackTokens: number
  readonly observe: (event: GuardEvent) => void
}

export function createInspector(
  parts: InspectorParts,
): (request: AdmissionRequest, tenancy: Tenancy) => Deny | (Inspection & { kind: 'admit' }) {
  return (request, tenancy) => {
    const { requestId, dialect, body } = request
    const { policy, tenant, user, mode } = tenancy
    const observe = (firings: readonly RuleFiring[]): void =>
      parts.observe({ kind: 'decision', requestId, position: 0, firings, asked })
    const model = typeof body['model'] === 'string' ? body['model'] : ''
    const asked = { tenant, policy: policy.name, model, revision: policy.digest }
    const context = {
      requestId,
      tenant,
      user,
      model,
      phase: 'ingress' as const,
      position: 0,
      parameters: parametersOf(request),
      nowMs: Date.now(),
      ...(mode === undefined ? {} : { mode }),
    }
    const inspected = parts.checksRequests
      ? inspectRequest(policy.compiled, dialect, body, context)
      : undefined
    if (inspected !== undefined && inspected.firings.length > 0) observe(inspected.firings)
    if (inspected?.problem !== undefined) return { kind: 'deny', problem: inspected.problem }
    const transform = parts.checksAnswers
      ? createAnswerGuard({
          policy,
          dialect,
          body,
          context,
          notices: inspected?.notices ?? [],
          holdbackTokens: parts.holdbackTokens,
          observe,
        })
      : undefined
    return {
      kind: 'admit',
      ...(inspected?.body === undefined ? {} : { body: inspected.body }),
      ...(transform === undefined ? {} : { transform }),
    }
  }
}

/** What rules may ask about the request: its plain scalar fields. */
export function parametersOf({
  body,
}: AdmissionRequest): Record<string, string | number | boolean> {
  const scalars = Object.entries(body).filter(
    (pair): pair is [string, string | number | boolean] =>
      ['string', 'number', 'boolean'].includes(typeof pair[1]) && String(pair[1]).length <= 1024,
  )
  return Object.fromEntries(scalars.slice(0, 64))
}
