/**
 * What became of the text that rules would change in a tool call, once the call is decided: a firing
 * that says so stands when text of it was changed, and is a note with its reason when none was.
 */
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import { keptValues } from '../tools/json-kept.ts'
import type { Call } from './calls.ts'
import type { TextDecision } from './guard-options.ts'
import type { Channel } from './holdback.ts'

/** Actions that say that text was changed. */
const EDITS = new Set(['redact', 'replace', 'ban', 'inject'])

const REASONS = {
  chosen: 'left: policy chose this value',
  replaced: 'not needed: the value was replaced',
  blocked: 'not needed: the call was blocked',
  gone: 'not needed: the answer ended before the call was decided',
  late: 'too late: the call had gone',
  nowhere: 'nothing is said in a call',
  many: 'the call was not decided yet, and too many findings wait for it',
} as const

type Reason = keyof typeof REASONS
type Span = readonly [number, number]

/** Why the span is not changed; undefined when it is. Offsets are of the channel's decoded text. */
export type Fate = (start: number, end: number) => Reason | undefined

export const isEdit = ({ kind }: TextEffect): boolean => kind === 'redact'
export const saysEdit = ({ action }: RuleFiring): boolean => EDITS.has(action)

/** Of findings that could not wait: nothing is claimed. */
export const TOO_MANY: Fate = () => 'many'

export function fateOf(
  { outcome, arguments: text, isGone, written }: Call,
  channel: Channel,
): Fate {
  if (isGone) return () => 'gone'
  if (outcome?.kind === 'block') return () => 'blocked'
  if (outcome?.kind !== 'rewrite') return () => undefined
  if (written !== undefined) return () => 'late'
  const kept = keptValues(text, outcome.arguments, outcome.chosen)
  return (start, end) => kept(channel.rawAt(start), channel.rawAt(end))
}

/** The decisions about one call's text, in order, as they came to be. */
export function settled(decisions: readonly TextDecision[], fate: Fate): readonly TextDecision[] {
  const places = placesOf(decisions)
  const changed = decisions.flatMap(({ effects }) =>
    effects.filter((one) => one.kind === 'redact' && fate(one.start, one.end) === undefined),
  )
  const told = decisions.flatMap(({ firings }) =>
    firings.flatMap(({ span }) => (span ? [span] : [])),
  )
  const known = [...told, ...[...places.values()].flat()]
  const isPlaced = (effect: TextEffect): boolean =>
    effect.kind === 'redact' && known.some(([from, to]) => from < effect.end && effect.start < to)
  // What no rule does by itself is the work of rules about several places, which name only the first.
  const isShared = changed.some((effect) => !isPlaced(effect))
  return decisions.map((decision) => ({
    ...decision,
    effects: decision.effects.filter((effect) => !isEdit(effect) || changed.includes(effect)),
    firings: decision.firings.map((firing) => {
      if (!saysEdit(firing)) return firing
      if (firing.action === 'inject' && !decision.effects.some(isEdit))
        return noted(firing, 'nowhere')
      return standing(firing, { places: places.get(nameOf(firing)), isShared, fate })
    }),
  }))
}

type Facts = {
  readonly places: readonly Span[] | undefined
  readonly isShared: boolean
  readonly fate: Fate
}

/** The firing with the first of its places that was changed. */
function standing(firing: RuleFiring, { places, isShared, fate }: Facts): RuleFiring {
  const { span } = firing
  const reason = span === undefined ? fate(0, Infinity) : fate(...span)
  if (reason === undefined) return firing
  const other = places?.find((place) => fate(...place) === undefined)
  if (other !== undefined) return { ...firing, span: other }
  return places === undefined && isShared ? firing : noted(firing, reason)
}

const noted = (firing: RuleFiring, reason: Reason): RuleFiring => ({
  ...firing,
  action: 'note',
  message: REASONS[reason],
})

const nameOf = ({ rule, phase, action }: RuleFiring): string => `${phase} ${action} ${rule}`

/** Where each rule changes text by itself. */
function placesOf(decisions: readonly TextDecision[]): ReadonlyMap<string, readonly Span[]> {
  const places = new Map<string, Span[]>()
  for (const { alone = [] } of decisions) {
    for (const firing of alone.filter(saysEdit)) {
      if (firing.span === undefined) continue
      const known = places.get(nameOf(firing))
      if (known === undefined) places.set(nameOf(firing), [firing.span])
      else known.push(firing.span)
    }
  }
  return places
}
