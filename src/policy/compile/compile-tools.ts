/** The `tools` section of a document → the plain data that src/tools decides by. */
import type { ToolPolicy, ToolRule, ValueEffect, ValueTest } from '../../tools/tool-policy.ts'
import type { AllowDocument, ToolsDocument } from '../schema/schema-tools.ts'

type RuleDocument = ToolsDocument['rules'][string]
type ValueDocument = RuleDocument['values'][number]

export function compileTools(
  document: ToolsDocument,
  refuse: (path: readonly (string | number)[], message: string) => void,
): ToolPolicy {
  const tools = Object.entries(document.rules).map(([name, rule]): [string, ToolRule] => {
    const refuseValue = (index: number, message: string): void =>
      refuse(['rules', name, 'values', index, 'allow'], message)
    return [name, compileRule(rule, refuseValue)]
  })
  const { grants, message } = document
  return {
    ...(grants === undefined ? {} : { grants: grants.map(defined) }),
    tools: Object.fromEntries(tools),
    message,
  }
}

function compileRule(
  rule: RuleDocument,
  refuse: (index: number, message: string) => void,
): ToolRule {
  const { schema, at_most, rate, after, not_after, step_up } = rule
  return {
    values: rule.values.map((value, i) => compileValue(value, (message) => refuse(i, message))),
    ...(schema === undefined ? {} : { schema }),
    ...(at_most === undefined ? {} : { atMost: at_most }),
    ...(rate === undefined
      ? {}
      : { rate: { calls: rate.calls, windowMs: rate.within_seconds * 1_000 } }),
    ...(after === undefined ? {} : { after }),
    ...(not_after === undefined ? {} : { notAfter: not_after }),
    ...(step_up === undefined
      ? {}
      : { stepUp: { reason: step_up.reason, expiresMs: step_up.expires_seconds * 1_000 } }),
  }
}

function compileValue(
  value: ValueDocument,
  refuse: (message: string) => void,
): NonNullable<ToolRule['values']>[number] {
  const { name, path, allow, otherwise } = value
  return {
    name: name ?? path,
    path,
    test: compileTest(allow, refuse),
    otherwise: toEffect(otherwise),
  }
}

function toEffect(written: ValueDocument['otherwise']): ValueEffect {
  if (typeof written === 'string') return { kind: written }
  if ('rewrite' in written) return { kind: 'rewrite', value: written.rewrite }
  return { kind: 'step_up', expiresMs: written.step_up_seconds * 1_000 }
}

function compileTest(allow: AllowDocument, refuse: (message: string) => void): ValueTest {
  const { one_of, domains, under, url, min, max, integer, max_length, origin, parts, any } = allow
  const tests: ValueTest[] = []
  if (one_of !== undefined) tests.push({ kind: 'one_of', values: one_of })
  if (domains !== undefined) tests.push({ kind: 'domain', domains })
  if (under !== undefined) tests.push({ kind: 'path', under })
  if (url !== undefined) tests.push({ kind: 'url', ...defined(url) })
  if (min !== undefined || max !== undefined || integer !== undefined) {
    tests.push({ kind: 'number', ...defined({ min, max, integer }) })
  }
  if (max_length !== undefined) tests.push({ kind: 'length', max: max_length })
  if (origin !== undefined) {
    tests.push({ kind: 'origin', allow: origin, parts: parts === true })
  }
  if (any !== undefined) tests.push({ kind: 'any', of: any.map((one) => compileTest(one, refuse)) })
  const first = tests[0]
  if (first === undefined) {
    refuse('allow: names no test, so nothing would be refused')
    return { kind: 'all', of: [] }
  }
  return tests.length === 1 ? first : { kind: 'all', of: tests }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Without the members that are undefined. */
function defined<T extends object>(value: T): Defined<T> {
  // Only undefined members are dropped: what is left has the types of the rest.
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined),
  ) as Defined<T>
}
