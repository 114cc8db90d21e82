/**
 * What a client sends, looked at before the engine is: every text of the request under the rules of
 * the ingress phase. A stop is an answer with the rule's status, a redaction changes the prompt.
 */
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import type { Finding } from '../model/finding.ts'
import { scanPii } from '../pii/scanner.ts'
import { applyText } from '../policy/apply-text.ts'
import type { CompiledPolicy, DecideContext } from '../policy/compiled.ts'
import { decide } from '../policy/decide.ts'
import { scanText } from '../policy/scan.ts'
import type { Problem } from '../proxy/answers.ts'
import type { Body } from '../proxy/requests.ts'
import type { Dialect } from '../proxy/routes.ts'
import { readIngress } from '../stream/ingress.ts'
import { editJson } from '../tools/json-edit.ts'
import { DIALECTS } from './answer-guard.ts'

export type Inspected = {
  /** The body to send, when a rule changed it. */
  readonly body: Body | undefined
  readonly problem: Problem | undefined
  /** Text that goes into the answer. */
  readonly notices: readonly TextEffect[]
  readonly firings: readonly RuleFiring[]
}

/** Texts looked at in one request; past it the request is refused. */
const MAX_TEXTS = 10_000

export function inspectRequest(
  policy: CompiledPolicy,
  dialect: Dialect,
  body: Body,
  context: DecideContext,
): Inspected {
  const nothing = { body: undefined, problem: undefined, notices: [], firings: [] }
  if (!policy.rules.some((rule) => rule.phases.has('ingress'))) return nothing
  const firings: RuleFiring[] = []
  const notices: TextEffect[] = []
  let problem: Problem | undefined
  let texts = 0
  let isChanged = false
  const look = (text: string): string => {
    if (problem !== undefined) return text
    if (++texts > MAX_TEXTS) problem = tooMany
    const found = findingsOf(policy, text)
    const decision = decide(policy, found, { ...context, phase: 'ingress' })
    firings.push(...decision.firings)
    const { stop } = decision
    if (stop !== undefined) problem = { status: stop.status, message: stop.message, code: CODE }
    notices.push(...decision.text.filter((effect) => effect.kind === 'inject'))
    const redactions = decision.text.filter((effect) => effect.kind === 'redact')
    if (redactions.length === 0) return text
    isChanged = true
    return applyText(text, redactions)
  }
  const mapped = mapTexts(body, dialect, look)
  return { body: isChanged ? mapped : undefined, problem, notices: unique(notices), firings }
}

const CODE = 'content_policy_violation'
const tooMany: Problem = { status: 400, message: `more than ${MAX_TEXTS} texts in one request` }

function findingsOf(policy: CompiledPolicy, text: string): readonly Finding[] {
  const matches = scanText(policy, text)
  if (!policy.needs.pii) return matches
  return [...matches, ...scanPii(text).map((found) => ({ kind: 'pii', ...found }) as const)]
}

function unique(effects: readonly TextEffect[]): readonly TextEffect[] {
  return [...new Map(effects.map((effect) => [JSON.stringify(effect), effect])).values()]
}

/** The body with every text that a model will read replaced by what `look` gives for it. */
function mapTexts(body: Body, dialect: Dialect, look: (text: string) => string): Body {
  const edits = readIngress(DIALECTS[dialect], body).flatMap(({ path, text }) => {
    const edited = look(text)
    return edited === text ? [] : [{ path, value: JSON.stringify(edited) }]
  })
  if (edits.length === 0) return body
  return JSON.parse(editJson(JSON.stringify(body), edits)) as Body
}
