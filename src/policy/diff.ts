/** What changes between two policies: bans, thresholds, modes, tools, and rules that can newly fire. */
import type { ToolPolicy } from '../tools/tool-policy.ts'
import type { CompiledPolicy, CompiledRule } from './compiled.ts'

export type Change = {
  readonly kind:
    | 'rule added'
    | 'rule removed'
    | 'ban added'
    | 'ban removed'
    | 'text added'
    | 'text removed'
    | 'mode'
    | 'threshold'
    | 'action added'
    | 'action removed'
    | 'action changed'
    | 'phase'
    | 'priority'
    | 'on_failure'
    | 'tools added'
    | 'tools removed'
    | 'tools changed'
  readonly rule: string
  readonly message: string
  /** The rule may fire, or act, where it did not before. */
  readonly canNewlyFire: boolean
}

export function diffPolicies(a: CompiledPolicy, b: CompiledPolicy): readonly Change[] {
  const before = new Map(a.rules.map((rule) => [rule.name, rule]))
  const after = new Map(b.rules.map((rule) => [rule.name, rule]))
  const changes: Change[] = []
  for (const [name, rule] of after) {
    const old = before.get(name)
    if (old === undefined) changes.push(change('rule added', name, describe(rule), true))
    else changes.push(...diffRules(a, old, b, rule))
  }
  for (const [name, rule] of before) {
    if (!after.has(name)) changes.push(change('rule removed', name, describe(rule), false))
  }
  changes.push(...diffBans(a, b), ...diffTools(a, b))
  if (a.onFailure !== b.onFailure) {
    changes.push(
      change('on_failure', '', `${a.onFailure} → ${b.onFailure}`, b.onFailure === 'closed'),
    )
  }
  return changes
}

const change = (
  kind: Change['kind'],
  rule: string,
  message: string,
  canNewlyFire: boolean,
): Change => ({ kind, rule, message, canNewlyFire })

const describe = (rule: CompiledRule): string =>
  `${rule.actions.map((action) => action.kind).join(', ')} in ${[...rule.phases].join(', ')} (${rule.mode})`

const ORDER = ['monitor', 'alert', 'enforce']

function diffRules(
  pa: CompiledPolicy,
  a: CompiledRule,
  pb: CompiledPolicy,
  b: CompiledRule,
): Change[] {
  const changes: Change[] = []
  const say = (kind: Change['kind'], message: string, isMore: boolean): void => {
    changes.push(change(kind, b.name, message, isMore))
  }
  if (a.mode !== b.mode) {
    say('mode', `${a.mode} → ${b.mode}`, ORDER.indexOf(b.mode) > ORDER.indexOf(a.mode))
  }
  if (a.priority !== b.priority) say('priority', `${a.priority} → ${b.priority}`, false)
  const gained = [...b.phases].filter((phase) => !a.phases.has(phase))
  const lost = [...a.phases].filter((phase) => !b.phases.has(phase))
  if (gained.length + lost.length > 0) {
    say(
      'phase',
      [...gained.map((p) => `+${p}`), ...lost.map((p) => `-${p}`)].join(' '),
      gained.length > 0,
    )
  }
  const oldThresholds = thresholds(pa, a)
  for (const [key, min] of thresholds(pb, b)) {
    const old = oldThresholds.get(key)
    if (old === undefined) say('threshold', `${key} ≥ ${min} is new`, true)
    else if (old !== min) say('threshold', `${key} ${old} → ${min}`, min < old)
    oldThresholds.delete(key)
  }
  for (const [key, min] of oldThresholds) say('threshold', `${key} ≥ ${min} is gone`, false)
  diffSets(texts(pa, a), texts(pb, b), 'text', say)
  diffActions(a, b, say)
  return changes
}

type Tell = (kind: Change['kind'], message: string, isMore: boolean) => void

function diffSets(a: ReadonlySet<string>, b: ReadonlySet<string>, what: 'text', say: Tell): void {
  for (const text of b) if (!a.has(text)) say(`${what} added`, text, true)
  for (const text of a) if (!b.has(text)) say(`${what} removed`, text, false)
}

function diffActions(a: CompiledRule, b: CompiledRule, say: Tell): void {
  const old = new Map(a.actions.map((action) => [action.kind, JSON.stringify(action.document)]))
  for (const { kind, document } of b.actions) {
    const before = old.get(kind)
    old.delete(kind)
    const now = JSON.stringify(document)
    if (before === undefined) say('action added', now, true)
    else if (before !== now) say('action changed', `${before} → ${now}`, false)
  }
  for (const [, before] of old) say('action removed', before, false)
}

function thresholds(policy: CompiledPolicy, rule: CompiledRule): Map<string, number> {
  const found = new Map<string, number>()
  for (const i of rule.leaves) {
    const leaf = policy.leaves[i]
    if (leaf?.kind !== 'verdict') continue
    found.set(leaf.label === undefined ? leaf.model : `${leaf.model}/${leaf.label}`, leaf.min)
  }
  return found
}

function texts(policy: CompiledPolicy, rule: CompiledRule): Set<string> {
  const byId = new Map(policy.texts.map((text) => [text.id, `${text.text} (${text.match})`]))
  for (const { id, source } of policy.linear) byId.set(id, source)
  const leaves = rule.leaves.map((i) => policy.leaves[i])
  const ids = leaves.flatMap((leaf) => (leaf?.kind === 'match' ? leaf.bans : []))
  return new Set(ids.map((id) => byId.get(id) ?? id))
}

function diffBans(a: CompiledPolicy, b: CompiledPolicy): Change[] {
  const before = bansOf(a)
  const after = bansOf(b)
  return [
    ...[...after].flatMap(([text, rule]) =>
      before.has(text) ? [] : [change('ban added', rule, text, true)],
    ),
    ...[...before].flatMap(([text, rule]) =>
      after.has(text) ? [] : [change('ban removed', rule, text, false)],
    ),
  ]
}

/** Each ban with everything that decides what it matches → the rule that wrote it. */
function bansOf(policy: CompiledPolicy): Map<string, string> {
  return new Map(
    policy.bans.map((ban) => [
      `${ban.text} (${ban.kind}, ${ban.match}, ${ban.folds.join(' ')}, pending ${ban.pending})`,
      policy.ruleOfText.get(ban.id) ?? '',
    ]),
  )
}

/** Whether a changed list or limit is the stricter one is not judged: it may refuse what it did not. */
function diffTools(a: CompiledPolicy, b: CompiledPolicy): Change[] {
  const before = toolsOf(a)
  const after = toolsOf(b)
  const changes: Change[] = []
  for (const [key, { rule, text }] of after) {
    const old = before.get(key)
    if (old === undefined) changes.push(change('tools added', rule, text, true))
    else if (old.text !== text) {
      changes.push(change('tools changed', rule, `${old.text} → ${text}`, true))
    }
  }
  for (const [key, { rule, text }] of before) {
    if (!after.has(key)) changes.push(change('tools removed', rule, text, false))
  }
  return changes
}

type ToolLine = { readonly rule: string; readonly text: string }

/** Everything that the `tools` sections say, a line for each, named as their decisions are. */
function toolsOf(policy: CompiledPolicy): Map<string, ToolLine> {
  const lines = new Map<string, ToolLine>()
  for (const { policy: name, mode, tools } of policy.tools) {
    const say = (rule: string, value: unknown): void => {
      lines.set(`${name} ${rule}`, { rule, text: JSON.stringify(value) })
    }
    say('tools', { mode, ...(tools.message === undefined ? {} : { message: tools.message }) })
    if (tools.grants !== undefined) say('tools.grants', tools.grants)
    for (const [tool, rule] of Object.entries(tools.tools)) sayRule(`tools.${tool}`, rule, say)
  }
  return lines
}

function sayRule(
  place: string,
  { values = [], ...rest }: ToolPolicy['tools'][string],
  say: (rule: string, value: unknown) => void,
): void {
  for (const [key, value] of Object.entries(rest)) {
    if (value !== undefined) say(`${place}.${key}`, value)
  }
  for (const { name, ...value } of values) say(`${place}.${name}`, value)
}
