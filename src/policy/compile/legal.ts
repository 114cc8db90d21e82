/**
 * Which action is legal in which phase, and where it applies when a rule names no phase.
 *
 * `inject` at ingress speaks to the client about what they wrote: its text goes into the answer. A
 * prompt is redacted only when the rule says so: it belongs to whoever wrote it.
 */
import { PHASES } from '../../model/finding.ts'
import type { Phase } from '../../model/finding.ts'
import type { ActionKind } from '../schema/schema-actions.ts'

type Row = { readonly legal: readonly Phase[]; readonly byDefault: readonly Phase[] }

const TEXT: readonly Phase[] = ['ingress', 'midstream', 'egress']
const ANSWER: readonly Phase[] = ['midstream', 'egress']
const NOTE: Row = { legal: PHASES, byDefault: TEXT }

export const LEGAL: Readonly<Record<ActionKind, Row>> = {
  log: NOTE,
  audit: NOTE,
  notify: NOTE,
  stop: { legal: PHASES, byDefault: ['ingress', 'step', 'midstream', 'egress'] },
  redact: { legal: TEXT, byDefault: ANSWER },
  replace: { legal: TEXT, byDefault: ANSWER },
  inject: { legal: TEXT, byDefault: TEXT },
  adapt: { legal: ['step', 'tool'], byDefault: ['step'] },
  ban: { legal: ['step', ...ANSWER], byDefault: ['step', ...ANSWER] },
  deny: { legal: ['step', 'tool'], byDefault: ['step'] },
  force: { legal: ['step', 'tool'], byDefault: ['step'] },
  rewrite_tool: { legal: ['tool'], byDefault: ['tool'] },
  block_tool_call: { legal: ['tool'], byDefault: ['tool'] },
  step_up: { legal: ['tool'], byDefault: ['tool'] },
}

export const isNote = (kind: ActionKind): boolean =>
  kind === 'log' || kind === 'audit' || kind === 'notify'

/** Where each action of a rule without `phase` applies: notes follow the actions beside them. */
export function defaultPhases(kinds: readonly ActionKind[]): readonly Phase[] {
  const acting = kinds.filter((kind) => !isNote(kind))
  const asked = acting.length > 0 ? acting : kinds
  return PHASES.filter((phase) => asked.some((kind) => LEGAL[kind].byDefault.includes(phase)))
}

/** Phases of `phases` in which the action acts. */
export function phasesOf(kind: ActionKind, phases: readonly Phase[], isNamed: boolean): Phase[] {
  const row = LEGAL[kind]
  const where = isNamed || isNote(kind) ? row.legal : row.byDefault
  return phases.filter((phase) => where.includes(phase))
}
