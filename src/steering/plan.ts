/**
 * What a policy says of a tool call before the call is whole: which names it refuses, and for one
 * argument either the only values that may stand there, or values that may not. What depends on the
 * whole call (origins, domains, paths, limits) is decided when it is whole, by the stream.
 *
 * A rule that blocks is steered only where the list of good values is closed: a refused call is not
 * turned into another call that nobody asked for.
 */
import type { CompiledPolicy, CompiledRule, DecideContext } from '../policy/compiled.ts'
import { decide } from '../policy/decide/decide.ts'
import { lower } from '../policy/decide/mode.ts'
import { refuseName } from '../tools/decide.ts'
import type { ToolContext } from '../tools/decide.ts'
import type { ToolRule, ValueTest } from '../tools/tool-policy.ts'

export type ValuePlan = {
  /** `only`: one of these; `never`: none of these. */
  readonly kind: 'only' | 'never'
  readonly values: readonly string[]
  readonly rule: string
}

export type NamePlan = { readonly allowed: readonly string[]; readonly refused: readonly string[] }

/** Which of the names may be called now; what only `tools` could tell is not asked without it. */
export function planNames(
  policy: CompiledPolicy,
  names: readonly string[],
  context: DecideContext,
  tools?: ToolContext,
): NamePlan {
  const isRefused = (name: string): boolean =>
    policy.tools.some(
      (section) =>
        tools !== undefined &&
        lower(section.mode, context.mode) === 'enforce' &&
        refuseName(section.tools, name, tools) !== undefined,
    ) || isBlocked(policy, name, context)
  const refused = names.filter(isRefused)
  return { allowed: names.filter((name) => !refused.includes(name)), refused }
}

function isBlocked(policy: CompiledPolicy, name: string, context: DecideContext): boolean {
  const seen = { kind: 'tool', name, arguments: '', complete: false, start: 0, end: 0 } as const
  const { tool } = decide(policy, [seen], { ...context, phase: 'tool', tool: name })
  return tool?.some((effect) => effect.kind === 'block') === true
}

/** Names that the rules speak of, for requests that nobody told us the tools of. */
export function namesIn(policy: CompiledPolicy): readonly string[] {
  const written = policy.leaves.flatMap((leaf) =>
    leaf.kind === 'tool' && leaf.trigger.name !== undefined ? [leaf.trigger.name].flat() : [],
  )
  return [
    ...new Set([...written, ...policy.tools.flatMap(({ tools }) => Object.keys(tools.tools))]),
  ]
}

/** The plan for one argument of one tool; undefined when any text may be spelled there. */
export function planValue(
  policy: CompiledPolicy,
  name: string,
  path: string,
  context: DecideContext,
): ValuePlan | undefined {
  for (const rule of policy.rules) {
    const plan = isInForce(rule, context) ? planOfRule(policy, rule, name, path) : undefined
    if (plan !== undefined) return plan
  }
  for (const { tools, mode } of policy.tools) {
    if (lower(mode, context.mode) !== 'enforce') continue
    const rule = Object.hasOwn(tools.tools, name) ? tools.tools[name] : undefined
    const plan = rule === undefined ? undefined : planOfSection(rule, name, path)
    if (plan !== undefined) return plan
  }
  return undefined
}

const isInForce = (rule: CompiledRule, context: DecideContext): boolean =>
  rule.phases.has('tool') &&
  rule.exceptions.length === 0 &&
  lower(rule.mode, context.mode) === 'enforce' &&
  rule.isEnabled?.(context) !== false

function planOfRule(
  policy: CompiledPolicy,
  rule: CompiledRule,
  name: string,
  path: string,
): ValuePlan | undefined {
  const leaf = rule.formula.op === 'leaf' ? policy.leaves[rule.formula.leaf] : undefined
  if (leaf?.kind !== 'tool') return undefined
  const { type: _, name: __, not_name, argument, ...tests } = leaf.trigger
  if (!leaf.test(name, undefined) && !isNamed(leaf.trigger.name, name)) return undefined
  if (not_name?.includes(name) === true) return undefined
  const documents = rule.actions.map((action) => action.document)
  const rewrite = documents.find((one) => one.type === 'rewrite_tool' && one.argument === path)
  const safe = rewrite?.type === 'rewrite_tool' ? rewrite.value : undefined
  const asked = Object.entries(tests).filter(([, test]) => test !== undefined)
  if (safe !== undefined && !safe.includes('${') && asked.length === 0) {
    return { kind: 'only', values: [safe], rule: rule.name }
  }
  const isBlocking = documents.some((one) => one.type === 'block_tool_call')
  if (argument !== path || asked.length !== 1 || (safe === undefined && !isBlocking))
    return undefined
  const { not_in, in: listed } = tests
  if (not_in !== undefined) {
    return closed(rule.name, [...not_in, ...(safe === undefined ? [] : [safe])])
  }
  if (listed === undefined || !listed.every(isText)) return undefined
  return { kind: 'never', values: listed.filter(isText), rule: rule.name }
}

const isNamed = (written: string | readonly string[] | undefined, name: string): boolean =>
  written === undefined || [written].flat().includes(name)

function planOfSection(rule: ToolRule, name: string, path: string): ValuePlan | undefined {
  for (const value of rule.values ?? []) {
    if (value.path !== path) continue
    const { otherwise } = value
    if (otherwise.kind !== 'block' && otherwise.kind !== 'rewrite') continue
    const listed = listIn(value.test)
    const safe = otherwise.kind === 'rewrite' ? [otherwise.value] : []
    const plan = listed === undefined ? undefined : closed('', [...listed, ...safe])
    if (plan !== undefined) return { ...plan, rule: `tools.${name}.${value.name}` }
  }
  return undefined
}

type Scalar = string | number | boolean | null

/** Every value that could pass the test; undefined when they cannot be listed. */
function listIn(test: ValueTest): readonly Scalar[] | undefined {
  if (test.kind === 'one_of') return test.values
  if (test.kind === 'all') return test.of.map(listIn).find((list) => list !== undefined)
  if (test.kind !== 'any') return undefined
  const lists = test.of.map(listIn)
  return lists.includes(undefined) ? undefined : lists.flatMap((list) => list ?? [])
}

const isText = (value: Scalar): value is string => typeof value === 'string'

function closed(rule: string, values: readonly Scalar[]): ValuePlan | undefined {
  if (!values.every(isText)) return undefined
  return { kind: 'only', values: [...new Set(values.filter(isText))], rule }
}
