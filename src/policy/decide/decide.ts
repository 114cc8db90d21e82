/**
 * What the findings mean: everything that was found so far → everything that is in force. Pure,
 * synchronous, and never throws for anything that a client or a model can cause; asked again whenever
 * something new is found, it gives the whole answer again.
 */
import type { Decision, RuleFiring } from '../../model/decision.ts'
import type { Finding, Mode, Phase } from '../../model/finding.ts'
import type { CompiledAction, CompiledPolicy, CompiledRule, DecideContext } from '../compiled.ts'
import { applyAction, spoken } from './effects.ts'
import { Evidence } from './evidence.ts'
import { lower } from './mode.ts'
import { Outcome } from './outcome.ts'
import { highestScore, spanOf } from './shot.ts'
import type { Shot } from './shot.ts'

const evidenceOf = new WeakMap<CompiledPolicy, Evidence>()

export function decide(
  policy: CompiledPolicy,
  findings: readonly Finding[],
  context: DecideContext,
): Decision {
  if (findings.length === 0 && policy.index.always.length === 0 && !policy.sync) {
    return policy.nothing
  }
  let evidence = evidenceOf.get(policy)
  if (evidence === undefined) {
    evidence = new Evidence(policy)
    evidenceOf.set(policy, evidence)
  }
  evidence.read(findings)
  const isQuiet = evidence.unjudged.length === 0 && !evidence.isDivergent && !policy.sync
  if (isQuiet && evidence.candidates.length === 0) return policy.nothing
  const outcome = new Outcome(policy)
  judgeRules(policy, evidence, context, outcome)
  if (evidence.unjudged.length > 0) judgeSilence(policy, evidence, context, outcome)
  if (evidence.isDivergent) judgeDivergence(policy, context, outcome)
  if (policy.sync) outcome.sync = true
  return outcome.toDecision()
}

/** A rule about tools is asked wherever a tool call is seen: in the engine that is the step phase. */
function asked(phase: Phase, evidence: Evidence): readonly Phase[] {
  return evidence.hasTool && phase !== 'tool' ? [phase, 'tool'] : [phase]
}

function judgeRules(
  policy: CompiledPolicy,
  evidence: Evidence,
  context: DecideContext,
  outcome: Outcome,
): void {
  const phases = asked(context.phase, evidence)
  // Candidates come in the order of the findings; rules are judged in the order of the policy.
  evidence.candidates.sort((a, b) => a - b)
  for (const index of evidence.candidates) {
    const rule = policy.rules[index]
    if (rule === undefined || !phases.some((phase) => rule.phases.has(phase))) continue
    if (rule.isEnabled?.(context) === false) continue
    if (evidence.isToolOpen && rule.wait && rule.phases.has('tool')) outcome.sync = true
    const moved = evidence.levels.get(index)
    const level = moved !== undefined && evidence.permits(rule.formula, context) ? moved : undefined
    const isFired = evidence.holds(rule.formula, context)
    if (!isFired && level === undefined) continue
    const found = isFired ? evidence.of(rule.formula) : []
    const shot: Shot = { rule, context, phases, found, level, isFired }
    if (fire(shot, policy, outcome) && !rule.continue) return
  }
}

/** True when the rule acted in force. */
function fire(shot: Shot, policy: CompiledPolicy, outcome: Outcome): boolean {
  const { rule, context } = shot
  const mode = lower(rule.mode, context.mode)
  const excepted = exceptionOf(policy, rule, context)
  let isActing = false
  for (const action of rule.actions) {
    const phase = shot.phases.find((p) => action.phases.has(p))
    if (phase === undefined || !isMoved(action, shot)) continue
    if (excepted !== undefined) {
      outcome.firings.push({
        ...firing(shot, action, phase, mode),
        action: 'excepted',
        message: excepted,
      })
      return false
    }
    outcome.firings.push(firing(shot, action, phase, mode))
    if (mode !== 'enforce') continue
    applyAction(action, shot, outcome)
    isActing = true
  }
  return isActing
}

/** A tracked adapt is moved by the level machine, everything else by the formula. */
function isMoved(action: CompiledAction, { level, isFired }: Shot): boolean {
  if (action.plan?.isTracked === true) return level !== undefined && level.level > 0
  return isFired
}

function exceptionOf(
  policy: CompiledPolicy,
  rule: CompiledRule,
  context: DecideContext,
): string | undefined {
  if (rule.exceptions.length === 0) return undefined
  const nowMs = context.nowMs ?? policy.compiledAtMs
  return rule.exceptions.find((e) => nowMs <= e.untilMs && e.holds(context))?.reason
}

type Draft = { -readonly [K in keyof RuleFiring]: RuleFiring[K] }

/** Member by member: most of what a step costs is making these, and spreads cost twice as much. */
function firing(shot: Shot, action: CompiledAction, phase: Phase, mode: Mode): RuleFiring {
  const { rule, level } = shot
  const { name, priority, regulation } = rule
  const made: Draft = { rule: name, phase, mode, action: action.kind, priority }
  if (regulation !== undefined) made.regulation = regulation
  const first = shot.found[0]
  const span = first === undefined ? undefined : spanOf(first)
  if (span !== undefined) made.span = span
  const placed = level ?? first
  if (placed !== undefined && 'position' in placed && placed.position !== undefined) {
    made.position = placed.position
  }
  const score = level?.score ?? highestScore(shot.found)
  if (score !== undefined) made.score = score
  note(action, shot, made)
  return made
}

function note({ document }: CompiledAction, shot: Shot, made: Draft): void {
  if (document.type === 'log') {
    made.message = spoken(document.message, shot)
    made.severity = document.level
  } else if (document.type === 'audit') {
    made.category = document.category
    made.severity = document.severity
  } else if (document.type === 'notify') {
    made.to = document.to ?? document.url ?? ''
    if (document.message !== undefined) made.message = spoken(document.message, shot)
  }
}

/** A classifier that did not answer: the rules that asked it say what that means. */
function judgeSilence(
  policy: CompiledPolicy,
  evidence: Evidence,
  context: DecideContext,
  outcome: Outcome,
): void {
  const phases = asked(context.phase, evidence)
  for (const { model, reason } of evidence.unjudged) {
    for (const index of policy.index.rulesOfModel.get(model) ?? []) {
      const rule = policy.rules[index]
      const phase = phases.find((p) => rule?.phases.has(p))
      if (rule === undefined || phase === undefined || rule.isEnabled?.(context) === false) continue
      const mode = lower(rule.mode, context.mode)
      const message = `${model} ${reason === 'late' ? 'was late' : 'failed'}: ${rule.onFailure}`
      const { name, priority } = rule
      outcome.firings.push({ rule: name, phase, mode, action: 'unjudged', priority, message })
      if (mode !== 'enforce' || rule.onFailure !== 'closed') continue
      outcome.stop(priority, {
        reason: `${name}: ${model} ${reason}`,
        message: 'This content could not be checked.',
        status: 503,
      })
    }
  }
}

/** The engine's masks are not what they should be: only `closed` ends the text for that. */
function judgeDivergence(policy: CompiledPolicy, context: DecideContext, outcome: Outcome): void {
  const { phase } = context
  const mode = lower(policy.mode, context.mode)
  const rule = 'checkstream:divergence'
  outcome.firings.push({ rule, phase, mode, action: policy.onFailure, priority: 1000 })
  if (policy.onFailure !== 'closed' || mode !== 'enforce') return
  const message = 'This content could not be checked.'
  outcome.stop(1000, { reason: 'the engine applies another program', message, status: 503 })
}
