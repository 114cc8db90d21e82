/**
 * The tool policy as the guard's `decideCall`: what was decided becomes what the client sees. Calls that
 * went out are remembered, for rules about order, number and rate.
 */
import type { RuleFiring } from '../model/decision.ts'
import { type ToolContext, type ToolDecision, decideToolCall } from '../tools/decide.ts'
import type { ToolPolicy } from '../tools/tool-policy.ts'
import type { CallOutcome, CallText } from './guard-options.ts'

export type CallDeciderParts = {
  readonly policy: ToolPolicy
  /** Everything but the calls of this response, which are added here. */
  readonly context: () => ToolContext
  /** Said in place of a blocked call. */
  readonly message: (call: CallText, decision: ToolDecision) => string
  /** Told of every decision; a `step_up` is to be settled by the guard's `settleCall`. Must not throw. */
  readonly observe: (call: CallText, decision: ToolDecision) => void
}

export function createCallDecider(parts: CallDeciderParts): (call: CallText) => CallOutcome {
  const made: { readonly name: string; readonly atMs: number }[] = []
  return (call) => {
    const context = parts.context()
    const history = [...context.history, ...made]
    const decision = decideToolCall(parts.policy, call, { ...context, history })
    parts.observe(call, decision)
    // A call that waits counts from now on: two calls may not share one turn.
    if (decision.kind !== 'block') made.push({ name: call.name, atMs: context.nowMs })
    return toOutcome(call, decision, parts)
  }
}

function toOutcome(call: CallText, decision: ToolDecision, parts: CallDeciderParts): CallOutcome {
  const firings = decision.violations.map((one): RuleFiring => {
    const action = decision.kind === 'rewrite' ? 'rewrite_tool' : 'block_tool_call'
    return { rule: one.rule, phase: 'tool', mode: 'enforce', action, priority: 0 }
  })
  if (decision.kind === 'allow') return { kind: 'allow' }
  if (decision.kind === 'step_up') return { kind: 'hold' }
  if (decision.kind === 'rewrite') {
    return { kind: 'rewrite', arguments: decision.arguments, firings }
  }
  return { kind: 'block', message: parts.message(call, decision), firings }
}
