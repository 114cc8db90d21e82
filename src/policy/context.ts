/** Conditions on the request itself: typed fields, compared once compiled without any parsing. */
import { suggestion } from '../model/nearest.ts'
import { CONTEXT_FIELDS } from './schema/schema-triggers.ts'
import type { ContextLeaf, ContextTrigger } from './schema/schema-triggers.ts'
import type { DecideContext } from './compiled.ts'

type Value = string | number | boolean | undefined
type Test = (context: DecideContext) => boolean

/** English text has about this many characters a token; only for `response_length` when not told. */
export const CHARACTERS_PER_TOKEN = 4

/** Phases, for the check of impossible conditions. */
const PHASE_NAMES = ['ingress', 'step', 'tool', 'midstream', 'egress']

export function fieldOf(field: string): ((context: DecideContext) => Value) | undefined {
  if (field.startsWith('parameters.')) {
    const key = field.slice('parameters.'.length)
    return (c) => (Object.hasOwn(c.parameters, key) ? c.parameters[key] : undefined)
  }
  switch (field) {
    case 'tenant':
      return (c) => c.tenant
    case 'user':
      return (c) => c.user
    case 'model':
      return (c) => c.model
    case 'tool':
      return (c) => c.tool
    case 'phase':
      return (c) => c.phase
    case 'agent':
      return (c) => c.agent
    case 'position':
      return (c) => c.position
    case 'request_id':
      return (c) => c.requestId
    case 'response_length':
      return (c) => c.responseLength ?? c.position * CHARACTERS_PER_TOKEN
    default:
      return undefined
  }
}

/**
 * Output positions at which conditions on the position, or on the length of the answer, may change:
 * whoever follows an answer asks again there. Looks through anything that holds conditions.
 */
export function turningPoints(written: unknown): readonly number[] {
  const found = new Set<number>()
  const stack: unknown[] = [written]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (typeof at !== 'object' || at === null) continue
    if ('type' in at && at.type === 'context') addTurns(at as ContextLeaf, found)
    else stack.push(...(Object.values(at) as unknown[]).filter((value) => value !== undefined))
  }
  return [...found].toSorted((a, b) => a - b)
}

function addTurns({ field, value, in: values, min, max }: ContextLeaf, found: Set<number>): void {
  const scale = field === 'position' ? 1 : field === 'response_length' ? CHARACTERS_PER_TOKEN : 0
  if (scale === 0) return
  for (const bound of [value, min, max, ...(values ?? [])]) {
    const number = Number(String(bound ?? '').replace(/^(>=|<=|!=|>|<)\s*/, ''))
    if (bound === undefined || !Number.isFinite(number)) continue
    // On either side of the bound: `>` and `>=` differ by one.
    for (const turn of [Math.floor(number / scale), Math.floor(number / scale) + 1]) {
      if (turn > 0) found.add(turn)
    }
  }
}

/** Compiles a condition; `refuse` hears what can never hold, `warn` what nothing answers. */
export function compileContext(trigger: ContextTrigger, refuse: (message: string) => void): Test {
  switch (trigger.type) {
    case 'context':
      return compileLeaf(trigger, refuse)
    case 'any': {
      const of = trigger.triggers.map((t) => compileContext(t, refuse))
      return (c) => of.some((test) => test(c))
    }
    case 'all': {
      const of = trigger.triggers.map((t) => compileContext(t, refuse))
      return (c) => of.every((test) => test(c))
    }
    case 'not': {
      const of = compileContext(trigger.trigger, refuse)
      return (c) => !of(c)
    }
  }
}

export function compileLeaf(leaf: ContextLeaf, refuse: (message: string) => void): Test {
  const read = fieldOf(leaf.field)
  if (read === undefined) {
    const known = [...CONTEXT_FIELDS, 'parameters.temperature']
    refuse(`no context field is called ${leaf.field}${suggestion(leaf.field, known)}`)
    return () => false
  }
  const tests: ((value: Value) => boolean)[] = []
  if (leaf.value !== undefined) tests.push(compare(leaf.value))
  if (leaf.in !== undefined) tests.push(oneOf(leaf.in))
  const { min, max, prefix } = leaf
  if (min !== undefined) tests.push((v) => typeof v === 'number' && v >= min)
  if (max !== undefined) tests.push((v) => typeof v === 'number' && v <= max)
  if (prefix !== undefined) tests.push((v) => typeof v === 'string' && v.startsWith(prefix))
  if (tests.length === 0) refuse('a context condition needs value, in, min, max or prefix')
  if (min !== undefined && max !== undefined && min > max) refuse(`min ${min} is above max ${max}`)
  if (leaf.field === 'phase') checkPhases(leaf, refuse)
  return (context) => {
    const value = read(context)
    return value !== undefined && tests.every((test) => test(value))
  }
}

function checkPhases(leaf: ContextLeaf, refuse: (message: string) => void): void {
  for (const value of [leaf.value, ...(leaf.in ?? [])]) {
    if (value === undefined || PHASE_NAMES.includes(String(value).replace(/^!=\s*/, ''))) continue
    refuse(`no phase is called ${String(value)}${suggestion(String(value), PHASE_NAMES)}`)
  }
}

/** Equality; a string that begins with an operator compares numbers (`">200"`), `!=` denies. */
function compare(wanted: string | number | boolean): (value: Value) => boolean {
  if (typeof wanted !== 'string') return (v) => v === wanted || String(v) === String(wanted)
  const found = /^(>=|<=|!=|>|<)\s*(.+)$/.exec(wanted)
  if (found === null) return (v) => String(v) === wanted
  const [, operator, operand = ''] = found
  const bound = Number(operand)
  switch (operator) {
    case '>=':
      return (v) => numeric(v) >= bound
    case '<=':
      return (v) => numeric(v) <= bound
    case '>':
      return (v) => numeric(v) > bound
    case '<':
      return (v) => numeric(v) < bound
    default:
      return (v) => String(v) !== operand
  }
}

const numeric = (v: Value): number => (typeof v === 'number' ? v : Number(v))

function oneOf(values: readonly (string | number | boolean)[]): (value: Value) => boolean {
  const known = new Set(values.map(String))
  return (v) => known.has(String(v))
}
