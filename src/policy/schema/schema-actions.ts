/** What a rule does, one shape for each kind; which is legal in which phase stands in legal.ts. */
import { z } from 'zod'
import { matching, MAX, name, pattern, phrases, probability, text } from './schema-words.ts'

const level = z.strictObject({
  enter: probability,
  leave: probability.optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  top_k: z.number().int().min(1).max(1_000_000).optional(),
  min_p: probability.optional(),
  repetition_penalty: z.number().gt(0).max(2).optional(),
})

/** How risk is read from the newest scores. */
export const smoothing = z.union([
  z.strictObject({ kind: z.literal('max') }),
  z.strictObject({ kind: z.literal('ema'), alpha: z.number().gt(0).max(1).default(0.5) }),
  z.strictObject({
    kind: z.literal('n_of_m'),
    n: z.number().int().min(1).max(64),
    m: z.number().int().min(1).max(64),
  }),
])

const tokenIds = z.array(z.number().int().min(0)).max(262_144)

export const safeVocabulary = z
  .union([
    tokenIds,
    z.strictObject({
      characters: z
        .string()
        .max(MAX.text)
        .optional()
        .describe('Tokens that are made of nothing but these characters.'),
      words: z
        .array(text)
        .max(10_000)
        .optional()
        .describe('Tokens that are one of these words, or that spell it.'),
      tokens: tokenIds.optional(),
    }),
  ])
  .describe('While adapted nothing else may be sampled: token ids, or text.')

const adapt = z.strictObject({
  type: z.literal('adapt'),
  parameter: z.enum(['temperature', 'top_p', 'top_k', 'repetition_penalty']).optional(),
  value: z.number().min(0).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  top_k: z.number().int().min(1).max(1_000_000).optional(),
  min_p: probability.optional(),
  repetition_penalty: z.number().gt(0).max(2).optional(),
  safe_vocabulary: safeVocabulary.optional(),
  for_tokens: z
    .number()
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe('How long it holds after the last evidence; the rest of the answer when left out.'),
  levels: z.array(level).min(1).max(8).optional().describe('Rising thresholds with hysteresis.'),
  dwell_tokens: z.number().int().min(0).max(4096).optional(),
  smoothing: smoothing.optional(),
})
export type AdaptAction = z.infer<typeof adapt>

const ban = z.strictObject({
  type: z.literal('ban'),
  phrases: phrases.optional(),
  patterns: z.array(pattern).max(10_000).optional(),
  list: name.optional(),
  ...matching,
  pending: z.enum(['allow', 'deny']).default('allow'),
  replacement: z
    .string()
    .max(MAX.text)
    .default('[removed]')
    .describe('Takes its place where no engine enforces the ban (proxy mode).'),
})
export type BanAction = z.infer<typeof ban>

const notify = z.strictObject({
  type: z.literal('notify'),
  to: name.optional().describe('A destination of the configuration, by its name.'),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .optional()
    .describe('The same, by its address; addresses that are not configured are told nothing.'),
  message: z.string().max(MAX.text).optional(),
})

export const action = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('log'),
    message: z.string().max(MAX.text).default(''),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  }),
  z.strictObject({
    type: z.literal('audit'),
    category: name.default('policy'),
    severity: z.enum(['low', 'medium', 'high', 'critical']).default('medium'),
  }),
  notify,
  z.strictObject({
    type: z.literal('stop'),
    message: z.string().max(MAX.text).default('This content was stopped by policy.'),
    status_code: z.number().int().min(400).max(599).default(403),
  }),
  z.strictObject({
    type: z.literal('redact'),
    replacement: z.string().max(MAX.text).default('[REDACTED]'),
  }),
  z.strictObject({ type: z.literal('replace'), replacement: text }),
  z.strictObject({
    type: z.literal('inject'),
    content: text,
    position: z.enum(['before', 'after', 'replace']).default('after'),
    once: z.boolean().default(true),
  }),
  adapt,
  ban,
  z.strictObject({
    type: z.literal('deny'),
    tokens: z.array(z.number().int().min(0)).max(262_144).optional(),
    texts: z.array(text).max(10_000).optional().describe('Tokens whose text is one of these.'),
  }),
  z.strictObject({ type: z.literal('force'), text }),
  z.strictObject({
    type: z.literal('rewrite_tool'),
    argument: z.string().min(1).max(256),
    value: z.string().max(MAX.text),
  }),
  z.strictObject({
    type: z.literal('block_tool_call'),
    message: z.string().max(MAX.text).default('This tool call was blocked by policy.'),
  }),
  z.strictObject({
    type: z.literal('step_up'),
    reason: z.string().max(MAX.text).default('A person has to agree to this call.'),
    expires_seconds: z.number().positive().max(86_400).default(300),
  }),
])

export type ActionDocument = z.infer<typeof action>
export type ActionKind = ActionDocument['type']
export const ACTION_TYPES = action.options.map((o) => o.shape.type.value) as readonly ActionKind[]
