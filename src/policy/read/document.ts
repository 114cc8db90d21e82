/**
 * Policy text → document with places, or every problem at once: file, line, column, what was wanted,
 * and the nearest known name.
 */
import type { z } from 'zod'
import { brief, unfoldUnion, wanted } from '../../model/mistakes.ts'
import { suggestion } from '../../model/nearest.ts'
import { actionHere, keyHere, modeHere, THRESHOLDS_HERE, triggerHere } from './alternatives.ts'
import type { Problem } from './problem.ts'
import { policyDocument, rule } from '../schema/schema.ts'
import type { PolicyDocument } from '../schema/schema.ts'
import { ACTION_TYPES, action } from '../schema/schema-actions.ts'
import { TRIGGER_TYPES } from '../schema/schema-triggers.ts'
import { readYaml } from '../../yaml/read.ts'
import type { Path, YamlResult } from '../../yaml/read.ts'

/** A document that was read, with the way back to its places. */
export type PolicySource = {
  readonly file: string
  readonly document: PolicyDocument
  readonly place: YamlResult['place']
}

export type ReadPolicy = {
  readonly source: PolicySource | undefined
  readonly problems: readonly Problem[]
}

export function readPolicy(text: string, file: string): ReadPolicy {
  const yaml = readYaml(text, 'policy file')
  if (yaml.problems.length > 0) {
    const problems = yaml.problems.map((p) => ({ severity: 'error' as const, file, ...p }))
    return { source: undefined, problems }
  }
  const parsed = policyDocument.safeParse(yaml.value)
  if (parsed.success) {
    const source = { file, document: parsed.data, place: yaml.place }
    const problems = duplicateRules(source)
    return { source, problems }
  }
  const problems = parsed.error.issues
    .slice(0, 100)
    .flatMap(unfoldUnion)
    .flatMap((issue) => explain(issue, yaml, file))
  return { source: undefined, problems }
}

function explain(issue: z.core.$ZodIssue, yaml: YamlResult, file: string): Problem[] {
  const path = issue.path.filter((p): p is string | number => typeof p !== 'symbol')
  const at = (place: { line: number; column: number }, code: Problem['code'], message: string) => ({
    severity: 'error' as const,
    code,
    message,
    file,
    ...place,
  })
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path, yaml.value)
    return issue.keys.slice(0, MAX_KEYS).map((key) => {
      const where = yaml.keyPlace([...path, key])
      const near = known.includes(key) ? '; it has no place here' : suggestion(key, known)
      const hint = keyHere(key) ?? near
      return at(where, 'unknown-key', `${show([...path, key])}: unknown key${hint}`)
    })
  }
  if (issue.code === 'invalid_union' && 'discriminator' in issue) {
    const isAction = path.includes('actions')
    const types = isAction ? ACTION_TYPES : triggerTypes(path)
    const got = valueAt(yaml.value, path)
    const near = typeof got === 'string' ? suggestion(got, types) : ''
    const hint = isAction
      ? (actionHere(got) ?? near)
      : near || triggerHere(valueAt(yaml.value, path.slice(0, -1)), types)
    const message = `${show(path)}: expected one of ${types.join(', ')}, got ${brief(got)}${hint}`
    return [at(yaml.place(path), 'schema', message)]
  }
  const got = valueAt(yaml.value, path)
  const hint = hintOf(issue, path, got)
  const message = `${show(path)}: ${wanted(issue)}, got ${brief(got)}${hint}`
  return [at(yaml.place(path), 'schema', message)]
}

function hintOf(issue: z.core.$ZodIssue, path: Path, got: unknown): string {
  if (path.at(-1) === 'threshold' && typeof got === 'object') return THRESHOLDS_HERE
  if (issue.code !== 'invalid_value' || typeof got !== 'string') return ''
  const mode = path.at(-1) === 'mode' ? modeHere(got) : undefined
  return mode ?? suggestion(got, issue.values.map(String))
}

/** Conditions on the request alone stand where no text is looked at. */
function triggerTypes(path: Path): readonly string[] {
  const isContext = path.includes('enabled_when') || path.includes('when')
  return isContext ? CONTEXT_TYPES : TRIGGER_TYPES
}
const CONTEXT_TYPES = ['context', 'any', 'all', 'not'] as const

/** Unknown keys of one map that are told: the place of each is looked for from the beginning. */
const MAX_KEYS = 20

/** Keys of triggers, tests, exceptions and blocks: enough to guess what a typo meant. */
const INNER_KEYS = (
  'type pattern case_insensitive match folds any all list classifier label threshold ' +
  'min max false_positive_rate types confidence field value in operator triggers ' +
  'trigger at_least within_tokens of argument not_in domain_in domain_not_in ' +
  'prefix_not_in scores text fires context pii tool becomes temperature top_p top_k ' +
  'min_p repetition_penalty safe_mode risk_threshold reason until when phrases patterns'
).split(' ')

/** Keys that are known at `path`: of the document, a rule, or the action or trigger of that type. */
function knownKeys(path: Path, value: unknown): readonly string[] {
  const last = path.at(-1)
  const parent = path.at(-2)
  if (path.length === 0) return Object.keys(policyDocument.shape)
  if (parent === 'rules' && typeof last === 'number') return Object.keys(rule.shape)
  if (parent === 'actions') {
    const type = (valueAt(value, path) as { type?: unknown } | undefined)?.type
    const option = action.options.find((o) => o.shape.type.value === type)
    return Object.keys(option?.shape ?? {})
  }
  return [...Object.keys(rule.shape), ...INNER_KEYS]
}

function duplicateRules({ document, place, file }: PolicySource): Problem[] {
  const seen = new Set<string>()
  return document.rules.flatMap((r, i) => {
    if (!seen.has(r.name)) {
      seen.add(r.name)
      return []
    }
    const message = `rules[${i}].name: two rules are called ${r.name}`
    const where = place(['rules', i, 'name'])
    return [{ severity: 'error' as const, code: 'duplicate' as const, message, file, ...where }]
  })
}

function valueAt(value: unknown, path: Path): unknown {
  let at: unknown = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<string | number, unknown>)[key]
  }
  return at
}

/** `rules[3].trigger.pattern`; the document itself for the empty path. */
export function show(path: Path): string {
  if (path.length === 0) return 'policy'
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('')
}
