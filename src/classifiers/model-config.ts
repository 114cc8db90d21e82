/**
 * What a model folder's `config.json` says, in our form: our own models and Hugging Face style ones.
 *
 * Kinds: `stream` (state in, state out), `tagger` (labels at every unit), `sequence` (one set of labels
 * a window) and `token` (labels at every token, BIO prefixes are dropped). How logits become
 * probabilities is decided here once.
 */
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'

export type ModelConfig =
  | {
      readonly kind: 'stream'
      readonly labels: readonly string[]
      readonly state: number
      readonly start: readonly number[]
    }
  | {
      readonly kind: 'tagger'
      readonly labels: readonly string[]
      readonly windowUnits: number
      readonly overlapUnits: number
    }
  | {
      readonly kind: 'sequence' | 'token'
      readonly labels: readonly string[]
      /** `sigmoid`: labels are independent; `softmax`: they share one. */
      readonly activation: 'sigmoid' | 'softmax'
      readonly windowTokens: number
      readonly overlapTokens: number
      /** File with names of emoji, for vocabularies that know none. */
      readonly emoji?: string
      /** A text's odds are its best window's divided by this power of the number of windows. */
      readonly sharesOdds: number
    }

const streamSchema = z.strictObject({
  kind: z.literal('stream'),
  labels: z.array(z.string()).min(1),
  state: z.int().positive().max(1024),
  slots: z.literal(34),
  buckets: z.literal(65536),
  start: z.array(z.number()),
})

const taggerSchema = z
  .strictObject({
    kind: z.literal('tagger'),
    labels: z.array(z.string()).min(2),
    slots: z.literal(34),
    buckets: z.literal(65536),
    window_units: z.int().min(8).max(4096),
    overlap_units: z.int().min(0),
  })
  .refine((c) => c.overlap_units < c.window_units, {
    path: ['overlap_units'],
    error: 'expected less than window_units',
  })

// Hugging Face configs carry dozens of keys that do not concern us: unknown keys are allowed here.
const hfSchema = z.object({
  architectures: z.array(z.string()).optional(),
  problem_type: z.string().nullish(),
  id2label: z.record(z.string(), z.string()).optional(),
  num_labels: z.int().positive().optional(),
  max_position_embeddings: z.int().positive().optional(),
  checkstream: z
    .strictObject({
      window_tokens: z.int().min(8).max(8192),
      overlap_tokens: z.int().min(0),
      emoji: z.string().optional(),
      share_odds: z.union([z.boolean(), z.number().min(0).max(4)]).optional(),
    })
    .optional(),
})

function invalid(place: string, error: z.ZodError): GuardError {
  const { path, told } = firstMistake(error)
  return new GuardError('model_invalid', `${place}.${path}: ${told}`, { cause: error })
}

export function parseModelConfig(value: unknown, place: string): ModelConfig {
  const own = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : ''
  if (own === 'tagger') {
    const found = taggerSchema.safeParse(value, { reportInput: true })
    if (!found.success) throw invalid(place, found.error)
    const { kind, labels, window_units: windowUnits, overlap_units: overlapUnits } = found.data
    return { kind, labels, windowUnits, overlapUnits }
  }
  if (own === 'stream') {
    const found = streamSchema.safeParse(value, { reportInput: true })
    if (!found.success) throw invalid(place, found.error)
    const { labels, state, start } = found.data
    if (start.length !== state) {
      throw new GuardError(
        'model_invalid',
        `${place}.start: expected ${state} numbers, got ${start.length}`,
      )
    }
    return { kind: 'stream', labels, state, start }
  }
  const found = hfSchema.safeParse(value, { reportInput: true })
  if (!found.success) throw invalid(place, found.error)
  return fromHuggingFace(found.data)
}

function fromHuggingFace(config: z.infer<typeof hfSchema>): ModelConfig {
  const named = Object.entries(config.id2label ?? {}).toSorted(([a], [b]) => Number(a) - Number(b))
  const count = named.length > 0 ? named.length : (config.num_labels ?? 2)
  const labels = Array.from({ length: count }, (_, i) => named[i]?.[1] ?? `LABEL_${i}`)
  const architecture = config.architectures?.[0] ?? ''
  const multi = config.problem_type === 'multi_label_classification' || count === 1
  const window =
    config.checkstream?.window_tokens ?? Math.min(config.max_position_embeddings ?? 512, 128)
  return {
    kind: architecture.endsWith('ForTokenClassification') ? 'token' : 'sequence',
    labels,
    activation: multi ? 'sigmoid' : 'softmax',
    windowTokens: window,
    overlapTokens: config.checkstream?.overlap_tokens ?? Math.floor(window / 4),
    // `true` is 1.
    sharesOdds: Number(config.checkstream?.share_odds ?? 0),
    ...(config.checkstream?.emoji === undefined ? {} : { emoji: config.checkstream.emoji }),
  }
}
