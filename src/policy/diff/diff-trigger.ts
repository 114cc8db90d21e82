/**
 * What changes between two conditions. Both are brought into one form first, in which order, nesting
 * of `any` in `any` and repetition do not count; then equal parts are set off against each other and
 * the rest is told, with whether the condition now holds more often.
 */
import {
  arrow,
  inverted,
  opposite,
  reachOf,
  reachOfSets,
  show,
  showMembers,
  showSets,
  stable,
} from './change.ts'
import type { Reach, Tell } from './change.ts'
import { barFor, showBars } from '../bars.ts'
import type { CompiledPolicy, Formula, Leaf } from '../compiled.ts'
import { TAGGED, PII } from '../compile/names.ts'
import type { ContextLeaf, ContextTrigger, ToolTrigger } from '../schema/schema-triggers.ts'

type Verdict = Extract<Leaf, { kind: 'verdict' }>

export type Term =
  | { readonly op: 'texts'; readonly texts: ReadonlySet<string> }
  | { readonly op: 'verdict'; readonly leaf: Verdict }
  | { readonly op: 'pii'; readonly types: ReadonlySet<string> | undefined; readonly min: number }
  | { readonly op: 'tool'; readonly written: ToolTrigger }
  | { readonly op: 'context'; readonly written: ContextLeaf }
  | { readonly op: 'any' | 'all'; readonly of: readonly Term[] }
  | { readonly op: 'not'; readonly of: Term }
  | {
      readonly op: 'count'
      readonly of: Term
      readonly atLeast: number
      readonly withinTokens: number | undefined
      readonly window: number | undefined
    }

/** Text id → the text with everything that decides what it matches. */
export function textsOf(policy: CompiledPolicy): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const { id, kind, text, match, folds, pending } of policy.texts) {
    const how = [kind, match, folds.join(' '), pending === 'deny' ? 'pending deny' : '']
    const said = how.filter((word) => word !== '' && word !== 'phrase')
    found.set(id, `${text} (${said.join(', ')})`)
  }
  for (const { id, source, isFolded } of policy.linear) {
    found.set(id, `${source} (linear${isFolded ? ', case' : ''})`)
  }
  return found
}

export function termOf(
  policy: CompiledPolicy,
  texts: ReadonlyMap<string, string>,
  formula: Formula,
): Term {
  const each = (of: readonly Formula[]): readonly Term[] =>
    of.map((one) => termOf(policy, texts, one))
  switch (formula.op) {
    case 'leaf':
      return leafTerm(policy.leaves[formula.leaf], texts)
    case 'context':
      return { op: 'context', written: formula.written }
    case 'any':
    case 'all':
      return joined(formula.op, each(formula.of))
    case 'not': {
      const of = termOf(policy, texts, formula.of)
      return of.op === 'not' ? of.of : { op: 'not', of }
    }
    case 'count':
      return { ...formula, of: termOf(policy, texts, formula.of) }
  }
}

/** A condition on the request alone. */
export function contextTerm(written: ContextTrigger): Term {
  switch (written.type) {
    case 'context':
      return { op: 'context', written }
    case 'any':
    case 'all':
      return joined(written.type, written.triggers.map(contextTerm))
    case 'not': {
      const of = contextTerm(written.trigger)
      return of.op === 'not' ? of.of : { op: 'not', of }
    }
  }
}

const NEVER: Term = { op: 'any', of: [] }

function leafTerm(leaf: Leaf | undefined, texts: ReadonlyMap<string, string>): Term {
  switch (leaf?.kind) {
    case undefined:
      return NEVER
    case 'match':
      return { op: 'texts', texts: new Set(leaf.bans.map((id) => texts.get(id) ?? id)) }
    case 'verdict':
      return { op: 'verdict', leaf }
    case 'pii':
      return { op: 'pii', types: leaf.types, min: leaf.min }
    case 'tool':
      return { op: 'tool', written: leaf.trigger }
  }
}

/** Flat, each part once, the texts of an `any` as one; a single part stands for itself. */
function joined(op: 'any' | 'all', parts: readonly Term[]): Term {
  const flat = parts.flatMap((part) => (part.op === op ? part.of : [part]))
  const apart = op === 'any' ? withOneSetOfTexts(withoutTagger(flat)) : flat
  const once = new Map(apart.map((part) => [keyOf(part), part]))
  const of = [...once.values()]
  const [only] = of
  return only !== undefined && of.length === 1 ? only : { op, of }
}

function withOneSetOfTexts(parts: readonly Term[]): readonly Term[] {
  const texts = parts.flatMap((part) => (part.op === 'texts' ? [...part.texts] : []))
  const others = parts.filter((part) => part.op !== 'texts')
  return texts.length === 0 ? others : [{ op: 'texts', texts: new Set(texts) }, ...others]
}

/** A condition on personal data asks the model too, for the types that only it finds: that is one. */
function withoutTagger(parts: readonly Term[]): readonly Term[] {
  return parts.filter((part) => {
    if (part.op !== 'verdict' || part.leaf.model !== PII) return true
    const { label, min, max } = part.leaf
    if (label === undefined || !TAGGED.includes(label) || max !== 1) return true
    return !parts.some((one) => one.op === 'pii' && one.min === min && one.types?.has(label))
  })
}

/** Equal terms have equal keys. */
export function keyOf(term: Term): string {
  switch (term.op) {
    case 'texts':
      return `texts ${stable([...term.texts].sort())}`
    case 'verdict': {
      const { model, label, min, max, rate } = term.leaf
      return `verdict ${stable([model, label, min, showBars(term.leaf), max, rate])}`
    }
    case 'pii':
      return `pii ${stable([term.types === undefined ? '' : [...term.types].sort(), term.min])}`
    case 'tool':
    case 'context':
      return stable(withSortedLists(term.written))
    case 'any':
    case 'all':
      return `${term.op} ${stable(term.of.map(keyOf).sort())}`
    case 'not':
      return `not ${keyOf(term.of)}`
    case 'count':
      return `count ${stable([term.atLeast, term.withinTokens, term.window])} ${keyOf(term.of)}`
  }
}

const withSortedLists = (written: object): object =>
  Object.fromEntries(
    Object.entries(written).map(([key, value]) => [
      key,
      Array.isArray(value) ? [...new Set(value.map(String))].sort() : value,
    ]),
  )

/** For people: what the condition asks, in one line. */
export function describeTerm(term: Term): string {
  switch (term.op) {
    case 'texts':
      return showMembers(term.texts)
    case 'verdict':
      return `${nameOf(term.leaf)} ${bounds(term.leaf)}`
    case 'pii':
      return `pii ${term.types === undefined ? 'of any type' : [...term.types].join(', ')} at least ${term.min}`
    case 'tool':
    case 'context':
      return stable(term.written)
    case 'any':
    case 'all':
      return term.of.length === 0
        ? 'nothing'
        : `${term.op} of (${term.of.map(describeTerm).join('; ')})`
    case 'not':
      return `not (${describeTerm(term.of)})`
    case 'count':
      return `${countOf(term)} of (${describeTerm(term.of)})`
  }
}

const nameOf = ({ model, label }: Verdict): string =>
  label === undefined ? model : `${model}/${label}`

const lower = (leaf: Verdict): string =>
  leaf.rate === undefined
    ? showBars(leaf)
    : `${showBars(leaf)} (false positive rate ${leaf.rate}, ${leaf.source})`

const bounds = (leaf: Verdict): string =>
  `≥ ${lower(leaf)}${leaf.max < 1 ? ` and ≤ ${leaf.max}` : ''}`

const countOf = ({ atLeast, withinTokens, window }: Extract<Term, { op: 'count' }>): string =>
  `at least ${atLeast}${window === undefined ? '' : ` of the last ${window}`}${
    withinTokens === undefined ? '' : ` within ${withinTokens} tokens`
  }`

export function diffTerms(a: Term, b: Term, tell: Tell): void {
  if (keyOf(a) === keyOf(b)) return
  if (diffJoins(a, b, tell) || diffAlike(a, b, tell)) return
  tell('condition changed', `${describeTerm(a)} → ${describeTerm(b)}`, 'unknown')
}

type Join = Extract<Term, { op: 'any' | 'all' }>
const isJoin = (term: Term): term is Join => term.op === 'any' || term.op === 'all'

/** Where one of them joins parts: as lists of parts, under the join that has more in common. */
function diffJoins(a: Term, b: Term, tell: Tell): boolean {
  if (!isJoin(a) && !isJoin(b)) return false
  if (isJoin(a) && isJoin(b) && a.op !== b.op) {
    const isSame = keyOf({ ...a, op: 'any' }) === keyOf({ ...b, op: 'any' })
    if (isSame) {
      tell('condition changed', `${a.op} → ${b.op}`, b.op === 'any' ? 'more' : 'fewer')
      return true
    }
  }
  const ways = [...new Set([a, b].filter(isJoin).map(({ op }) => op))].map((op) => {
    const before = partsOf(a, op)
    const after = partsOf(b, op)
    return { op, ...paired(before, after) }
  })
  const [best] = ways.sort((x, y) => y.common - x.common)
  if (best === undefined) return false
  const isOther = best.common === 0 && best.came.length > 0 && best.went.length > 0
  if (isOther && a.op !== b.op) return false
  const growing: Reach = best.op === 'any' ? 'more' : 'fewer'
  for (const [before, after] of best.pairs) diffTerms(before, after, tell)
  for (const part of best.came) tell('condition added', describeTerm(part), growing)
  for (const part of best.went) tell('condition removed', describeTerm(part), opposite(growing))
  return true
}

const partsOf = (term: Term, op: Join['op']): readonly Term[] => (term.op === op ? term.of : [term])

type Paired = {
  readonly common: number
  readonly pairs: readonly (readonly [Term, Term])[]
  readonly came: readonly Term[]
  readonly went: readonly Term[]
}

/** Equal parts go; of the others, those that are most alike are compared. */
function paired(before: readonly Term[], after: readonly Term[]): Paired {
  const keys = new Set(before.map(keyOf))
  const kept = new Set(after.map(keyOf).filter((key) => keys.has(key)))
  const went = before.filter((part) => !kept.has(keyOf(part)))
  const came = after.filter((part) => !kept.has(keyOf(part)))
  const likely = went
    .flatMap((a) => came.map((b) => ({ a, b, likeness: likeness(a, b) })))
    .filter((pair) => pair.likeness > 0)
    .sort((x, y) => y.likeness - x.likeness)
  const pairs: [Term, Term][] = []
  const used = new Set<Term>()
  for (const { a, b } of likely) {
    if (used.has(a) || used.has(b)) continue
    used.add(a).add(b)
    pairs.push([a, b])
  }
  const isFree = (part: Term): boolean => !used.has(part)
  const common = kept.size + pairs.length
  return { common, pairs, came: came.filter(isFree), went: went.filter(isFree) }
}

/** 0: not the same condition with other values; otherwise more for more in common. */
function likeness(a: Term, b: Term): number {
  if (a.op === 'texts' && b.op === 'texts') return 1 + shared(a.texts, b.texts)
  if (a.op === 'verdict' && b.op === 'verdict') {
    if (nameOf(a.leaf) !== nameOf(b.leaf)) return 0
    return 2 - Math.abs(a.leaf.min - b.leaf.min) - Math.abs(a.leaf.max - b.leaf.max) / 2
  }
  if (a.op === 'context' && b.op === 'context') {
    return a.written.field === b.written.field ? 1 : 0
  }
  if (a.op === 'tool' && b.op === 'tool') {
    const isSameTool = stable(a.written.name ?? '') === stable(b.written.name ?? '')
    const isSameValue = a.written.argument === b.written.argument
    return (isSameTool ? 2 : 0) + (isSameValue ? 1 : 0)
  }
  if (a.op !== b.op) return 0
  const atoms = atomsOf(b)
  const isAlike = a.op !== 'not' || shared(atomsOf(a), atoms) > 0
  return isAlike ? 0.5 + shared(atomsOf(a), atoms) : 0
}

/** What a term asks about, whatever the values. */
function atomsOf(term: Term): ReadonlySet<string> {
  switch (term.op) {
    case 'texts':
      return term.texts
    case 'verdict':
      return new Set([nameOf(term.leaf)])
    case 'pii':
      return new Set(['pii'])
    case 'tool':
      return new Set([`tool ${stable(term.written.name ?? '')}`])
    case 'context':
      return new Set([`context ${term.written.field}`])
    case 'any':
    case 'all':
      return new Set(term.of.flatMap((one) => [...atomsOf(one)]))
    case 'not':
    case 'count':
      return atomsOf(term.of)
  }
}

const shared = (a: ReadonlySet<string>, b: ReadonlySet<string>): number =>
  [...a].filter((one) => b.has(one)).length

/** Whether they are the same condition with other values; if so, the values are told. */
function diffAlike(a: Term, b: Term, tell: Tell): boolean {
  if (likeness(a, b) === 0) return false
  if (a.op === 'texts' && b.op === 'texts') {
    for (const text of b.texts) if (!a.texts.has(text)) tell('text added', text, 'more')
    for (const text of a.texts) if (!b.texts.has(text)) tell('text removed', text, 'fewer')
  } else if (a.op === 'verdict' && b.op === 'verdict') diffVerdicts(a.leaf, b.leaf, tell)
  else if (a.op === 'pii' && b.op === 'pii') diffPii(a, b, tell)
  else if (a.op === 'tool' && b.op === 'tool') {
    diffWritten('tool', limited(a.written), limited(b.written), TOOL_KEYS, tell)
  } else if (a.op === 'context' && b.op === 'context') {
    diffWritten(a.written.field, a.written, b.written, CONTEXT_KEYS, tell)
  } else if (a.op === 'not' && b.op === 'not') diffTerms(a.of, b.of, inverted(tell))
  else if (a.op === 'count' && b.op === 'count') diffCounts(a, b, tell)
  else return false
  return true
}

function diffVerdicts(a: Verdict, b: Verdict, tell: Tell): void {
  const name = nameOf(b)
  if (lower(a) !== lower(b)) {
    const isByRate = a.min === b.min && a.rate !== undefined && b.rate !== undefined
    // Without a calibration the threshold is not known, but which rate lets it be lower is.
    const isBlind = isByRate && a.source === 'uncalibrated' && b.source === 'uncalibrated'
    const reach = isBlind ? reachOf(a.rate, b.rate, 'more') : reachOfBars(a, b)
    tell('threshold', `${name} ≥ ${lower(a)} → ≥ ${lower(b)}`, reach)
  }
  if (a.max !== b.max) {
    tell('threshold', `${name} ≤ ${a.max} → ≤ ${b.max}`, reachOf(a.max, b.max, 'more'))
  }
}

/** Over every model that either side knows, and one that neither does. */
function reachOfBars(a: Verdict, b: Verdict): Reach {
  const each = [...a.bars, ...b.bars].map(({ digest }) =>
    reachOf(barFor(a, digest), barFor(b, digest), 'fewer'),
  )
  const told = new Set([reachOf(a.min, b.min, 'fewer'), ...each].filter((one) => one !== 'same'))
  const [only = 'same'] = told
  return told.size > 1 ? 'unknown' : only
}

type Pii = Extract<Term, { op: 'pii' }>

function diffPii(a: Pii, b: Pii, tell: Tell): void {
  if (a.min !== b.min) {
    tell('threshold', `pii ≥ ${a.min} → ≥ ${b.min}`, reachOf(a.min, b.min, 'fewer'))
  }
  if (keyOf({ ...a, min: 0 }) === keyOf({ ...b, min: 0 })) return
  if (a.types === undefined || b.types === undefined) {
    const shown = arrow(a.types && [...a.types], b.types && [...b.types])
    // Any type is every type but those that only the model finds: names have to be asked for.
    const named = a.types ?? b.types
    const isMore = named === undefined || [...named].every((type) => !TAGGED.includes(type))
    const reach: Reach = b.types === undefined ? 'more' : 'fewer'
    tell('condition changed', `pii types ${shown}`, isMore ? reach : 'unknown')
    return
  }
  const reach = reachOfSets(a.types, b.types, 'more')
  tell('condition changed', `pii types ${showSets(a.types, b.types)}`, reach)
}

type Count = Extract<Term, { op: 'count' }>

function diffCounts(a: Count, b: Count, tell: Tell): void {
  const say = (what: string, x: number | undefined, y: number | undefined, rising: Reach): void => {
    if (x === y) return
    const reach = reachOf(x ?? Infinity, y ?? Infinity, rising)
    tell('condition changed', `count ${what} ${arrow(x, y)}`, reach)
  }
  say('at_least', a.atLeast, b.atLeast, 'fewer')
  say('within_tokens', a.withinTokens, b.withinTokens, 'more')
  say('of', a.window, b.window, 'more')
  diffTerms(a.of, b.of, tell)
}

/** What it does to a condition that a member of the list comes, or that the number rises. */
type Keys = Readonly<Record<string, Reach>>

const TOOL_KEYS: Keys = {
  name: 'more',
  not_name: 'fewer',
  argument: 'unknown',
  in: 'more',
  not_in: 'fewer',
  domain_in: 'more',
  domain_not_in: 'fewer',
  prefix_not_in: 'fewer',
  min: 'more',
  max: 'fewer',
}
const CONTEXT_KEYS: Keys = {
  value: 'unknown',
  in: 'more',
  min: 'fewer',
  max: 'more',
  prefix: 'unknown',
}

/** One limit of a tool's number is enough to ask both: the other is then no limit, not no question. */
function limited(written: ToolTrigger): object {
  if (written.min === undefined && written.max === undefined) return written
  return { ...written, min: written.min ?? -Infinity, max: written.max ?? Infinity }
}

/** Every key is one more condition: what comes narrows, what goes widens. */
function diffWritten(name: string, a: object, b: object, keys: Keys, tell: Tell): void {
  const before = new Map<string, unknown>(Object.entries(a))
  const after = new Map<string, unknown>(Object.entries(b))
  for (const [key, growing] of Object.entries(keys)) {
    const x = before.get(key)
    const y = after.get(key)
    const what = `${name} ${key}`
    const isList = Array.isArray(x) && Array.isArray(y)
    if (x === y || (isList && stable(x) === stable(y))) continue
    const compared = key === 'value' ? reachOfComparisons(x, y) : undefined
    if (x === undefined) tell('condition added', `${what} ${show(y)}`, 'fewer')
    else if (y === undefined) tell('condition removed', `${what} ${show(x)}`, 'more')
    else if (typeof x === 'number' && typeof y === 'number') {
      tell('threshold', `${what} ${x} → ${y}`, reachOf(x, y, growing))
    } else if (compared !== undefined) tell('threshold', `${what} ${arrow(x, y)}`, compared)
    else if (growing === 'unknown') tell('condition changed', `${what} ${arrow(x, y)}`, growing)
    else {
      const [m, n] = [new Set([x].flat().map(String)), new Set([y].flat().map(String))]
      const reach = reachOfSets(m, n, growing)
      if (reach !== 'same') tell('condition changed', `${what} ${showSets(m, n)}`, reach)
    }
  }
}

const COMPARISON = /^([<>])=?\s*(\S+)$/

/** Of `>200` and `>300`; undefined when they do not compare the same way. */
function reachOfComparisons(x: unknown, y: unknown): Reach | undefined {
  const [, a, m] = COMPARISON.exec(String(x)) ?? []
  const [, b, n] = COMPARISON.exec(String(y)) ?? []
  if (a === undefined || a !== b || Number(m) === Number(n)) return undefined
  return reachOf(Number(m), Number(n), a === '>' ? 'fewer' : 'more')
}
