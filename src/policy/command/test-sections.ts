/**
 * What the `tools` sections say of the call that a test states. The test's `text` is what the user wrote;
 * its context may tell the `tenant`, the `agent`, what strangers wrote (`untrusted`) and the tools that
 * were called before (`called`, by blanks).
 */
import { decideToolCall } from '../../tools/decide.ts'
import type { ToolContext } from '../../tools/decide.ts'
import { Taint } from '../../tools/taint.ts'
import type { CompiledPolicy } from '../compiled.ts'
import type { PolicyTest } from '../schema/schema-tests.ts'

/** Names as decisions have them: `tools.pay.amount`. */
export function sectionsFired({ tools }: CompiledPolicy, test: PolicyTest): readonly string[] {
  const { tool } = test
  if (tool === undefined || !tool.complete) return []
  const call = { name: tool.name, arguments: JSON.stringify(tool.arguments) }
  const context = contextOf(test)
  return tools.flatMap((section) =>
    decideToolCall(section.tools, call, context).violations.map(
      ({ rule }) => `tools.${tool.name}.${rule}`,
    ),
  )
}

function contextOf({ text, context }: PolicyTest): ToolContext {
  const told = (key: string): string => String(context[key] ?? '')
  const taint = new Taint()
  taint.trust('user', text)
  taint.distrust('context', told('untrusted'))
  const called = told('called').split(' ')
  return {
    tenant: told('tenant'),
    agent: told('agent'),
    nowMs: 0,
    history: called.filter((name) => name !== '').map((name) => ({ name, atMs: 0 })),
    taint,
    commit: () => '',
  }
}
