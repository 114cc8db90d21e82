/**
 * `extends`, `defaults` and `variables`, resolved: one flat policy whose rules know where they were
 * written. A parent's rules come first; a rule of the same name replaces the parent's in its place.
 */
import { nearestName, suggestion } from '../../model/nearest.ts'
import type { PolicySource } from '../read/document.ts'
import { lower } from '../decide/mode.ts'
import type { Problem } from '../read/problem.ts'
import type { AdaptiveDocument, PolicyDocument, RuleDocument } from '../schema/schema.ts'

export type ResolvedRule = {
  readonly document: RuleDocument
  /** Of the document that wrote it. */
  readonly defaults: PolicyDocument['defaults']
  readonly mode: PolicyDocument['mode']
  readonly onFailure: PolicyDocument['on_failure']
  readonly regulation: string | undefined
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly variables: Readonly<Record<string, string>>
  readonly source: PolicySource
  /** Where it stands in its source: `rules[index]`. */
  readonly index: number
}

export type ResolvedPolicy = {
  readonly source: PolicySource
  readonly rules: readonly ResolvedRule[]
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly variables: Readonly<Record<string, string>>
  readonly adaptive: AdaptiveDocument | undefined
  /** Documents whose `tools` section is in force, each once. */
  readonly tools: readonly {
    readonly source: PolicySource
    readonly mode: PolicyDocument['mode']
  }[]
  readonly onFailure: 'closed' | 'open' | 'resident'
  readonly mode: 'monitor' | 'alert' | 'enforce'
}

type Draft = Omit<ResolvedPolicy, 'source' | 'onFailure' | 'mode'> & {
  readonly onFailure: PolicyDocument['on_failure']
  readonly mode: PolicyDocument['mode']
}

/** Longest chain of parents. */
const MAX_CHAIN = 8

export function resolvePolicy(
  source: PolicySource,
  known: ReadonlyMap<string, PolicySource>,
  problems: Problem[],
): ResolvedPolicy {
  const draft = resolve(source, known, problems, [])
  const { onFailure = 'resident', mode = 'enforce', lists, variables } = draft
  const rules = draft.rules.map((rule) => ({
    ...rule,
    lists,
    variables,
    onFailure: rule.onFailure ?? onFailure,
    // What is inherited is lowered by the heir: a pack can be tried out whole.
    mode: rule.source === source ? (rule.mode ?? mode) : lower(rule.mode ?? mode, draft.mode),
  }))
  const tools = draft.tools.map((one) => ({
    ...one,
    mode: one.source === source ? mode : lower(one.mode ?? mode, draft.mode),
  }))
  return { ...draft, rules, tools, source, onFailure, mode }
}

/**
 * Every policy of a set as one, for requests that name none. Policies that another one extends are in
 * it through that one; rules of the same name from different files are kept apart by their policy.
 */
export function combinePolicies(
  source: PolicySource,
  known: ReadonlyMap<string, PolicySource>,
  problems: Problem[],
): ResolvedPolicy {
  const all = [...known.values()]
  const parents = new Set(all.flatMap((s) => [s.document.extends ?? []].flat()))
  const tops = all.filter((s) => !parents.has(s.document.name))
  const drafts = tops.map((top) => resolvePolicy(top, known, problems))
  const rules = new Map<string, ResolvedRule>()
  for (const [i, draft] of drafts.entries()) {
    for (const rule of draft.rules) {
      const { name } = rule.document
      const owner = tops[i]?.document.name ?? ''
      const qualified = rules.has(name) ? `${owner}/${name}` : name
      if (rules.get(name)?.document === rule.document) continue
      rules.set(qualified, { ...rule, document: { ...rule.document, name: qualified } })
    }
  }
  return {
    source,
    rules: [...rules.values()],
    lists: Object.assign({}, ...drafts.map((d) => d.lists)),
    variables: Object.assign({}, ...drafts.map((d) => d.variables)),
    adaptive: drafts.find((d) => d.adaptive !== undefined)?.adaptive,
    tools: eachOnce(drafts.flatMap((d) => d.tools)),
    onFailure: strictest(drafts.map((d) => d.onFailure)),
    mode: 'enforce',
  }
}

function eachOnce(all: ResolvedPolicy['tools']): ResolvedPolicy['tools'] {
  return all.filter((one, i) => all.findIndex((other) => other.source === one.source) === i)
}

/** Of several policies in one, the most careful one says what a failure means. */
function strictest(all: readonly ResolvedPolicy['onFailure'][]): ResolvedPolicy['onFailure'] {
  if (all.includes('closed')) return 'closed'
  return all.includes('resident') || all.length === 0 ? 'resident' : 'open'
}

function resolve(
  source: PolicySource,
  known: ReadonlyMap<string, PolicySource>,
  problems: Problem[],
  chain: readonly string[],
): Draft {
  const { document } = source
  const parents = parentsOf(source, known, problems, [...chain, document.name])
  const drafts = parents.map((parent) =>
    resolve(parent, known, problems, [...chain, document.name]),
  )
  const rules = new Map<string, ResolvedRule>()
  for (const draft of drafts) for (const rule of draft.rules) rules.set(rule.document.name, rule)
  for (const [index, rule] of document.rules.entries()) {
    rules.set(rule.name, {
      document: rule,
      defaults: document.defaults,
      mode: rule.mode ?? document.defaults.mode ?? document.mode,
      onFailure: rule.on_failure ?? document.defaults.on_failure ?? document.on_failure,
      regulation: rule.regulation ?? document.regulation,
      lists: {},
      variables: {},
      source,
      index,
    })
  }
  const last = drafts.at(-1)
  return {
    rules: [...rules.values()],
    lists: Object.assign({}, ...drafts.map((d) => d.lists), document.lists),
    variables: Object.assign({}, ...drafts.map((d) => d.variables), document.variables),
    adaptive: document.adaptive_decoding ?? last?.adaptive,
    tools: eachOnce([
      ...drafts.flatMap((d) => d.tools),
      ...(document.tools === undefined ? [] : [{ source, mode: document.mode }]),
    ]),
    onFailure: document.on_failure ?? document.defaults.on_failure ?? last?.onFailure,
    mode: document.mode ?? document.defaults.mode ?? last?.mode,
  }
}

function parentsOf(
  source: PolicySource,
  known: ReadonlyMap<string, PolicySource>,
  problems: Problem[],
  chain: readonly string[],
): readonly PolicySource[] {
  const { extends: written } = source.document
  const names = written === undefined ? [] : typeof written === 'string' ? [written] : written
  const refuse = (message: string): void => {
    const at = source.place(['extends'])
    problems.push({ severity: 'error', code: 'unknown-name', message, file: source.file, ...at })
  }
  return names.flatMap((name) => {
    const parent = known.get(name)
    if (parent === undefined) {
      refuse(`extends: no policy is called ${name}${suggestion(name, known.keys())}`)
      return []
    }
    if (chain.includes(name)) {
      refuse(`extends: ${[...chain, name].join(' → ')} goes in a circle`)
      return []
    }
    if (chain.length >= MAX_CHAIN) {
      refuse(`extends: more than ${MAX_CHAIN} policies in a row`)
      return []
    }
    return [parent]
  })
}

/** Told at decision time; everything else must be a variable of the document. */
export const LIVE_VARIABLES = ['score', 'tenant', 'model', 'rule', 'regulation'] as const

/** `${name}` for the document's variables; the live ones stay. `refuse` hears of unknown names. */
export function substitute(
  text: string,
  variables: Readonly<Record<string, string>>,
  refuse: (message: string) => void,
): string {
  return text.replaceAll(/\$\{([^}]*)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (value !== undefined) return value
    if (LIVE_VARIABLES.some((live) => live === name)) return whole
    const known = [...Object.keys(variables), ...LIVE_VARIABLES]
    const near = nearestName(name, known)
    refuse(`no variable is called ${name}${near === undefined ? '' : `; did you mean ${near}?`}`)
    return whole
  })
}
