/** What changes in the `tools` sections: who may call what, and every rule of every tool. */
import type { ToolRule, ValueEffect, ValueRule, ValueTest } from '../../tools/tool-policy.ts'
import { arrow, change, opposite, reachOf, reachOfSets, showSets, stable } from './change.ts'
import type { Change, Reach } from './change.ts'
import type { CompiledPolicy } from '../compiled.ts'

const MODES = ['monitor', 'alert', 'enforce']

/** A reach is how many calls are refused. */
type Line = {
  readonly rule: string
  readonly value: unknown
  /** Of the line as it came, when there was none. */
  readonly coming: Reach
  readonly compare: (before: unknown, after: unknown) => Reach
}

export function diffTools(a: CompiledPolicy, b: CompiledPolicy): Change[] {
  const before = linesOf(a)
  const after = linesOf(b)
  const changes: Change[] = []
  for (const [key, { rule, value, coming, compare }] of after) {
    const old = before.get(key)
    if (old === undefined) changes.push(change('tools added', rule, stable(value), coming))
    else if (stable(old.value) !== stable(value)) {
      const message = describe(old.value, value)
      changes.push(change('tools changed', rule, message, compare(old.value, value)))
    }
  }
  for (const [key, { rule, value, coming }] of before) {
    if (after.has(key)) continue
    changes.push(change('tools removed', rule, stable(value), opposite(coming)))
  }
  return changes
}

const describe = (a: unknown, b: unknown): string =>
  Array.isArray(a) && Array.isArray(b)
    ? showSets(new Set(a.map(asText)), new Set(b.map(asText)))
    : arrow(a, b)

const asText = (one: unknown): string => (typeof one === 'string' ? one : stable(one))

/** Everything that the `tools` sections say, a line for each, named as their decisions are. */
function linesOf(policy: CompiledPolicy): Map<string, Line> {
  const lines = new Map<string, Line>()
  for (const { policy: name, mode, tools } of policy.tools) {
    const add = (line: Line): void => {
      lines.set(`${name} ${line.rule}`, line)
    }
    add({
      rule: 'tools.mode',
      value: mode,
      coming: 'same',
      compare: (x, y) => reachOf(MODES.indexOf(String(x)), MODES.indexOf(String(y)), 'more'),
    })
    add({ rule: 'tools.message', value: tools.message, coming: 'same', compare: () => 'same' })
    if (tools.grants !== undefined) {
      add({ rule: 'tools.grants', value: tools.grants, coming: 'more', compare: sets('fewer') })
    }
    for (const [tool, rule] of Object.entries(tools.tools)) addRule(`tools.${tool}`, rule, add)
  }
  return lines
}

function addRule(place: string, rule: ToolRule, add: (line: Line) => void): void {
  const say = (key: string, value: unknown, compare: Line['compare']): void => {
    if (value !== undefined) add({ rule: `${place}.${key}`, value, coming: 'more', compare })
  }
  say('schema', rule.schema, () => 'unknown')
  say('atMost', rule.atMost, numbers('fewer'))
  say('rate', rule.rate, (x, y) => reachOfRates(x as Rate, y as Rate))
  say('after', rule.after, sets('more'))
  say('notAfter', rule.notAfter, sets('more'))
  say('stepUp', rule.stepUp, () => 'same')
  for (const value of rule.values ?? []) {
    const { name, ...rest } = value
    add({
      rule: `${place}.${name}`,
      value: rest,
      coming: value.otherwise.kind === 'note' ? 'same' : 'more',
      compare: (x, y) => reachOfValues(x as ValueRule, y as ValueRule),
    })
  }
}

const numbers =
  (rising: Reach): Line['compare'] =>
  (x, y) =>
    reachOf(Number(x), Number(y), rising)

const sets =
  (growing: Reach): Line['compare'] =>
  (x, y) =>
    reachOfSets(
      new Set((x as unknown[]).map(asText)),
      new Set((y as unknown[]).map(asText)),
      growing,
    )

type Rate = NonNullable<ToolRule['rate']>

const reachOfRates = (a: Rate, b: Rate): Reach =>
  together([reachOf(a.calls, b.calls, 'fewer'), reachOf(a.windowMs, b.windowMs, 'more')])

/** Several changes at once: their reach when none goes the other way. */
function together(all: readonly Reach[]): Reach {
  const [first, ...others] = [...new Set(all)].filter((reach) => reach !== 'same')
  return first === undefined ? 'same' : others.length === 0 ? first : 'unknown'
}

const EFFECTS: readonly ValueEffect['kind'][] = ['note', 'rewrite', 'step_up', 'block']

function reachOfValues(a: ValueRule, b: ValueRule): Reach {
  if (a.path !== b.path) return 'unknown'
  const [x, y] = [a.otherwise, b.otherwise]
  const effect = reachOf(EFFECTS.indexOf(x.kind), EFFECTS.indexOf(y.kind), 'more')
  return together([effect, reachOfTests(a.test, b.test)])
}

/** How many more values a test refuses. */
function reachOfTests(a: ValueTest, b: ValueTest): Reach {
  if (stable(a) === stable(b)) return 'same'
  const [x, y] = [conditionsOf(a), conditionsOf(b)]
  const kinds = new Set([...x.keys(), ...y.keys()])
  return together(
    [...kinds].map((kind) => {
      const [one, other] = [x.get(kind), y.get(kind)]
      if (one === undefined) return 'more'
      return other === undefined ? 'fewer' : reachOfTest(one, other)
    }),
  )
}

/** A test that is several at once, by kind: each that comes refuses more. */
function conditionsOf(test: ValueTest): ReadonlyMap<string, ValueTest> {
  return new Map((test.kind === 'all' ? test.of : [test]).map((one) => [one.kind, one]))
}

function reachOfTest(a: ValueTest, b: ValueTest): Reach {
  if (stable(a) === stable(b)) return 'same'
  if (a.kind === 'one_of' && b.kind === 'one_of') return listed(a.values, b.values)
  if (a.kind === 'domain' && b.kind === 'domain') return listed(a.domains, b.domains)
  if (a.kind === 'path' && b.kind === 'path') return listed(a.under, b.under)
  if (a.kind === 'length' && b.kind === 'length') return reachOf(a.max, b.max, 'fewer')
  if (a.kind === 'number' && b.kind === 'number') {
    return together([
      reachOf(a.min ?? -Infinity, b.min ?? -Infinity, 'more'),
      reachOf(a.max ?? Infinity, b.max ?? Infinity, 'fewer'),
      reachOf(Number(a.integer ?? false), Number(b.integer ?? false), 'more'),
    ])
  }
  if (a.kind === 'origin' && b.kind === 'origin') {
    const parts = reachOf(Number(a.parts ?? false), Number(b.parts ?? false), 'more')
    return together([parts, listed(a.allow, b.allow)])
  }
  if (a.kind === 'url' && b.kind === 'url') {
    return together([
      limit(a.schemes ?? ['https'], b.schemes ?? ['https']),
      limit(a.hosts, b.hosts),
    ])
  }
  return 'unknown'
}

const listed = (a: readonly unknown[], b: readonly unknown[]): Reach =>
  reachOfSets(new Set(a), new Set(b), 'fewer')

/** No list is no limit. */
function limit(a: readonly string[] | undefined, b: readonly string[] | undefined): Reach {
  if (a === undefined || b === undefined)
    return a === b ? 'same' : b === undefined ? 'fewer' : 'more'
  return listed(a, b)
}
