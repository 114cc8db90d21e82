/** Triggers of a document → leaves that findings satisfy, and a formula over them. */
import { suggestion } from '../../model/nearest.ts'
import type { Fold } from '../../model/ban.ts'
import { FOLDS } from '../../model/ban.ts'
import { PHASES } from '../../model/finding.ts'
import type { Phase } from '../../model/finding.ts'
import { compileLeaf } from '../context.ts'
import type { DecideContext, Formula, Leaf } from '../compiled.ts'
import { rateBar } from './calibrated.ts'
import type { Bar, Calibration } from './calibrated.ts'
import { classifierName, PII, TAGGED } from './names.ts'
import type {
  ClassifierTrigger,
  KeywordsTrigger,
  PatternTrigger,
  Trigger,
} from '../schema/schema-triggers.ts'
import { sorted, STANDARD_FOLDS, TooMuch } from './texts.ts'
import type { Matching, Texts } from './texts.ts'
import { compileToolTest } from '../tool-condition.ts'

/** What is said of a rule while it is compiled, at a path below it. */
export type Say = (
  severity: 'error' | 'warning',
  code: 'pattern' | 'unknown-name' | 'never-fires' | 'threshold' | 'ban' | 'phase' | 'schema',
  path: readonly (string | number)[],
  message: string,
) => void

export type TriggerParts = {
  readonly texts: Texts
  readonly leaves: Leaf[]
  readonly lists: Readonly<Record<string, readonly string[]>>
  /** undefined: any classifier is believed to exist. */
  readonly classifiers: ReadonlySet<string> | undefined
  /** Whom a model answers for here; undefined: everybody. */
  readonly answered: ReadonlySet<string> | undefined
  readonly calibration: Calibration | undefined
  /** The rule is enforced with `on_failure: closed`. */
  readonly isClosed: boolean
  readonly rule: string
  readonly defaultFolds: 'all' | readonly Fold[] | undefined
  readonly place: string
  readonly say: Say
}

type Folding = {
  readonly match?: 'word' | 'substring' | undefined
  readonly folds?: 'all' | readonly Fold[] | undefined
  readonly case_insensitive?: boolean | undefined
}

export function matchingOf(parts: TriggerParts, how: Folding, usual: readonly Fold[]): Matching {
  const written = how.folds ?? parts.defaultFolds ?? usual
  const folds: readonly Fold[] = written === 'all' ? FOLDS : written
  const withCase = how.case_insensitive === true ? [...folds, 'case' as const] : folds
  const all = how.case_insensitive === false ? withCase.filter((fold) => fold !== 'case') : withCase
  return { match: how.match, folds: sorted(all), pending: 'allow', place: parts.place }
}

export function compileTrigger(
  parts: TriggerParts,
  trigger: Trigger,
  path: readonly (string | number)[],
): Formula {
  const each = (triggers: readonly Trigger[]): readonly Formula[] =>
    triggers.map((t, i) => compileTrigger(parts, t, [...path, 'triggers', i]))
  switch (trigger.type) {
    case 'pattern':
      return compilePattern(parts, trigger, path)
    case 'keywords':
      return compileKeywords(parts, trigger, path)
    case 'classifier':
      return compileClassifier(parts, trigger, path)
    case 'pii': {
      const types = trigger.types === undefined ? undefined : new Set(trigger.types)
      const asked = TAGGED.filter((type) => types?.has(type))
      if (asked.length > 0 && parts.answered?.has(PII) === false) {
        const message = `a model finds ${asked.join(' and ')}, and none is loaded here (pii_detector in classifiers.models)`
        parts.say('warning', 'never-fires', [...path, 'types'], message)
      }
      return withTagger(parts, leaf(parts, { kind: 'pii', types, min: trigger.confidence }), {
        types,
        min: trigger.confidence,
      })
    }
    case 'tool':
      return leaf(parts, { kind: 'tool', test: compileToolTest(trigger), trigger })
    case 'context': {
      const refuse = (message: string): void => parts.say('error', 'never-fires', path, message)
      const test = compileLeaf(trigger, refuse)
      return trigger.field === 'phase'
        ? {
            op: 'context',
            test,
            written: trigger,
            phases: PHASES.filter((phase) => test(asIn(phase))),
          }
        : { op: 'context', test, written: trigger }
    }
    case 'composite':
      return { op: trigger.operator === 'or' ? 'any' : 'all', of: each(trigger.triggers) }
    case 'any':
    case 'all':
      return { op: trigger.type, of: each(trigger.triggers) }
    case 'not':
      return { op: 'not', of: compileTrigger(parts, trigger.trigger, [...path, 'trigger']) }
    case 'count':
      return compileCount(parts, trigger, path)
  }
}

/** Names and addresses are found by a model: asking for them by name is asking it. */
function withTagger(
  parts: TriggerParts,
  found: Formula,
  { types, min }: { readonly types: ReadonlySet<string> | undefined; readonly min: number },
): Formula {
  const labels = TAGGED.filter((type) => types?.has(type))
  if (labels.length === 0) return found
  const asked = labels.map((label) =>
    leaf(parts, { kind: 'verdict', model: PII, label, min, bars: [], max: 1, source: 'policy' }),
  )
  return { op: 'any', of: [found, ...asked] }
}

function compileCount(
  parts: TriggerParts,
  trigger: Extract<Trigger, { type: 'count' }>,
  path: readonly (string | number)[],
): Formula {
  const { at_least: atLeast, within_tokens: withinTokens, of: window } = trigger
  const first = parts.leaves.length
  const of = compileTrigger(parts, trigger.trigger, [...path, 'trigger'])
  const counted = parts.leaves.slice(first)
  const never = (message: string): void => parts.say('error', 'never-fires', path, message)
  if (counted.length === 0) never('count: its trigger finds nothing that could be counted')
  if (window !== undefined && window < atLeast) {
    never(`count: at least ${atLeast} of ${window} never holds`)
  }
  if (window !== undefined && !counted.some(({ kind }) => kind === 'verdict')) {
    never('count: of counts the last judgements of a classifier, and the trigger asks none')
  }
  return { op: 'count', of, atLeast, withinTokens, window }
}

/** A request of which nothing is known but its phase. */
const asIn = (phase: Phase): DecideContext => ({
  requestId: '',
  tenant: '',
  user: '',
  model: '',
  phase,
  position: 0,
  parameters: {},
})

function leaf(parts: TriggerParts, made: Leaf): Formula {
  return { op: 'leaf', leaf: parts.leaves.push(made) - 1 }
}

function compilePattern(
  parts: TriggerParts,
  trigger: PatternTrigger,
  path: readonly (string | number)[],
): Formula {
  // An expression says exactly what it wants: no folds unless asked for, as in CheckStream's files.
  const how = matchingOf(parts, trigger, [])
  try {
    const bans = parts.texts.pattern(parts.rule, trigger.pattern, how)
    return leaf(parts, { kind: 'match', bans })
  } catch (error) {
    if (error instanceof TooMuch) throw error
    const message = `pattern: ${error instanceof Error ? error.message : String(error)}`
    parts.say('error', 'pattern', [...path, 'pattern'], message)
    return { op: 'any', of: [] }
  }
}

function compileKeywords(
  parts: TriggerParts,
  trigger: KeywordsTrigger,
  path: readonly (string | number)[],
): Formula {
  const how = matchingOf(parts, trigger, STANDARD_FOLDS)
  const any = [...(trigger.any ?? []), ...listOf(parts, trigger.list, path)]
  const of: Formula[] = []
  if (any.length > 0) {
    const bans = any.flatMap((phrase) => parts.texts.phrase(parts.rule, phrase, how))
    of.push(leaf(parts, { kind: 'match', bans }))
  }
  for (const phrase of trigger.all ?? []) {
    const bans = parts.texts.phrase(parts.rule, phrase, how)
    of.push(leaf(parts, { kind: 'match', bans }))
  }
  if (of.length === 0) {
    parts.say('error', 'never-fires', path, 'keywords: needs any, all or list with at least one')
  }
  return of.length === 1 ? (of[0] ?? { op: 'any', of: [] }) : { op: 'all', of }
}

export function listOf(
  parts: TriggerParts,
  list: string | undefined,
  path: readonly (string | number)[],
): readonly string[] {
  if (list === undefined) return []
  const found = Object.hasOwn(parts.lists, list) ? parts.lists[list] : undefined
  if (found !== undefined) return found
  const message = `no list is called ${list}${suggestion(list, Object.keys(parts.lists))}`
  parts.say('error', 'unknown-name', [...path, 'list'], message)
  return []
}

function compileClassifier(
  parts: TriggerParts,
  trigger: ClassifierTrigger,
  path: readonly (string | number)[],
): Formula {
  const model = classifierName(trigger.classifier)
  sayUnanswered(parts, trigger.classifier, model, [...path, 'classifier'])
  const { min, bars, source } = thresholdOf(parts, trigger, model, path)
  const max = trigger.max ?? 1
  const lowest = Math.min(min, ...bars.map((bar) => bar.min))
  if (lowest > max) {
    const message = `classifier: at least ${lowest} and at most ${max} never holds`
    parts.say('error', 'never-fires', path, message)
  }
  const verdict: Formula = leaf(parts, {
    kind: 'verdict',
    model,
    label: trigger.label,
    min,
    bars,
    max,
    source,
    rate: trigger.false_positive_rate,
  })
  if (model !== PII) return verdict
  const types = trigger.label === undefined ? undefined : new Set([trigger.label])
  return { op: 'any', of: [verdict, leaf(parts, { kind: 'pii', types, min })] }
}

/** A rule that must not let pass what was not judged cannot hold where nobody judges: it is refused. */
function sayUnanswered(
  parts: TriggerParts,
  name: string,
  model: string,
  path: readonly (string | number)[],
): void {
  if (isAnswered(parts, model)) return
  const { classifiers, isClosed } = parts
  const what =
    classifiers?.has(model) === false
      ? `no classifier is called ${name}${suggestion(name, classifiers)}`
      : `no model answers for ${name} here (classifiers.models)`
  const hence = isClosed
    ? 'on_failure: closed asks that nothing passes unjudged; load a model, or write on_failure: open'
    : 'this condition never holds'
  parts.say(isClosed ? 'error' : 'warning', 'never-fires', path, `${what}: ${hence}`)
}

/** Personal data is also found without a model. */
const isAnswered = ({ classifiers, answered }: TriggerParts, model: string): boolean =>
  classifiers?.has(model) !== false && (model === PII || answered?.has(model) !== false)

function thresholdOf(
  parts: TriggerParts,
  trigger: ClassifierTrigger,
  model: string,
  path: readonly (string | number)[],
): Omit<Bar, 'told'> {
  const rate = trigger.false_positive_rate
  if (rate !== undefined) {
    const { told, ...bar } = rateBar(parts.calibration, trigger, model, rate)
    // That nobody is called so, or answers, was told.
    if (told !== undefined && isAnswered(parts, model)) {
      parts.say(told.severity, 'threshold', [...path, 'false_positive_rate'], told.message)
    }
    return bar
  }
  const written = trigger.threshold ?? trigger.min
  if (written === undefined && trigger.max === undefined) {
    const message = 'classifier: needs threshold, min, max or false_positive_rate'
    parts.say('error', 'threshold', path, message)
  }
  return { min: written ?? 0, bars: [], source: 'policy' }
}
