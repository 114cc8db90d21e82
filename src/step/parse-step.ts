/**
 * `Step` from the wire to the model. Everything is checked before anything of it is used, so a bad
 * message changes no row.
 */
import { GuardError } from '../model/errors.ts'
import type { Closed, Opened, SamplingParameters, Step } from '../model/step.ts'
import { below, digest, MAX_POSITION, name, within } from './bounds.ts'
import type { StepBounds } from './bounds.ts'
import type { WireClosed, WireOpened, WireSampling, WireStep } from './wire.ts'

/** What the engine's Hello fixed for all its steps. */
export type StepFrame = {
  readonly engine: string
  readonly logitsWidth: number
  readonly slots: number
}

const NO_STOP_TOKEN = 0xffff_ffff
const MAX_PROBES = 16

export function parseStep(wire: WireStep, frame: StepFrame, bounds: StepBounds): Step {
  const { slot, generation, position, token, state, probe } = wire
  const count = slot.length
  within(count, bounds.entries, 'Step.slot', 'entries')
  within(wire.opened.length, bounds.entries, 'Step.opened', 'rows')
  within(wire.closed.length, bounds.entries, 'Step.closed', 'rows')
  sameLength(generation.length, count, 'generation')
  sameLength(position.length, count, 'position')
  sameLength(token.length, count, 'token')
  if (state.length !== 0) sameLength(state.length, count, 'state')
  checkProbe(probe, count)
  for (let i = 0; i < count; i++) {
    // The loader makes unsigned integers of these; checked all the same, and NaN fails too.
    if (!isBelow(slot[i], frame.slots)) slotAt(slot[i], frame, `Step.slot[${i}]`)
    if (!isBelow(token[i], frame.logitsWidth)) tokenAt(token[i], frame, `Step.token[${i}]`)
    if (!isBelow(position[i], MAX_POSITION)) {
      below(Number(position[i]), MAX_POSITION, `Step.position[${i}]`, 'a position')
    }
  }
  return {
    engine: frame.engine,
    sequence: below(wire.sequence, Number.MAX_SAFE_INTEGER, 'Step.sequence', 'a number'),
    awaited: wire.awaited,
    opened: wire.opened.map((opened, i) => parseOpened(opened, i, frame, bounds)),
    closed: wire.closed.map((closed, i) => parseClosed(closed, i, frame)),
    slot,
    generation,
    position,
    token,
    state,
    probe,
  }
}

const isBelow = (value: number | undefined, bound: number): boolean =>
  value !== undefined && value >= 0 && value < bound && value === Math.trunc(value)

const slotAt = (slot: number | undefined, frame: StepFrame, field: string): number =>
  below(Number(slot), frame.slots, field, 'a slot')

const tokenAt = (token: number | undefined, frame: StepFrame, field: string): number =>
  below(Number(token), frame.logitsWidth, field, 'a token id')

function sameLength(length: number, wanted: number, field: string): void {
  if (length === wanted) return
  throw new GuardError(
    'step_invalid',
    `Step.${field}: expected ${wanted} entries as in Step.slot, got ${length}`,
  )
}

function checkProbe(probe: readonly number[], count: number): void {
  if (probe.length === 0) return
  if (count === 0 || probe.length % count !== 0 || probe.length > count * MAX_PROBES) {
    throw new GuardError(
      'step_invalid',
      `Step.probe: expected rows x probes (at most ${MAX_PROBES} probes for ${count} rows), got ${probe.length}`,
    )
  }
  const bad = probe.findIndex((score) => !Number.isFinite(score))
  if (bad >= 0) {
    throw new GuardError('step_invalid', `Step.probe[${bad}]: expected a number, got ${probe[bad]}`)
  }
}

function parseOpened(
  wire: WireOpened,
  index: number,
  frame: StepFrame,
  bounds: StepBounds,
): Opened {
  const at = `Step.opened[${index}]`
  return {
    slot: slotAt(wire.slot, frame, `${at}.slot`),
    generation: wire.generation,
    requestId: name(wire.requestId, `${at}.request_id`),
    tenant: name(wire.tenant, `${at}.tenant`),
    policy: name(wire.policy, `${at}.policy`),
    program: digest(wire.program, `${at}.program`, 'empty'),
    promptLength: below(wire.promptLength, MAX_POSITION, `${at}.prompt_length`, 'a length'),
    promptTokenIds: tokens(wire.promptTokenIds, `${at}.prompt_token_ids`, frame, bounds),
    outputTokenIds: tokens(wire.outputTokenIds, `${at}.output_token_ids`, frame, bounds),
    sampling: parseSampling(wire.sampling, `${at}.sampling`),
    child: wire.child,
  }
}

function parseClosed(wire: WireClosed, index: number, frame: StepFrame): Closed {
  const at = `Step.closed[${index}]`
  return {
    slot: slotAt(wire.slot, frame, `${at}.slot`),
    generation: wire.generation,
    finalPosition: below(wire.finalPosition, MAX_POSITION, `${at}.final_position`, 'a position'),
  }
}

function tokens(
  ids: readonly number[],
  field: string,
  frame: StepFrame,
  bounds: StepBounds,
): readonly number[] {
  within(ids.length, bounds.contextTokens, field, 'tokens')
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]
    if (!isBelow(id, frame.logitsWidth)) tokenAt(id, frame, `${field}[${i}]`)
  }
  return ids
}

const UNSET: SamplingParameters = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  maxTokens: 0,
  stopToken: undefined,
}

function parseSampling(wire: WireSampling | null, field: string): SamplingParameters {
  if (wire === null) return UNSET
  const { stopToken, ...numbers } = wire
  for (const [key, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value)) {
      throw new GuardError('step_invalid', `${field}.${key}: expected a number, got ${value}`)
    }
  }
  return { ...numbers, stopToken: stopToken === NO_STOP_TOKEN ? undefined : stopToken }
}
