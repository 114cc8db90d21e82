/** Actions of a document → actions with their phases and plans; bans go into the texts. */
import type { Adapt } from '../../model/directive.ts'
import type { Phase } from '../../model/finding.ts'
import { suggestion } from '../../model/nearest.ts'
import type { AdaptLevel, AdaptPlan } from '../../decoding/plan.ts'
import type { CompiledAction, Formula, Leaf } from '../compiled.ts'
import { listOf, matchingOf } from './compile-trigger.ts'
import type { TriggerParts } from './compile-trigger.ts'
import { LEGAL, phasesOf } from './legal.ts'
import { substitute } from './resolve.ts'
import type { ActionDocument, AdaptAction, BanAction } from '../schema/schema-actions.ts'
import { sorted, STANDARD_FOLDS, TooMuch } from './texts.ts'

/** Fraction of `enter` at which a level is left when the author gives none. */
const LEAVE_FRACTION = 0.7
const DWELL_TOKENS = 16

export type ActionParts = {
  readonly trigger: TriggerParts
  readonly variables: Readonly<Record<string, string>>
  readonly phases: readonly Phase[]
  readonly isPhaseNamed: boolean
  /** Names and addresses that notices may go to; undefined: not known here. */
  readonly destinations: readonly string[] | undefined
  /** Lowest threshold of the rule's classifiers, for levels that name none. */
  readonly threshold: number | undefined
}

export function compileAction(
  parts: ActionParts,
  written: ActionDocument,
  path: readonly (string | number)[],
): CompiledAction {
  const { say } = parts.trigger
  const phases = new Set(phasesOf(written.type, parts.phases, parts.isPhaseNamed))
  if (phases.size === 0) {
    const legal = LEGAL[written.type].legal.join(', ')
    const message = `${written.type} is not possible in ${parts.phases.join(', ')}; it is in ${legal}`
    say('error', 'phase', [...path, 'type'], message)
  }
  const refuse = (message: string): void => say('error', 'unknown-name', path, message)
  const document = withVariables(written, parts.variables, refuse)
  const plan = document.type === 'adapt' ? compileAdapt(parts, document, path) : undefined
  if (document.type === 'notify') checkNotify(parts, document, path)
  if (document.type === 'deny' && (document.tokens ?? document.texts) === undefined) {
    say('error', 'schema', path, 'deny: needs tokens or texts')
  }
  return { kind: document.type, document, phases, plan }
}

function checkNotify(
  { trigger, destinations }: ActionParts,
  { to, url }: Extract<ActionDocument, { type: 'notify' }>,
  path: readonly (string | number)[],
): void {
  if ((to === undefined) === (url === undefined)) {
    trigger.say('error', 'schema', path, 'notify: needs to or url, and not both')
  }
  const named = to ?? url ?? ''
  if (destinations === undefined || named === '' || destinations.includes(named)) return
  const message = `notify: no destination is called ${named}${suggestion(named, destinations)}: nobody is told`
  trigger.say('warning', 'unknown-name', path, message)
}

const SPOKEN = ['message', 'content', 'replacement', 'text', 'value', 'reason'] as const

function withVariables(
  action: ActionDocument,
  variables: Readonly<Record<string, string>>,
  refuse: (message: string) => void,
): ActionDocument {
  const changed: Record<string, unknown> = { ...action }
  for (const key of SPOKEN) {
    const value = changed[key]
    if (typeof value === 'string') changed[key] = substitute(value, variables, refuse)
  }
  // Only strings were replaced by strings: the shape is the one that was parsed.
  return changed as ActionDocument
}

function compileAdapt(
  parts: ActionParts,
  action: AdaptAction,
  path: readonly (string | number)[],
): AdaptPlan {
  const { say } = parts.trigger
  const limits = safeOf(parts, action, path)
  const own = adaptOf(action)
  if (action.parameter !== undefined && action.value !== undefined) {
    Object.assign(own, adaptOf({ [action.parameter]: action.value }))
  } else if (action.parameter !== undefined) {
    say('error', 'schema', path, 'adapt: parameter needs a value')
  }
  const enter = parts.threshold ?? 0.5
  const written = action.levels ?? [{ enter }]
  const levels: AdaptLevel[] = written
    .map((level) => {
      const leave = 'leave' in level ? level.leave : undefined
      return {
        enter: level.enter,
        leave: leave ?? level.enter * LEAVE_FRACTION,
        adapt: { ...own, ...adaptOf(level) },
        ...limits,
      }
    })
    .sort((a, b) => a.enter - b.enter)
  for (const level of levels) {
    if (level.leave > level.enter) {
      say('error', 'schema', path, `adapt: leave ${level.leave} is above enter ${level.enter}`)
    }
    if (Object.keys(level.adapt).length === 0 && action.safe_vocabulary === undefined) {
      say('error', 'schema', path, 'adapt: names no parameter')
    }
  }
  const smoothing = action.smoothing ?? { kind: 'max' }
  if (smoothing.kind === 'n_of_m' && smoothing.n > smoothing.m) {
    say('error', 'schema', path, `adapt: ${smoothing.n} of ${smoothing.m} never holds`)
  }
  const { for_tokens, dwell_tokens, levels: named } = action
  const isTracked = [for_tokens, dwell_tokens, named, action.smoothing].some((v) => v !== undefined)
  return { levels, smoothing, dwellTokens: for_tokens ?? dwell_tokens ?? DWELL_TOKENS, isTracked }
}

/** Ids alone are a set already; text is one only for a vocabulary. */
function safeOf(
  { trigger }: ActionParts,
  { safe_vocabulary: written }: AdaptAction,
  path: readonly (string | number)[],
): Pick<AdaptLevel, 'deny' | 'safe'> {
  if (written === undefined) return { deny: undefined }
  if ('length' in written) return { deny: { tokens: written, invert: true } }
  const { tokens = [], characters = '', words = [] } = written
  if (characters === '' && words.length + tokens.length === 0) {
    const at = [...path, 'safe_vocabulary']
    trigger.say('error', 'schema', at, 'safe_vocabulary: needs characters, words or tokens')
  }
  return { deny: undefined, safe: { tokens, characters, words } }
}

type WrittenAdapt = {
  readonly temperature?: number | undefined
  readonly top_p?: number | undefined
  readonly top_k?: number | undefined
  readonly min_p?: number | undefined
  readonly repetition_penalty?: number | undefined
}

export function adaptOf(w: WrittenAdapt): Adapt {
  return {
    ...(w.temperature === undefined ? {} : { temperature: w.temperature }),
    ...(w.top_p === undefined ? {} : { topP: w.top_p }),
    ...(w.top_k === undefined ? {} : { topK: w.top_k }),
    ...(w.min_p === undefined ? {} : { minP: w.min_p }),
    ...(w.repetition_penalty === undefined ? {} : { repetitionPenalty: w.repetition_penalty }),
  }
}

/**
 * The texts that a ban action names itself, as a leaf of their own; undefined when it bans what the
 * rule's trigger names. A pattern without a bound cannot be banned ahead: it is refused.
 */
export function compileBan(
  parts: TriggerParts,
  action: BanAction,
  path: readonly (string | number)[],
): Formula | undefined {
  const usual = matchingOf(parts, action, STANDARD_FOLDS)
  const how = { ...usual, folds: sorted(usual.folds), pending: action.pending }
  const phrases = [...(action.phrases ?? []), ...listOf(parts, action.list, path)]
  const patterns = action.patterns ?? []
  if (phrases.length + patterns.length === 0) return undefined
  const bans = phrases.flatMap((phrase) => parts.texts.phrase(parts.rule, phrase, how))
  for (const [i, pattern] of patterns.entries()) {
    try {
      bans.push(...parts.texts.pattern(parts.rule, pattern, how))
    } catch (error) {
      if (error instanceof TooMuch) throw error
      const message = `pattern: ${error instanceof Error ? error.message : String(error)}`
      parts.say('error', 'pattern', [...path, 'patterns', i], message)
    }
  }
  const made: Leaf = { kind: 'match', bans }
  return { op: 'leaf', leaf: parts.leaves.push(made) - 1 }
}
