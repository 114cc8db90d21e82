/** The text side of admission: ingress rules now, the guard of the answer for later. */
import type { GuardEvent } from '../../model/event.ts'
import type { DecideContext } from '../../policy/compiled.ts'
import type { Admission, AdmissionRequest } from '../../proxy/parts.ts'
import { readIngress } from '../../stream/ingress.ts'
import type { IngressPiece } from '../../stream/ingress.ts'
import type { Answer } from '../../tools/approvals.ts'
import { createAnswerGuard } from './answer-guard.ts'
import { createCallDesk } from './call-desk.ts'
import type { CallDeskParts } from './call-desk.ts'
import { createConversations } from './conversation.ts'
import { DIALECTS } from './dialect-names.ts'
import { createIngress } from './ingress.ts'
import type { Judges } from '../scores/judges.ts'
import type { ObserveFirings } from '../observe-firings.ts'
import { refused, told } from './told-headers.ts'
import type { Tenancy } from '../tenants/tenancy.ts'
import { toolSite } from '../site/tool-site.ts'
import type { ToolSite } from '../../steering/site.ts'

export type Deny = Extract<Admission, { kind: 'deny' }>
export type Inspection = Omit<Extract<Admission, { kind: 'admit' }>, 'binding'> & {
  /** What the step plane is to know of the request's tools; undefined when it offers none. */
  readonly site: ToolSite | undefined
}

export type InspectorParts = {
  readonly checksRequests: boolean
  readonly checksAnswers: boolean
  readonly holdbackTokens: number
  /** New tokens after which a window of the answer is judged. */
  readonly checkInterval: number
  /** Longest wait for a classifier: on requests, and on answers. */
  readonly ingressDeadlineMs: number
  readonly answerDeadlineMs: number
  readonly judges: Judges
  readonly approve: (
    requestId: string,
    ...asked: Parameters<CallDeskParts['approve']>
  ) => Promise<Answer>
  /** Salted commitment to a value, by request. */
  readonly commit: (requestId: string, value: string) => string
  /** Whether rewritten calls say so in their arguments. */
  readonly marksCalls: boolean
  readonly observe: (event: GuardEvent) => void
}

export type Inspect = (request: AdmissionRequest, tenancy: Tenancy) => Promise<Deny | Inspection>

export function createInspector(parts: InspectorParts): Inspect {
  const { judges } = parts
  const ingress = createIngress({ judges, deadlineMs: parts.ingressDeadlineMs })
  const converse = createConversations()
  return async (request, tenancy) => {
    const { requestId, body } = request
    const { policy } = tenancy
    const dialect = DIALECTS[request.dialect]
    let read: readonly IngressPiece[] | undefined
    const pieces = () => (read ??= readIngress(dialect, body))
    const conversation = converse(request, tenancy, pieces)
    const { tenant } = tenancy
    const context = contextOf(request, tenancy, conversation.agent)
    const asked = { tenant, policy: policy.name, model: context.model, revision: policy.digest }
    const observe: ObserveFirings = (firings, of) =>
      parts.observe({ kind: 'decision', requestId, position: 0, firings, asked, ...of })
    const inspected = parts.checksRequests
      ? await ingress({ policy: policy.compiled, dialect, body, pieces, context, observe })
      : undefined
    const before = inspected?.decisions ?? []
    if (inspected?.problem !== undefined) {
      return { kind: 'deny', problem: inspected.problem, headers: refused(policy, before) }
    }
    const calls = createCallDesk({
      policy: policy.compiled,
      context,
      conversation,
      ask: toolJudge(parts),
      approve: (call, stepUp) => parts.approve(requestId, call, stepUp),
      commit: (value) => parts.commit(requestId, value),
      isMarked: parts.marksCalls,
      observe,
      now: Date.now,
    })
    const guard = parts.checksAnswers
      ? createAnswerGuard({
          policy,
          dialect,
          body,
          context,
          notices: inspected?.notices ?? [],
          before,
          holdbackTokens: parts.holdbackTokens,
          finalEvent: request.headers['x-checkstream-decisions'] === 'event',
          judging: {
            judges,
            checkInterval: parts.checkInterval,
            deadlineMs: parts.answerDeadlineMs,
          },
          calls,
          observe,
        })
      : undefined
    return {
      kind: 'admit',
      site: policy.compiled.needs.tool ? toolSite(body, context, calls) : undefined,
      ...(inspected?.body === undefined ? {} : { body: inspected.body }),
      ...told(policy, before, guard),
    }
  }
}

/** Arguments are read by the classifiers of the tool phase, before prompts of others. */
function toolJudge({ judges, answerDeadlineMs }: InspectorParts): CallDeskParts['ask'] {
  return async (models, text) => {
    const names = new Set([...models].filter((name) => judges.has(name)))
    return judges.ask(names, text, { priority: 'tool', deadlineMs: answerDeadlineMs })
  }
}

function contextOf(request: AdmissionRequest, tenancy: Tenancy, agent: string): DecideContext {
  const { requestId, body } = request
  const { tenant, user, mode } = tenancy
  return {
    requestId,
    tenant,
    user,
    agent,
    model: typeof body['model'] === 'string' ? body['model'] : '',
    phase: 'ingress',
    position: 0,
    parameters: parametersOf(request),
    nowMs: Date.now(),
    ...(mode === undefined ? {} : { mode }),
  }
}

const MAX_PARAMETERS = 64
const MAX_PARAMETER_CHARS = 1_024

/** What rules may ask about the request: its plain scalar fields. */
export function parametersOf({
  body,
}: Pick<AdmissionRequest, 'body'>): Record<string, string | number | boolean> {
  const scalars: [string, string | number | boolean][] = []
  for (const key of Object.keys(body)) {
    const value = body[key]
    const isScalar =
      typeof value === 'number' ||
      typeof value === 'boolean' ||
      (typeof value === 'string' && value.length <= MAX_PARAMETER_CHARS)
    if (!isScalar) continue
    scalars.push([key, value])
    if (scalars.length === MAX_PARAMETERS) break
  }
  return Object.fromEntries(scalars)
}
