/**
 * What changes between two compiled policies: every rule with its conditions, thresholds, actions and
 * settings, the bans in force, the tools, and the policy's own settings. What means the same however
 * it was written is no change.
 */
import {
  arrow,
  change,
  inverted,
  opposite,
  reachOf,
  reachOfSets,
  showSets,
  stable,
} from './change.ts'
import type { Change, ChangeKind, Reach, Tell } from './change.ts'
import type { CompiledPolicy, CompiledRule, OnFailure } from '../compiled.ts'
import type { ContextTrigger } from '../schema/schema-triggers.ts'
import { diffActions } from './diff-action.ts'
import { diffTools } from './diff-tools.ts'
import { contextTerm, describeTerm, diffTerms, keyOf, termOf, textsOf } from './diff-trigger.ts'

export type { Change, Direction } from './change.ts'

export function diffPolicies(a: CompiledPolicy, b: CompiledPolicy): readonly Change[] {
  const changes: Change[] = []
  const texts = [textsOf(a), textsOf(b)] as const
  const before = new Map(a.rules.map((rule) => [rule.name, rule]))
  const after = new Map(b.rules.map((rule) => [rule.name, rule]))
  for (const [name, rule] of after) {
    const tell: Tell = (...said) => changes.push(change(said[0], name, said[1], said[2]))
    const old = before.get(name)
    if (old === undefined) {
      tell(
        'rule added',
        `${describeRule(rule)}: ${describeTerm(termOf(b, texts[1], rule.formula))}`,
        'more',
      )
      continue
    }
    diffTerms(termOf(a, texts[0], old.formula), termOf(b, texts[1], rule.formula), tell)
    diffSettings(old, rule, tell)
    diffConditions(old, rule, tell)
    diffActions(old, rule, tell)
  }
  for (const [name, rule] of before) {
    if (after.has(name)) continue
    changes.push(change('rule removed', name, describeRule(rule), 'fewer'))
  }
  changes.push(...diffBans(a, b), ...diffTools(a, b), ...diffPolicySettings(a, b))
  return changes
}

const describeRule = (rule: CompiledRule): string =>
  `${rule.actions.map((action) => action.kind).join(', ')} in ${[...rule.phases].join(', ')} (${rule.mode})`

const MODES = ['monitor', 'alert', 'enforce']
const FAILURES: readonly OnFailure[] = ['open', 'resident', 'closed']

const reachOfModes = (a: string, b: string): Reach =>
  reachOf(MODES.indexOf(a), MODES.indexOf(b), 'more')
const reachOfFailures = (a: OnFailure, b: OnFailure): Reach =>
  reachOf(FAILURES.indexOf(a), FAILURES.indexOf(b), 'more')

function diffSettings(a: CompiledRule, b: CompiledRule, tell: Tell): void {
  const say = <T>(kind: ChangeKind, x: T, y: T, reach: (x: T, y: T) => Reach): void => {
    if (x !== y) tell(kind, arrow(x, y), reach(x, y))
  }
  const phases = reachOfSets(a.phases, b.phases, 'more')
  if (phases !== 'same') tell('phase', showSets(a.phases, b.phases), phases)
  say('mode', a.mode, b.mode, reachOfModes)
  // What comes first matters only to what ends the search or speaks last: nobody can order it.
  say('priority', a.priority, b.priority, () => 'same')
  say('continue', a.continue, b.continue, (_, isOn) => (isOn ? 'more' : 'fewer'))
  say('on_failure', a.onFailure, b.onFailure, reachOfFailures)
  say('wait', a.wait, b.wait, (_, isOn) => (isOn ? 'more' : 'fewer'))
  say('release', a.release, b.release, (_, now) => (now === 'judged' ? 'more' : 'fewer'))
  say('regulation', a.regulation, b.regulation, () => 'same')
  const [x, y] = [new Set(a.tags), new Set(b.tags)]
  if (reachOfSets(x, y, 'more') !== 'same') tell('tags', showSets(x, y), 'same')
}

/** When the rule is looked at, and for whom it is not. */
function diffConditions(a: CompiledRule, b: CompiledRule, tell: Tell): void {
  const under: Tell = (_, message, reach) => tell('enabled_when', message, reach)
  diffOptional(a.enabledWhen, b.enabledWhen, under)
  const before = [...a.exceptions]
  const gone = before.filter((old) => !b.exceptions.some((now) => isSame(old, now)))
  const come = b.exceptions.filter((now) => !before.some((old) => isSame(old, now)))
  for (const now of come) {
    // The one it was, if only its end or whom it holds for is another.
    const at = gone.findIndex((old) => old.reason === now.reason || idOf(old) === idOf(now))
    const [old] = at < 0 ? [] : gone.splice(at, 1)
    if (old === undefined) tell('exception added', describeException(now), 'fewer')
    else diffException(old, now, inverted(tell))
  }
  for (const old of gone) tell('exception removed', describeException(old), 'more')
}

type Exception = CompiledRule['exceptions'][number]

const idOf = ({ when }: Exception): string => (when === undefined ? '' : keyOf(contextTerm(when)))
const isSame = (a: Exception, b: Exception): boolean =>
  a.reason === b.reason && a.untilMs === b.untilMs && idOf(a) === idOf(b)
const dateOf = ({ untilMs }: Exception): string => new Date(untilMs).toISOString()

function describeException(one: Exception): string {
  const whom = one.when === undefined ? 'everyone' : describeTerm(contextTerm(one.when))
  return `“${one.reason}” until ${dateOf(one)} for ${whom}`
}

/** `tell` hears how much more is excepted. */
function diffException(a: Exception, b: Exception, tell: Tell): void {
  const say = (message: string, reach: Reach): void =>
    tell('exception changed', `“${b.reason}” ${message}`, reach)
  if (a.reason !== b.reason) say(`reason ${arrow(a.reason, b.reason)}`, 'same')
  if (a.untilMs !== b.untilMs) {
    say(`until ${arrow(dateOf(a), dateOf(b))}`, reachOf(a.untilMs, b.untilMs, 'more'))
  }
  diffOptional(a.when, b.when, (_, message, reach) => say(message, reach))
}

/** No condition always holds. */
function diffOptional(
  a: ContextTrigger | undefined,
  b: ContextTrigger | undefined,
  tell: Tell,
): void {
  if (a !== undefined && b !== undefined) diffTerms(contextTerm(a), contextTerm(b), tell)
  else if (b !== undefined)
    tell('condition added', `always → ${describeTerm(contextTerm(b))}`, 'fewer')
  else if (a !== undefined) {
    tell('condition removed', `${describeTerm(contextTerm(a))} → always`, opposite('fewer'))
  }
}

function diffBans(a: CompiledPolicy, b: CompiledPolicy): Change[] {
  const before = bansOf(a)
  const after = bansOf(b)
  return [
    ...[...after].flatMap(([text, rule]) =>
      before.has(text) ? [] : [change('ban added', rule, text, 'more')],
    ),
    ...[...before].flatMap(([text, rule]) =>
      after.has(text) ? [] : [change('ban removed', rule, text, 'fewer')],
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

function diffPolicySettings(a: CompiledPolicy, b: CompiledPolicy): Change[] {
  const changes: Change[] = []
  const say = (kind: ChangeKind, x: string, y: string, reach: Reach): void => {
    if (x !== y) changes.push(change(kind, '', arrow(x || undefined, y || undefined), reach))
  }
  say('name', a.name, b.name, 'same')
  say('version', a.version, b.version, 'same')
  say('description', a.description, b.description, 'same')
  say('policy mode', a.mode, b.mode, reachOfModes(a.mode, b.mode))
  say('on_failure', a.onFailure, b.onFailure, reachOfFailures(a.onFailure, b.onFailure))
  const order = orderOf(a, b)
  const now = orderOf(b, a)
  if (stable(order) !== stable(now)) {
    const moved = now.find((name, i) => name !== order[i]) ?? ''
    const message = `${moved} is now looked at ${order.indexOf(moved) > now.indexOf(moved) ? 'earlier' : 'later'}`
    changes.push(change('order', moved, message, 'same'))
  }
  return changes
}

/** Rules of both whose priority is the same in both, in the order in which they are looked at. */
function orderOf(policy: CompiledPolicy, other: CompiledPolicy): readonly string[] {
  const priorities = new Map(other.rules.map(({ name, priority }) => [name, priority]))
  return policy.rules.filter((r) => priorities.get(r.name) === r.priority).map(({ name }) => name)
}
