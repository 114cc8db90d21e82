/** One rule of a document → one compiled rule; what is wrong with it is said with its place. */
import type { Mode, Phase } from '../../model/finding.ts'
import { compileAction, compileBan } from './compile-action.ts'
import type { ActionParts } from './compile-action.ts'
import { compileTrigger } from './compile-trigger.ts'
import type { Calibration } from './calibrated.ts'
import type { Say, TriggerParts } from './compile-trigger.ts'
import { stepBar } from '../bars.ts'
import { DEFAULT_PRIORITY } from '../compiled.ts'
import type { CompiledAction, CompiledRule, Formula, Leaf, OnFailure } from '../compiled.ts'
import { compileContext, turningPoints } from '../context.ts'
import { defaultPhases } from './legal.ts'
import type { Problem } from '../read/problem.ts'
import type { ResolvedPolicy, ResolvedRule } from './resolve.ts'
import type { ExceptionDocument } from '../schema/schema.ts'
import type { Texts } from './texts.ts'

export type RuleParts = {
  readonly policy: ResolvedPolicy
  readonly texts: Texts
  readonly leaves: Leaf[]
  readonly classifiers: ReadonlySet<string> | undefined
  readonly answered: ReadonlySet<string> | undefined
  readonly calibration: Calibration | undefined
  readonly destinations: readonly string[] | undefined
  readonly problems: Problem[]
  readonly nowMs: number
}

const NEVER: Formula = { op: 'any', of: [] }

export function compileRule(parts: RuleParts, resolved: ResolvedRule, index: number): CompiledRule {
  const { document, defaults, source } = resolved
  const say = sayer(parts, resolved)
  const at = source.place(['rules', resolved.index])
  const onFailure: OnFailure = resolved.onFailure ?? parts.policy.onFailure
  const mode: Mode = resolved.mode ?? parts.policy.mode
  const trigger: TriggerParts = {
    texts: parts.texts,
    leaves: parts.leaves,
    lists: resolved.lists,
    classifiers: parts.classifiers,
    answered: parts.answered,
    calibration: parts.calibration,
    isClosed: onFailure === 'closed' && mode === 'enforce',
    rule: document.name,
    defaultFolds: defaults.folds,
    place: `${source.file}:${at.line}:${at.column}`,
    say,
  }
  const firstLeaf = parts.leaves.length
  const asked = document.trigger
  const seen = asked === undefined ? NEVER : compileTrigger(trigger, asked, ['trigger'])
  const { phases, isNamed } = phasesOfRule(resolved)
  const actionParts: ActionParts = {
    trigger,
    variables: resolved.variables,
    phases,
    isPhaseNamed: isNamed,
    destinations: parts.destinations,
    threshold: lowestThreshold(parts.leaves.slice(firstLeaf)),
  }
  const { actions, formula } = compileActions(actionParts, resolved, seen, say)
  checkBan(resolved, actions, say)
  const leaves = leavesOf(formula)
  return {
    name: document.name,
    index,
    mode,
    priority: document.priority ?? defaults.priority ?? DEFAULT_PRIORITY,
    phases: new Set(phases),
    continue: document.continue,
    onFailure,
    wait: document.wait ?? defaults.wait ?? false,
    release: document.release ?? defaults.release ?? 'live',
    regulation: resolved.regulation,
    tags: document.tags,
    formula,
    leaves,
    models: modelsOf(leaves, parts.leaves),
    isEnabled: conditionOf(document.enabled_when, ['enabled_when'], say),
    enabledWhen: document.enabled_when,
    exceptions: document.exceptions.flatMap((e, i) => compileException(parts, e, i, say)),
    actions,
    turns: turningPoints([asked, document.enabled_when, document.exceptions]),
    file: source.file,
    line: at.line,
  }
}

function sayer(parts: RuleParts, resolved: ResolvedRule): Say {
  const { source, index, document } = resolved
  return (severity, code, path, message) => {
    const at = source.place(['rules', index, ...path])
    const text = `rule ${document.name}: ${message}`
    parts.problems.push({ severity, code, message: text, file: source.file, ...at })
  }
}

function phasesOfRule(resolved: ResolvedRule): { phases: readonly Phase[]; isNamed: boolean } {
  const written = resolved.document.phase ?? resolved.defaults.phase
  if (written !== undefined) return { phases: [written].flat(), isNamed: true }
  const kinds = resolved.document.actions.map((action) => action.type)
  return { phases: defaultPhases(kinds), isNamed: false }
}

function compileActions(
  parts: ActionParts,
  resolved: ResolvedRule,
  seen: Formula,
  say: Say,
): { actions: readonly CompiledAction[]; formula: Formula } {
  const of = resolved.document.trigger === undefined ? [] : [seen]
  const actions = resolved.document.actions.map((document, i) => {
    if (document.type === 'ban') {
      const own = compileBan(parts.trigger, document, ['actions', i])
      if (own !== undefined) of.push(own)
    }
    return compileAction(parts, document, ['actions', i])
  })
  if (of.length === 0) {
    say('error', 'never-fires', [], 'needs a trigger, or a ban with phrases of its own')
  }
  return { actions, formula: of.length === 1 ? (of[0] ?? NEVER) : { op: 'any', of } }
}

/** A ban is compiled into the engine's masks, ahead of any request: it cannot depend on one. */
function checkBan(resolved: ResolvedRule, actions: readonly CompiledAction[], say: Say): void {
  if (!actions.some((action) => action.kind === 'ban')) return
  const { document } = resolved
  if (document.enabled_when !== undefined || document.exceptions.length > 0) {
    const message = 'a ban holds for everyone: use a policy of its own instead of conditions'
    say(
      'error',
      'ban',
      [document.enabled_when === undefined ? 'exceptions' : 'enabled_when'],
      message,
    )
  }
  const kinds = new Set<string>()
  let at: unknown = document.trigger
  const stack: unknown[] = [at]
  while (stack.length > 0) {
    at = stack.pop()
    if (typeof at !== 'object' || at === null || !('type' in at)) continue
    const conjunction = 'operator' in at && at.operator === 'and'
    kinds.add(conjunction ? 'all' : String(at.type))
    if ('triggers' in at && Array.isArray(at.triggers)) stack.push(...(at.triggers as unknown[]))
    if ('all' in at) kinds.add('keywords.all')
  }
  const other = [...kinds].find((k) => !['pattern', 'keywords', 'any', 'composite'].includes(k))
  if (other !== undefined) {
    say('error', 'ban', ['trigger'], `a ban holds always: it cannot depend on ${other}`)
  }
}

/** Of scores of tokens: they are what moves levels. */
function lowestThreshold(leaves: readonly Leaf[]): number | undefined {
  const thresholds = leaves.flatMap((leaf) => (leaf.kind === 'verdict' ? [stepBar(leaf)] : []))
  return thresholds.length === 0 ? undefined : Math.min(...thresholds)
}

export function leavesOf(formula: Formula): readonly number[] {
  switch (formula.op) {
    case 'leaf':
      return [formula.leaf]
    case 'context':
      return []
    case 'any':
    case 'all':
      return formula.of.flatMap(leavesOf)
    case 'not':
    case 'count':
      return leavesOf(formula.of)
  }
}

function modelsOf(leaves: readonly number[], all: readonly Leaf[]): readonly string[] {
  const models = leaves.flatMap((i) => {
    const leaf = all[i]
    return leaf?.kind === 'verdict' ? [leaf.model] : []
  })
  return [...new Set(models)]
}

function conditionOf(
  written: ResolvedRule['document']['enabled_when'],
  path: readonly (string | number)[],
  say: Say,
): CompiledRule['isEnabled'] {
  if (written === undefined) return undefined
  return compileContext(written, (message) => say('error', 'never-fires', path, message))
}

function compileException(
  parts: RuleParts,
  written: ExceptionDocument,
  i: number,
  say: Say,
): CompiledRule['exceptions'][number][] {
  const isDate = written.until.length === 10
  const untilMs = Date.parse(isDate ? `${written.until}T23:59:59.999Z` : written.until)
  if (untilMs < parts.nowMs) {
    const message = `this exception ended on ${written.until} and is no longer granted`
    say('warning', 'never-fires', ['exceptions', i, 'until'], message)
    return []
  }
  const holds = conditionOf(written.when, ['exceptions', i, 'when'], say) ?? (() => true)
  return [{ reason: written.reason, untilMs, holds, when: written.when }]
}
