/**
 * One row of logits to one token. The order is that of vLLM's V1 sampler (vllm/v1/sample/sampler.py):
 * logit bias and minimum length, the guard's masks (between the two functions here), penalties,
 * temperature, min_p, top_k, top_p, draw. A token at minus infinity is never drawn.
 */
import type { Random } from './random.ts'

export type Sampling = {
  /** 0 is greedy. */
  readonly temperature: number
  readonly topP: number
  /** 0 or less is off. */
  readonly topK: number
  readonly minP: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  readonly repetitionPenalty: number
}

/** Below this a temperature is greedy, as in vLLM. */
const GREEDY = 1e-5

/** What the request itself forbids or wants, before any guard. Changes `logits`. */
export function applyRequest(
  logits: Float32Array,
  bias: ReadonlyMap<number, number>,
  forbidden: readonly number[],
): void {
  for (const [id, value] of bias) logits[id] = (logits[id] ?? -Infinity) + value
  for (const id of forbidden) logits[id] = -Infinity
}

/** Token counts of a row, for the penalties. Grows with the row's tokens. */
export class TokenCounts {
  readonly #prompt: Set<number>
  readonly #output = new Map<number, number>()

  constructor(prompt: readonly number[]) {
    this.#prompt = new Set(prompt)
  }

  add(token: number): void {
    this.#output.set(token, (this.#output.get(token) ?? 0) + 1)
  }

  /** Repetition (Keskar et al., 2019) over prompt and output; frequency and presence over output. */
  penalise(logits: Float32Array, sampling: Sampling): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = sampling
    if (repetitionPenalty !== 1) {
      for (const id of new Set([...this.#prompt, ...this.#output.keys()])) {
        const value = logits[id] ?? 0
        logits[id] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty
      }
    }
    if (frequencyPenalty === 0 && presencePenalty === 0) return
    for (const [id, count] of this.#output) {
      logits[id] = (logits[id] ?? 0) - frequencyPenalty * count - presencePenalty
    }
  }
}

/** The token drawn; undefined when every token is at minus infinity. Changes `logits`. */
export function draw(
  logits: Float32Array,
  sampling: Sampling,
  counts: TokenCounts,
  random: Random,
): number | undefined {
  counts.penalise(logits, sampling)
  const best = argmax(logits)
  if (best === undefined || sampling.temperature < GREEDY) return best
  const top = logits[best] ?? 0
  const weights = logits
  let total = 0
  const floor = sampling.minP > 0 ? sampling.minP : 0
  for (let i = 0; i < weights.length; i++) {
    // Weights are relative to the best token, so min_p is a plain threshold on them.
    const weight = Math.exp(((weights[i] ?? -Infinity) - top) / sampling.temperature)
    weights[i] = weight >= floor ? weight : 0
    total += weights[i] ?? 0
  }
  const off = sampling.topK <= 0 || sampling.topK >= weights.length
  if (off && sampling.topP >= 1) return pick(weights, total, random)
  return pickFrom(weights, keep(weights, total, sampling), random)
}

/** The highest logit, lowest id first, as torch.argmax finds it. */
export function argmax(logits: Float32Array): number | undefined {
  let best: number | undefined
  let value = -Infinity
  for (let i = 0; i < logits.length; i++) {
    const here = logits[i] ?? -Infinity
    if (here > value) {
      value = here
      best = i
    }
  }
  return best
}

/** The ids that top_k and then top_p leave, best first; at least one. */
function keep(weights: Float32Array, total: number, sampling: Sampling): number[] {
  const ids: number[] = []
  for (let i = 0; i < weights.length; i++) if ((weights[i] ?? 0) > 0) ids.push(i)
  ids.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b)
  let kept = ids
  let mass = total
  if (sampling.topK > 0 && sampling.topK < ids.length) {
    kept = ids.slice(0, sampling.topK)
    mass = kept.reduce((sum, id) => sum + (weights[id] ?? 0), 0)
  }
  if (sampling.topP >= 1) return kept
  let sum = 0
  const end = kept.findIndex((id) => (sum += weights[id] ?? 0) >= sampling.topP * mass)
  return end < 0 ? kept : kept.slice(0, end + 1)
}

function pick(weights: Float32Array, total: number, random: Random): number | undefined {
  let left = random() * total
  let last: number | undefined
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] ?? 0
    if (weight <= 0) continue
    last = i
    left -= weight
    if (left < 0) return i
  }
  return last
}

function pickFrom(
  weights: Float32Array,
  ids: readonly number[],
  random: Random,
): number | undefined {
  const total = ids.reduce((sum, id) => sum + (weights[id] ?? 0), 0)
  let left = random() * total
  for (const id of ids) {
    left -= weights[id] ?? 0
    if (left < 0) return id
  }
  return ids.at(-1)
}
