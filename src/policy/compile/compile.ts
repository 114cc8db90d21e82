/**
 * Documents → one compiled policy: rules in order, every text with an id, indexes, digest. Pure; all
 * problems of a policy are told together, and one error means that there is no policy.
 */
import { createHash } from 'node:crypto'
import type { Ban } from '../../model/ban.ts'
import type { Mode } from '../../model/finding.ts'
import type { CompiledPolicy, CompiledRule, Leaf } from '../compiled.ts'
import { compileRule } from './compile-rule.ts'
import type { RuleParts } from './compile-rule.ts'
import type { Calibration } from './calibrated.ts'
import type { PolicySource } from '../read/document.ts'
import { countedModels, indexRules } from './index-rules.ts'
import { lower } from '../decide/mode.ts'
import { classifierName, CLASSIFIERS } from './names.ts'
import type { Problem } from '../read/problem.ts'
import { findUnreachable } from './reach.ts'
import { compileTools } from './compile-tools.ts'
import { combinePolicies, resolvePolicy } from './resolve.ts'
import type { ResolvedPolicy, ResolvedRule } from './resolve.ts'
import type { AdaptiveDocument } from '../schema/schema.ts'
import { policyDocument, rule as ruleSchema } from '../schema/schema.ts'
import { Texts, TooMuch } from './texts.ts'

export type CompileOptions = {
  /** Milliseconds since the epoch; decides which exceptions still hold. */
  readonly nowMs: number
  /** Names of the classifiers that exist here; the registry's usual ones when left out. */
  readonly classifiers?: readonly string[]
  /** Of these, whom a model answers for here; all of them when left out. */
  readonly answered?: readonly string[]
  readonly calibration?: Calibration
  /** Names and addresses that a `notify` may tell; any is believed in when left out. */
  readonly destinations?: readonly string[]
  /** Ceiling for every rule, of a tenant that is not to be enforced yet. */
  readonly mode?: Mode
  /** The set was compiled before, elsewhere: what only warns is not looked for again. */
  readonly isChecked?: boolean
}

export type Compiled = {
  /** undefined when a problem is an error. */
  readonly policy: CompiledPolicy | undefined
  readonly problems: readonly Problem[]
}

export const ADAPTIVE_RULE = 'adaptive-decoding'

export function compilePolicy(
  source: PolicySource,
  known: readonly PolicySource[],
  options: CompileOptions,
): Compiled {
  return atOnce(policySteps(source, known, options))
}

/** The same in small steps, for a thread that must not be held up: it may pause at each. */
export function policySteps(
  source: PolicySource,
  known: readonly PolicySource[],
  options: CompileOptions,
): CompileSteps {
  const problems: Problem[] = []
  const byName = new Map(known.map((other) => [other.document.name, other]))
  return compileResolved(resolvePolicy(source, byName, problems), problems, options)
}

export type CompileSteps = Generator<undefined, Compiled>

function atOnce(steps: CompileSteps): Compiled {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** All policies of a set as one, called `name`; for requests that name none. */
export function compileCombined(
  name: string,
  sources: readonly PolicySource[],
  options: CompileOptions,
): Compiled {
  return atOnce(combinedSteps(name, sources, options))
}

export function combinedSteps(
  name: string,
  sources: readonly PolicySource[],
  options: CompileOptions,
): CompileSteps {
  const problems: Problem[] = []
  const byName = new Map(sources.map((source) => [source.document.name, source]))
  const place = sources[0]?.place ?? (() => ({ line: 1, column: 1 }))
  const source = { file: '', document: policyDocument.parse({ name }), place }
  return compileResolved(combinePolicies(source, byName, problems), problems, options)
}

function* compileResolved(
  resolved: ResolvedPolicy,
  problems: Problem[],
  options: CompileOptions,
): CompileSteps {
  const parts: RuleParts = {
    policy: resolved,
    texts: new Texts(),
    leaves: [],
    classifiers: new Set(options.classifiers ?? CLASSIFIERS),
    answered: options.answered && new Set(options.answered),
    calibration: options.calibration,
    destinations: options.destinations,
    problems,
    nowMs: options.nowMs,
  }
  const rules = yield* compileRules(parts, resolved, options.mode)
  const bans = bansInForce(parts, rules)
  const tools = toolsInForce(resolved, problems, options.mode)
  yield
  if (options.isChecked !== true) problems.push(...findUnreachable(rules, parts.leaves))
  if (problems.some((p) => p.severity === 'error')) return { policy: undefined, problems }
  const policy = assemble(resolved, parts, { rules, bans, tools }, options)
  return { policy, problems }
}

/** Enabled rules by falling priority; equal ones keep the order in which they were written. */
function* compileRules(
  parts: RuleParts,
  resolved: ResolvedPolicy,
  ceiling: Mode | undefined,
): Generator<undefined, readonly CompiledRule[]> {
  const written = resolved.rules.filter((rule) => rule.document.enabled)
  const adaptive = adaptiveRule(resolved, parts.classifiers)
  if (adaptive !== undefined) sayUnadapted(parts, resolved)
  const all = adaptive === undefined ? written : [...written, adaptive]
  const compiled: CompiledRule[] = []
  for (const [i, rule] of all.entries()) {
    try {
      // What the block of adaptive decoding asks is told at its own place.
      const own = rule === adaptive ? { ...parts, answered: undefined } : parts
      compiled.push(compileRule(own, rule, i))
    } catch (error) {
      if (!(error instanceof TooMuch)) throw error
      const { file } = rule.source
      const at = rule.source.place(['rules', rule.index])
      const message = `rule ${rule.document.name}: ${error.message}`
      parts.problems.push({ severity: 'error', code: 'too-large', message, file, ...at })
      break
    }
    yield
  }
  return compiled
    .sort((a, b) => b.priority - a.priority || a.index - b.index)
    .map((rule, index) => ({ ...rule, index, mode: lower(rule.mode, ceiling) }))
}

/** The seed's `adaptive_decoding` block is a rule like any other. */
function adaptiveRule(
  resolved: ResolvedPolicy,
  known: ReadonlySet<string> | undefined,
): ResolvedRule | undefined {
  const { adaptive, source } = resolved
  if (adaptive?.enabled !== true) return undefined
  const classifiers = adaptive.classifiers.filter((c) => known?.has(c) !== false)
  if (classifiers.length === 0) return undefined
  return {
    document: ruleSchema.parse(adaptiveDocument(adaptive, classifiers)),
    defaults: {},
    mode: resolved.mode,
    onFailure: resolved.onFailure,
    regulation: undefined,
    lists: {},
    variables: {},
    source,
    index: 0,
  }
}

/** Classifiers of the block that no model answers for here, so that its safe mode is never entered by them. */
function sayUnadapted(
  { answered, problems }: RuleParts,
  { adaptive, source }: ResolvedPolicy,
): void {
  const silent = adaptive?.classifiers.filter(
    (name) => answered?.has(classifierName(name)) === false,
  )
  if (silent === undefined || silent.length === 0) return
  const message = `adaptive_decoding: no model answers for ${silent.join(', ')} here (classifiers.models)`
  const at = source.place(['adaptive_decoding'])
  problems.push({ severity: 'warning', code: 'never-fires', message, file: source.file, ...at })
}

function adaptiveDocument(adaptive: AdaptiveDocument, classifiers: readonly string[]): unknown {
  const { risk_threshold: enter, leave, safe_mode, dwell_tokens, smoothing } = adaptive
  const { safe_vocabulary, ...parameters } = safe_mode
  const level = { enter, ...(leave === undefined ? {} : { leave }), ...parameters }
  return {
    name: ADAPTIVE_RULE,
    description: 'Safer sampling while the risk is high',
    trigger: {
      type: 'any',
      triggers: classifiers.map((classifier) => ({ type: 'classifier', classifier, min: enter })),
    },
    actions: [{ type: 'adapt', levels: [level], safe_vocabulary, dwell_tokens, smoothing }],
  }
}

/** Texts of the ban actions in force: what the token program is compiled from. */
function bansInForce(parts: RuleParts, rules: readonly CompiledRule[]): readonly Ban[] {
  const bans = new Map<string, Ban>()
  for (const rule of rules) {
    const ban = rule.actions.find((action) => action.kind === 'ban')
    if (ban === undefined) continue
    const leaves = rule.leaves.map((i) => parts.leaves[i])
    for (const id of leaves.flatMap((leaf) => (leaf?.kind === 'match' ? leaf.bans : []))) {
      const text = parts.texts.bans.get(id)
      const linear = parts.texts.linear.get(id)
      if (linear !== undefined) refuseUnbounded(parts, rule, linear.source)
      if (text !== undefined && rule.mode === 'enforce' && ban.phases.has('step')) {
        bans.set(id, text)
      }
    }
  }
  return [...bans.values()]
}

function refuseUnbounded(parts: RuleParts, rule: CompiledRule, pattern: string): void {
  const message = `rule ${rule.name}: ${pattern} has no longest match or is too large, so it cannot be banned ahead; bound its repetitions, as in {0,64}, or redact it instead`
  const { file, line } = rule
  parts.problems.push({ severity: 'error', code: 'ban', message, file, line, column: 1 })
}

function assemble(
  resolved: ResolvedPolicy,
  parts: RuleParts,
  { rules, bans, tools }: Pick<CompiledPolicy, 'rules' | 'bans' | 'tools'>,
  options: CompileOptions,
): CompiledPolicy {
  const { document } = resolved.source
  const { leaves } = parts
  const digest = digestOf(resolved, rules, leaves)
  const used = new Set(rules.flatMap((rule) => rule.leaves))
  const inUse = leaves.filter((_, i) => used.has(i))
  const judged = rules.filter((rule) => rule.release === 'judged' && rule.mode === 'enforce')
  return Object.freeze({
    name: document.name,
    version: document.version,
    description: document.description,
    digest,
    mode: lower(resolved.mode, options.mode),
    bans,
    texts: [...parts.texts.bans.values()],
    linear: [...parts.texts.linear.values()],
    ruleOfText: parts.texts.ruleOf,
    onFailure: resolved.onFailure,
    rules,
    leaves,
    index: indexRules(leaves, rules),
    classifiers: [...new Set(rules.flatMap((rule) => rule.models))],
    counted: countedModels(leaves, rules),
    needs: {
      pii: inUse.some((leaf) => leaf.kind === 'pii'),
      tool: tools.length > 0 || rules.some(isAboutCalls(leaves)),
    },
    tools,
    judgedBy: [...new Set(judged.flatMap((rule) => rule.models))],
    sync: rules.some((rule) => rule.wait && rule.mode === 'enforce' && rule.phases.has('step')),
    compiledAtMs: options.nowMs,
    nothing: Object.freeze({ revision: digest, sync: false, text: [], firings: [] }),
  })
}

/** Rules of the tool phase are asked about every call: by its name and values, or by what is said of it. */
const isAboutCalls =
  (leaves: readonly Leaf[]) =>
  (rule: CompiledRule): boolean =>
    rule.leaves.some((i) => leaves[i]?.kind === 'tool') ||
    (rule.phases.has('tool') && (rule.models.length > 0 || rule.actions.some(isForCalls)))

const isForCalls = ({ kind }: CompiledRule['actions'][number]): boolean =>
  kind === 'block_tool_call' || kind === 'rewrite_tool' || kind === 'step_up'

function toolsInForce(
  resolved: ResolvedPolicy,
  problems: Problem[],
  ceiling: Mode | undefined,
): CompiledPolicy['tools'] {
  return resolved.tools.flatMap(({ source, mode = 'enforce' }) => {
    const { file, document } = source
    if (document.tools === undefined) return []
    const tools = compileTools(document.tools, (path, message) => {
      const at = source.place(['tools', ...path])
      problems.push({ severity: 'error', code: 'schema', message, file, ...at })
    })
    return [{ policy: document.name, mode: lower(mode, ceiling), tools }]
  })
}

/** Everything that decides; not descriptions, tests or places. */
function digestOf(
  resolved: ResolvedPolicy,
  rules: readonly CompiledRule[],
  leaves: readonly Leaf[],
): string {
  const documents = resolved.rules.map(({ document, defaults, mode, onFailure }) => {
    const { description: _, tests: __, ...decides } = document
    return { ...decides, defaults, mode, onFailure }
  })
  const thresholds = leaves.map((leaf) => {
    if (leaf.kind !== 'verdict') return 0
    const bars = leaf.bars.map(({ digest, min }) => [digest, min])
    return [leaf.min, leaf.max, ...bars]
  })
  const parts = [
    resolved.source.document.name,
    resolved.source.document.version,
    resolved.onFailure,
    resolved.adaptive ?? null,
    resolved.tools.map(({ source, mode }) => [mode ?? '', source.document.tools]),
    resolved.lists,
    resolved.variables,
    rules.map((rule) => [rule.name, rule.mode, rule.priority]),
    thresholds,
    documents,
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
