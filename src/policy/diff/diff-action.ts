/** What changes between the actions of two rules: which there are, and every parameter of each. */
import type { AdaptLevel, AdaptPlan } from '../../decoding/plan.ts'
import type { Adapt } from '../../model/directive.ts'
import { arrow, reachOf, reachOfSets, show, showMembers, showSets, stable } from './change.ts'
import type { Reach, Tell } from './change.ts'
import type { CompiledAction, CompiledRule } from '../compiled.ts'

export function diffActions(a: CompiledRule, b: CompiledRule, tell: Tell): void {
  const before = new Set(a.actions)
  const after = new Set(b.actions)
  const pairs: [CompiledAction, CompiledAction][] = []
  // Equal ones first, so that one of two stops is not taken for the other.
  for (const isPair of [isEqual, isSameKind]) {
    for (const old of before) {
      const now = [...after].find((one) => isPair(old, one))
      if (now === undefined) continue
      before.delete(old)
      after.delete(now)
      pairs.push([old, now])
    }
  }
  for (const [old, now] of pairs) diffAction(old, now, isSamePhases(a, b), tell)
  for (const now of after) tell('action added', describeAction(now), 'more')
  for (const old of before) tell('action removed', describeAction(old), 'fewer')
}

const isSameKind = (a: CompiledAction, b: CompiledAction): boolean => a.kind === b.kind
const isEqual = (a: CompiledAction, b: CompiledAction): boolean =>
  stable(a.document) === stable(b.document)
const isSamePhases = (a: CompiledRule, b: CompiledRule): boolean =>
  reachOfSets(a.phases, b.phases, 'more') === 'same'

function describeAction({ kind, document }: CompiledAction): string {
  const { type: _, ...parameters } = document
  return `${kind} ${stable(parameters)}`
}

/** The texts of a ban are part of the rule's condition: they are told there. */
const ELSEWHERE = ['type', 'phrases', 'patterns', 'list', 'match', 'folds', 'case_insensitive']

/** Parameters that decide how much is let through. */
const REACH: Readonly<Record<string, Reach>> = { 'deny.tokens': 'more', 'deny.texts': 'more' }

function diffAction(a: CompiledAction, b: CompiledAction, hasPhases: boolean, tell: Tell): void {
  const { kind } = b
  if (hasPhases && reachOfSets(a.phases, b.phases, 'more') !== 'same') {
    const message = `${kind} phases ${showSets(a.phases, b.phases)}`
    tell('action changed', message, reachOfSets(a.phases, b.phases, 'more'))
  }
  if (a.plan !== undefined && b.plan !== undefined) {
    diffPlans(a.plan, b.plan, tell)
    return
  }
  const before = new Map<string, unknown>(Object.entries(a.document))
  const after = new Map<string, unknown>(Object.entries(b.document))
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [x, y] = [before.get(key), after.get(key)]
    if (ELSEWHERE.includes(key) || stable([x]) === stable([y])) continue
    const what = `${kind} ${key}`
    const growing = REACH[`${kind}.${key}`]
    if (growing !== undefined) {
      const [m, n] = [new Set([x ?? []].flat()), new Set([y ?? []].flat())]
      const reach = reachOfSets(m, n, growing)
      if (reach !== 'same') tell('action changed', `${what} ${showSets(m, n)}`, reach)
    } else {
      const isPending = kind === 'ban' && key === 'pending'
      const reach = isPending ? (y === 'deny' ? 'more' : 'fewer') : 'same'
      tell('action changed', `${what} ${arrow(x, y)}`, reach)
    }
  }
}

const held = (isTracked: boolean): string => (isTracked ? 'while there is evidence' : 'to the end')

function diffPlans(a: AdaptPlan, b: AdaptPlan, tell: Tell): void {
  const say = (what: string, reach: Reach): void => tell('action changed', `adapt ${what}`, reach)
  for (let i = 0; i < Math.max(a.levels.length, b.levels.length); i++) {
    const [old, now] = [a.levels[i], b.levels[i]]
    const place = b.levels.length + a.levels.length > 2 ? `level ${i + 1} ` : ''
    if (old === undefined && now !== undefined)
      say(`${place}${describeLevel(now)} is new`, 'unknown')
    else if (old !== undefined && now === undefined) {
      say(`${place}${describeLevel(old)} is gone`, 'unknown')
    } else if (old !== undefined && now !== undefined) {
      diffLevels(old, now, (what, reach) => say(`${place}${what}`, reach))
    }
  }
  if (stable(a.smoothing) !== stable(b.smoothing)) {
    say(`smoothing ${arrow(a.smoothing, b.smoothing)}`, 'unknown')
  }
  if (a.isTracked !== b.isTracked) {
    const reach = b.isTracked ? 'fewer' : 'more'
    say(`holds ${held(a.isTracked)} → ${held(b.isTracked)}`, reach)
  } else if (b.isTracked && a.dwellTokens !== b.dwellTokens) {
    const reach = reachOf(a.dwellTokens, b.dwellTokens, 'more')
    say(`dwell_tokens ${a.dwellTokens} → ${b.dwellTokens}`, reach)
  }
}

/** Parameters as people write them, and whether a higher value is the stricter one. */
const PARAMETERS: readonly (readonly [keyof Adapt, string, Reach])[] = [
  ['temperature', 'temperature', 'fewer'],
  ['topP', 'top_p', 'fewer'],
  ['topK', 'top_k', 'fewer'],
  ['minP', 'min_p', 'more'],
  ['repetitionPenalty', 'repetition_penalty', 'more'],
]

function describeLevel(level: AdaptLevel): string {
  const values = PARAMETERS.flatMap(([key, name]) => {
    const value = level.adapt[key]
    return value === undefined ? [] : [`${name} ${value}`]
  })
  const safe = safeOf(level)
  const words = safe === undefined ? [] : [`safe_vocabulary of ${safe.size}`]
  return `from ${level.enter}, left below ${level.leave}: ${[...values, ...words].join(', ')}`
}

function diffLevels(a: AdaptLevel, b: AdaptLevel, say: (what: string, reach: Reach) => void): void {
  for (const key of ['enter', 'leave'] as const) {
    if (a[key] !== b[key]) say(`${key} ${a[key]} → ${b[key]}`, reachOf(a[key], b[key], 'fewer'))
  }
  for (const [key, name, rising] of PARAMETERS) {
    const [x, y] = [a.adapt[key], b.adapt[key]]
    if (x === y) continue
    const reach = x === undefined ? 'more' : y === undefined ? 'fewer' : reachOf(x, y, rising)
    say(`${name} ${arrow(x, y)}`, reach)
  }
  const [old, now] = [safeOf(a), safeOf(b)]
  if (old === undefined && now !== undefined) say(`safe_vocabulary ${showMembers(now)}`, 'more')
  else if (now === undefined && old !== undefined) say('safe_vocabulary is gone', 'fewer')
  else if (old !== undefined && now !== undefined) {
    // Nothing else may be sampled: what comes is let through.
    const reach = reachOfSets(old, now, 'fewer')
    if (reach !== 'same') say(`safe_vocabulary ${showSets(old, now)}`, reach)
  }
}

/** Everything that a safe vocabulary is made of, each part by what it is. */
function safeOf({ deny, safe }: AdaptLevel): ReadonlySet<string> | undefined {
  if (deny === undefined && safe === undefined) return undefined
  const tokens = [...(deny?.tokens ?? []), ...(safe?.tokens ?? [])]
  return new Set([
    ...tokens.map((token) => `token ${show(token)}`),
    ...[...(safe?.characters ?? '')].map((c) => `character ${JSON.stringify(c)}`),
    ...(safe?.words ?? []).map((word) => `word ${JSON.stringify(word)}`),
  ])
}
