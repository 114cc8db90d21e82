/** The policy asked about one whole tool call of an answer: allowed, rewritten or blocked. */
import type { RuleFiring, ToolEffect } from '../model/decision.ts'
import type { CompiledPolicy, DecideContext } from '../policy/compiled.ts'
import { decide } from '../policy/decide.ts'
import type { CallOutcome, CallText } from '../stream/guard-options.ts'
import { editJson } from '../tools/json-edit.ts'
import type { JsonEdit } from '../tools/json-edit.ts'

const MODIFIED: JsonEdit = { path: ['_checkstream_modified'], value: 'true' }

export function createCallDecider(
  policy: CompiledPolicy,
  context: DecideContext,
  observe: (firings: readonly RuleFiring[]) => void,
): (call: CallText) => CallOutcome {
  return ({ name, arguments: text }) => {
    const finding = {
      kind: 'tool',
      name,
      arguments: text,
      complete: true,
      start: 0,
      end: text.length,
    } as const
    const decision = decide(policy, [finding], { ...context, phase: 'tool', tool: name })
    const { firings } = decision
    if (firings.length > 0) observe(firings)
    if (decision.stop !== undefined) {
      return { kind: 'block', message: decision.stop.message, firings }
    }
    return { ...toOutcome(text, decision.tool ?? []), firings }
  }
}

function toOutcome(text: string, effects: readonly ToolEffect[]): CallOutcome {
  const block = effects.find((effect) => effect.kind === 'block')
  if (block !== undefined) return { kind: 'block', message: block.message }
  const edits = effects.flatMap((effect): JsonEdit[] =>
    effect.kind === 'rewrite'
      ? [{ path: effect.argument.split('.'), value: JSON.stringify(effect.value) }]
      : [],
  )
  if (edits.length === 0) return { kind: 'allow' }
  return { kind: 'rewrite', arguments: editJson(text, [...edits, MODIFIED]) }
}
