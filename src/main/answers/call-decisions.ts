/**
 * What policy makes of one tool call: its `tools` sections and its rules of the tool phase together. The
 * strictest wins: block, then a person's answer, then a rewrite.
 */
import type { RuleFiring } from '../../model/decision.ts'
import type { Finding } from '../../model/finding.ts'
import { DEFAULT_PRIORITY } from '../../policy/compiled.ts'
import type { CompiledPolicy, DecideContext } from '../../policy/compiled.ts'
import { decide } from '../../policy/decide/decide.ts'
import { lower } from '../../policy/decide/mode.ts'
import type { CallText } from '../../stream/guard-options.ts'
import { MODIFIED, MODIFIED_MARK, decideToolCall } from '../../tools/decide.ts'
import type { ToolContext, ToolDecision } from '../../tools/decide.ts'
import { editJson } from '../../tools/json-edit.ts'
import type { JsonEdit } from '../../tools/json-edit.ts'
import { valuesAt } from '../../tools/values.ts'
import { findingsIn, readsText } from '../site/policy-reads.ts'
import type { ForcedValue } from '../../steering/site.ts'

export type CallJudgement = {
  readonly firings: readonly RuleFiring[]
  /** Arguments as rules read them: what the spans of firings are of. */
  readonly read: string
  /** Said in place of the call; undefined: it may be made. */
  readonly blocked: string | undefined
  /** Arguments as they may go. */
  readonly arguments: string
  /** Texts that stood where a rule puts them already. */
  readonly chosen: readonly string[]
  /** A person has to agree first. */
  readonly stepUp: { readonly reason: string; readonly expiresMs: number } | undefined
}

type Call = Pick<CallText, 'name' | 'arguments'>

export function judgeCall(
  policy: CompiledPolicy,
  call: Call,
  facts: { readonly rules: DecideContext; readonly tools: ToolContext },
  verdicts: readonly Finding[],
): CallJudgement {
  const sections = judgeSections(policy, call, facts)
  const own = { ...call, arguments: sections.arguments }
  const ruled = judgeRules(policy, own, facts, verdicts)
  const steps = [sections.stepUp, ruled.stepUp].filter((step) => step !== undefined)
  return {
    firings: [...sections.firings, ...ruled.firings],
    read: own.arguments,
    blocked: sections.blocked ?? ruled.blocked,
    arguments: ruled.arguments,
    chosen: ruled.chosen,
    stepUp: steps.toSorted((a, b) => a.expiresMs - b.expiresMs)[0],
  }
}

/**
 * Arguments in which the engine was made to say a value carry the mark of a rewrite; those that are
 * rewritten have it already.
 */
export function markForced(text: string, forced: readonly ForcedValue[]): string {
  const values = forced.length === 0 ? undefined : parse(text)
  if (values === undefined || valuesAt(values, MODIFIED_MARK).length > 0) return text
  const isForced = forced.some(({ path, value }) =>
    valuesAt(values, path).some((place) => place.value === value),
  )
  return isForced ? editJson(text, [MODIFIED]) : text
}

type Facts = Parameters<typeof judgeCall>[2]
type Judged = Omit<CallJudgement, 'read'>

function judgeSections(policy: CompiledPolicy, call: Call, { rules, tools }: Facts): Judged {
  const firings: RuleFiring[] = []
  let blocked: string | undefined
  let text = call.arguments
  let stepUp: CallJudgement['stepUp']
  for (const section of policy.tools) {
    const mode = lower(section.mode, rules.mode)
    const decision = decideToolCall(section.tools, { name: call.name, arguments: text }, tools)
    firings.push(...firingsOf(call.name, decision, mode))
    if (mode !== 'enforce') continue
    if (decision.kind === 'block')
      blocked ??= section.tools.message ?? 'This tool call was blocked.'
    else text = decision.arguments
    if (decision.kind === 'step_up') {
      const reason = decision.violations.at(-1)?.reason ?? ''
      const expiresMs = (decision.expiresAtMs ?? tools.nowMs) - tools.nowMs
      if (stepUp === undefined || expiresMs < stepUp.expiresMs) stepUp = { reason, expiresMs }
    }
  }
  return { firings, blocked, arguments: text, chosen: [], stepUp }
}

const ACTIONS: Readonly<Record<ToolDecision['kind'], string>> = {
  allow: 'note',
  rewrite: 'rewrite_tool',
  step_up: 'step_up',
  block: 'block_tool_call',
}

function firingsOf(name: string, decision: ToolDecision, mode: RuleFiring['mode']): RuleFiring[] {
  const action = ACTIONS[decision.kind]
  return decision.violations.map(({ rule, path, reason, commitment }) => ({
    rule: `tools.${name}.${rule}`,
    phase: 'tool',
    mode,
    action,
    priority: DEFAULT_PRIORITY,
    message: path === '' ? reason : `${path} ${reason}`,
    ...(commitment === undefined ? {} : { commitment }),
  }))
}

function judgeRules(
  policy: CompiledPolicy,
  { name, arguments: text }: Call,
  { rules, tools }: Facts,
  verdicts: readonly Finding[],
): Judged {
  const seen = { name, arguments: text, complete: true, start: 0, end: text.length }
  const scanned = readsText(policy, 'tool') ? findingsIn(policy, text) : []
  const findings: Finding[] = [{ kind: 'tool', ...seen }, ...scanned, ...verdicts]
  const decision = decide(policy, findings, { ...rules, phase: 'tool', tool: name })
  const effects = decision.tool ?? []
  const block = effects.find((effect) => effect.kind === 'block')
  const stepUp = effects.find((effect) => effect.kind === 'step_up')
  const values = parse(text)
  const edits: JsonEdit[] = []
  const commitments: string[] = []
  const chosen: string[] = []
  for (const effect of effects) {
    if (effect.kind !== 'rewrite') continue
    const places = values === undefined ? [] : valuesAt(values, effect.argument)
    const changed = places.filter((place) => place.value !== effect.value)
    const value = JSON.stringify(effect.value)
    edits.push(...changed.map(({ path }) => ({ path, value })))
    if (changed.length < places.length && typeof effect.value === 'string') {
      chosen.push(effect.value)
    }
    if (places.length === 0) edits.push({ path: effect.argument.split('.'), value })
    commitments.push(...changed.map((place) => tools.commit(textOf(place.value))))
  }
  const firings = decision.firings.map((firing) => {
    const commitment = firing.action === 'rewrite_tool' ? commitments.shift() : undefined
    return commitment === undefined ? firing : { ...firing, commitment }
  })
  // A lenient client may read more in broken arguments than we do: nothing in them is cleared.
  const isBroken = values === undefined && text.trim() !== '' && policy.index.tool.length > 0
  const isOpen = policy.onFailure === 'open' || lower(policy.mode, rules.mode) !== 'enforce'
  return {
    firings,
    blocked: decision.stop?.message ?? block?.message ?? (isBroken && !isOpen ? BROKEN : undefined),
    arguments: edits.length === 0 || isBroken ? text : editJson(text, [...edits, MODIFIED]),
    chosen,
    stepUp,
  }
}

const BROKEN = 'This tool call could not be checked: its arguments are not valid JSON.'
const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value)

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON: the caller blocks what it would have to rewrite
  }
}
