/** Row directives from the model to the wire: deny sets first, then the rows that name them. */
import type { Directive, RowDirective } from '../model/directive.ts'
import type { DenySets } from './deny-sets.ts'
import type { WireAdapt, WireRowDirective, WireSidecarMessage } from './wire.ts'

const NONE: readonly number[] = []

/** The messages that answer step `sequence` (0 = pushed on our own account), in sending order. */
export function toMessages(
  sequence: number,
  rows: readonly RowDirective[],
  sets: DenySets,
): WireSidecarMessage[] {
  const messages: WireSidecarMessage[] = []
  const wired = rows.map((row) => toRow(row, denySets(row.directive, sets, messages)))
  messages.push({ directives: { sequence, rows: wired } })
  return messages
}

function denySets(
  directive: Directive,
  sets: DenySets,
  messages: WireSidecarMessage[],
): readonly number[] {
  if (directive.deny === undefined) return NONE
  return directive.deny.map((set) => {
    const { id, fresh } = sets.name(set)
    if (fresh) messages.push({ denySet: { id, invert: set.invert, token: sorted(set.tokens) } })
    return id
  })
}

/** Sorted and distinct, as the protocol promises. */
const sorted = (tokens: readonly number[]): readonly number[] =>
  [...new Set(tokens)].sort((a, b) => a - b)

function toRow(row: RowDirective, deny: readonly number[]): WireRowDirective {
  const { directive } = row
  const { adapt } = directive
  return {
    slot: row.slot,
    generation: row.generation,
    fromPosition: directive.fromPosition,
    untilPosition: directive.untilPosition ?? 0,
    ...(adapt === undefined ? {} : { adapt: toAdapt(adapt) }),
    denySets: deny,
    force: directive.force ?? NONE,
    stop: directive.stop !== undefined,
    sync: directive.sync,
  }
}

// Temperature 0 is greedy in the engine but "unset" on the wire; this small it samples greedily too.
const GREEDY = 1e-5

function toAdapt(adapt: NonNullable<Directive['adapt']>): WireAdapt {
  return {
    temperature: adapt.temperature === undefined ? 0 : Math.max(adapt.temperature, GREEDY),
    topP: adapt.topP ?? 0,
    topK: adapt.topK ?? 0,
    minP: adapt.minP ?? 0,
    repetitionPenalty: adapt.repetitionPenalty ?? 0,
  }
}
