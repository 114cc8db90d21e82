/**
 * Whether a whole call may be made: granted, in the shape of its schema, in order and in time, and
 * every value allowed. Pure: the clock, the history and the provenance are given.
 *
 * The strictest effect wins: block, then a person's answer, then a rewrite. A rewritten call says so
 * (`_checkstream_modified`) and is checked once more before it goes.
 */
import { Ajv, type ValidateFunction } from 'ajv'
import { type JsonEdit, duplicateKey, editJson } from './json-edit.ts'
import type { Taint } from './taint.ts'
import type { ToolPolicy, ToolRule, ValueRule, ValueTest } from './tool-policy.ts'
import { type Place, refuseValue, valuesAt } from './values.ts'

/** What a call says of itself when its arguments are not all the model's own. */
export const MODIFIED_MARK = '_checkstream_modified'
export const MODIFIED: JsonEdit = { path: [MODIFIED_MARK], value: 'true' }

/** For clients whose schemas refuse a member more. A mark that the model wrote itself is its own. */
export function withoutMark(text: string, original: string): string {
  if (text === original || original.includes(MODIFIED_MARK)) return text
  return editJson(text, [{ path: [MODIFIED_MARK], value: undefined }])
}

export type ProposedCall = { readonly name: string; readonly arguments: string }

export type MadeCall = { readonly name: string; readonly atMs: number }

export type ToolContext = {
  readonly tenant: string
  readonly agent: string
  readonly nowMs: number
  /** Calls that were made in this conversation, oldest first. */
  readonly history: readonly MadeCall[]
  /** Calls that count towards rates; those of the conversation when left out. */
  readonly recent?: readonly MadeCall[]
  readonly taint: Taint
  /** What stands in logs in place of a value: who has the salt and a guess can check it. */
  readonly commit: (value: string) => string
}

export type Violation = {
  readonly rule: string
  readonly path: string
  /** What is wrong, without the value. */
  readonly reason: string
  /** Salted commitment to the value, when there is one. */
  readonly commitment?: string
}

export type ToolDecision = {
  readonly kind: 'allow' | 'rewrite' | 'step_up' | 'block'
  /** JSON text of the arguments as they may go: changed only by a rewrite. */
  readonly arguments: string
  readonly violations: readonly Violation[]
  /** Latest time at which an approval counts, for `step_up`. */
  readonly expiresAtMs?: number
}

export function decideToolCall(
  policy: ToolPolicy,
  call: ProposedCall,
  context: ToolContext,
): ToolDecision {
  const block = (rule: string, reason: string): ToolDecision => ({
    kind: 'block',
    arguments: call.arguments,
    violations: [{ rule, path: '', reason }],
  })
  if (!isGranted(policy, call.name, context)) {
    return block(
      'grants',
      `${call.name} is not granted to tenant ${context.tenant}, agent ${context.agent}`,
    )
  }
  const text = call.arguments.trim() === '' ? '{}' : call.arguments
  const values = parseObject(text)
  if (values === undefined) return block('arguments', 'the arguments are not a JSON object')
  const twice = duplicateKey(text)
  if (twice !== undefined) return block('arguments', `the key ${twice} stands twice`)
  const rule = Object.hasOwn(policy.tools, call.name) ? policy.tools[call.name] : undefined
  if (rule === undefined) return { kind: 'allow', arguments: call.arguments, violations: [] }
  const shape = refuseShape(rule, values)
  if (shape !== undefined) return block('schema', shape)
  const turn = refuseTurn(rule, call.name, context)
  if (turn !== undefined) return block(turn[0], turn[1])
  return decideValues(rule, { name: call.name, arguments: text }, values, context)
}

/** Why no call of that name may be made now, whatever its arguments; undefined when one may. */
export function refuseName(
  policy: ToolPolicy,
  name: string,
  context: ToolContext,
): string | undefined {
  if (!isGranted(policy, name, context)) return 'is not granted'
  const rule = Object.hasOwn(policy.tools, name) ? policy.tools[name] : undefined
  return rule === undefined ? undefined : refuseTurn(rule, name, context)?.[1]
}

function isGranted(policy: ToolPolicy, name: string, { tenant, agent }: ToolContext): boolean {
  if (policy.grants === undefined) return true
  return policy.grants.some(
    (grant) =>
      (grant.tenants?.includes(tenant) ?? true) &&
      (grant.agents?.includes(agent) ?? true) &&
      grant.tools.some((tool) =>
        tool.endsWith('*') ? name.startsWith(tool.slice(0, -1)) : tool === name,
      ),
  )
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    // The decision says so: arguments that are no JSON are blocked.
    return undefined
  }
}

const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false })
const validators = new WeakMap<object, ValidateFunction>()

function refuseShape(rule: ToolRule, values: unknown): string | undefined {
  if (rule.schema === undefined) return undefined
  let validate = validators.get(rule.schema)
  if (validate === undefined) {
    validate = ajv.compile(rule.schema)
    validators.set(rule.schema, validate)
  }
  if (validate(values)) return undefined
  const error = validate.errors?.[0]
  return `arguments${error?.instancePath ?? ''} ${error?.message ?? 'do not fit the schema'}`
}

function refuseTurn(
  rule: ToolRule,
  name: string,
  { history, recent = history, nowMs }: ToolContext,
): readonly [string, string] | undefined {
  const own = history.filter((made) => made.name === name)
  if (rule.atMost !== undefined && own.length >= rule.atMost) {
    return ['at_most', `${name} was called ${own.length} times, at most ${rule.atMost} are allowed`]
  }
  if (rule.rate !== undefined) {
    const { calls, windowMs } = rule.rate
    const isIn = (made: MadeCall): boolean => made.name === name && made.atMs > nowMs - windowMs
    const count = recent.filter(isIn).length
    if (count >= calls) return ['rate', `${name} was called ${count} times in ${windowMs} ms`]
  }
  const missing = rule.after?.find((before) => !history.some((made) => made.name === before))
  if (missing !== undefined) return ['after', `${name} has to come after ${missing}`]
  const earlier = rule.notAfter?.find((before) => history.some((made) => made.name === before))
  if (earlier !== undefined) return ['not_after', `${name} may not come after ${earlier}`]
  return undefined
}

type Refused = { readonly rule: ValueRule; readonly place: Place; readonly violation: Violation }

function decideValues(
  rule: ToolRule,
  call: ProposedCall,
  values: unknown,
  context: ToolContext,
): ToolDecision {
  const refused = refusals(rule, values, context)
  const violations = refused.map((one) => one.violation)
  const has = (kind: string): boolean => refused.some((one) => one.rule.otherwise.kind === kind)
  if (has('block')) return { kind: 'block', arguments: call.arguments, violations }
  const edits = refused.flatMap(toEdit)
  const text = edits.length === 0 ? call.arguments : editJson(call.arguments, [...edits, MODIFIED])
  if (edits.length > 0) {
    // The safe value has to be safe itself: a rewrite never makes a call that another rule refuses.
    const { [MODIFIED_MARK]: _mark, ...after } = parseObject(text) ?? {}
    const left = refusals(rule, after, context).filter(
      (one) => !asksOrigin(one.rule.test) && one.rule.otherwise.kind !== 'note',
    )
    if (left.length > 0 || refuseShape(rule, after) !== undefined) {
      return { kind: 'block', arguments: call.arguments, violations }
    }
  }
  const waits = refused.flatMap(({ rule: one }) =>
    one.otherwise.kind === 'step_up' ? [one.otherwise.expiresMs] : [],
  )
  if (rule.stepUp !== undefined) {
    waits.push(rule.stepUp.expiresMs)
    violations.push({ rule: 'step_up', path: '', reason: rule.stepUp.reason })
  }
  if (waits.length > 0) {
    const expiresAtMs = context.nowMs + Math.min(...waits)
    return { kind: 'step_up', arguments: text, violations, expiresAtMs }
  }
  return { kind: edits.length > 0 ? 'rewrite' : 'allow', arguments: text, violations }
}

/** A value that the policy itself put there has no origin in the conversation. */
function asksOrigin(test: ValueTest): boolean {
  if (test.kind === 'origin') return true
  return (test.kind === 'any' || test.kind === 'all') && test.of.some(asksOrigin)
}

function refusals(rule: ToolRule, values: unknown, context: ToolContext): Refused[] {
  return (rule.values ?? []).flatMap((valueRule) =>
    valuesAt(values, valueRule.path).flatMap((place): Refused[] => {
      const reason = refuseValue(valueRule.test, place.value, context.taint)
      if (reason === undefined) return []
      const path = place.path.join('.')
      const { value } = place
      const commitment = context.commit(typeof value === 'string' ? value : JSON.stringify(value))
      return [
        { rule: valueRule, place, violation: { rule: valueRule.name, path, reason, commitment } },
      ]
    }),
  )
}

function toEdit({ rule, place }: Refused): readonly JsonEdit[] {
  if (rule.otherwise.kind !== 'rewrite') return []
  return [{ path: place.path, value: JSON.stringify(rule.otherwise.value) }]
}
