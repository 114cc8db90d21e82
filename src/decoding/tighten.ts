/**
 * Merging of decoding parameters: only ever tighter, whoever asks. Semantics of each parameter are
 * vLLM's: top_k 0 or -1 is off, temperature 0 is greedy, min_p 0 is off, repetition_penalty 1 is off.
 */
import type { Adapt } from '../model/directive.ts'
import type { SamplingParameters } from '../model/step.ts'

/** The stricter of two in every parameter. */
export function stricter(a: Adapt | undefined, b: Adapt | undefined): Adapt | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return {
    ...least('temperature', a.temperature, b.temperature),
    ...least('topP', a.topP, b.topP),
    ...least('topK', a.topK, b.topK),
    ...most('minP', a.minP, b.minP),
    ...most('repetitionPenalty', a.repetitionPenalty, b.repetitionPenalty),
  }
}

/**
 * What of `adapt` is tighter than the client's own parameters; undefined when nothing is. A greedy
 * request stays greedy: its temperature is already the lowest, and a cut of the distribution does not
 * change its argmax, so of all parameters only the repetition penalty can matter to it.
 */
export function tighten(adapt: Adapt, own: SamplingParameters): Adapt | undefined {
  const isGreedy = own.temperature === 0
  const ownK = own.topK > 0 ? own.topK : Infinity
  const kept: Adapt = {
    ...(adapt.temperature !== undefined && adapt.temperature < own.temperature
      ? { temperature: adapt.temperature }
      : {}),
    ...(!isGreedy && adapt.topP !== undefined && adapt.topP < own.topP ? { topP: adapt.topP } : {}),
    ...(!isGreedy && adapt.topK !== undefined && adapt.topK > 0 && adapt.topK < ownK
      ? { topK: adapt.topK }
      : {}),
    ...(!isGreedy && adapt.minP !== undefined && adapt.minP > own.minP ? { minP: adapt.minP } : {}),
    ...(adapt.repetitionPenalty !== undefined && adapt.repetitionPenalty > own.repetitionPenalty
      ? { repetitionPenalty: adapt.repetitionPenalty }
      : {}),
  }
  return Object.keys(kept).length > 0 ? kept : undefined
}

type Key = keyof Adapt
const least = (key: Key, a: number | undefined, b: number | undefined): Adapt =>
  a === undefined && b === undefined ? {} : { [key]: Math.min(a ?? Infinity, b ?? Infinity) }
const most = (key: Key, a: number | undefined, b: number | undefined): Adapt =>
  a === undefined && b === undefined ? {} : { [key]: Math.max(a ?? 0, b ?? 0) }
