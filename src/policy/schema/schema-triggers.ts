/** The conditions of a rule: what was found, and what is asked about the request itself. */
import { z } from 'zod'
import { matching, name, pattern, phrases, probability, text } from './schema-words.ts'

/** What a context condition may ask for, beside `parameters.<name>`. */
export const CONTEXT_FIELDS = [
  'tenant',
  'user',
  'model',
  'tool',
  'agent',
  'phase',
  'position',
  'response_length',
  'request_id',
] as const

const scalar = z.union([z.string().max(1024), z.number(), z.boolean()])

const contextLeaf = z.strictObject({
  type: z.literal('context'),
  field: z.string().max(128),
  value: scalar
    .optional()
    .describe('Equal to this; a string may begin with >, >=, <, <= or != to compare.'),
  in: z.array(scalar).min(1).max(1000).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  prefix: z.string().max(1024).optional(),
})
export type ContextLeaf = z.infer<typeof contextLeaf>

export type ContextTrigger =
  | ContextLeaf
  | { type: 'any' | 'all'; triggers: ContextTrigger[] }
  | { type: 'not'; trigger: ContextTrigger }

/** Conditions on the request alone, for `enabled_when` and exceptions. */
export const contextTrigger: z.ZodType<ContextTrigger> = z.discriminatedUnion('type', [
  contextLeaf,
  z.strictObject({
    type: z.literal('any'),
    get triggers() {
      return z.array(contextTrigger).min(1).max(64)
    },
  }),
  z.strictObject({
    type: z.literal('all'),
    get triggers() {
      return z.array(contextTrigger).min(1).max(64)
    },
  }),
  z.strictObject({
    type: z.literal('not'),
    get trigger() {
      return contextTrigger
    },
  }),
])

const patternTrigger = z.strictObject({
  type: z.literal('pattern'),
  pattern: pattern.describe('A regular expression without look-around and back-references.'),
  ...matching,
})

const keywordsTrigger = z.strictObject({
  type: z.literal('keywords'),
  any: phrases.optional(),
  all: phrases.optional(),
  list: name.optional().describe('A list of the document, as if written under `any`.'),
  ...matching,
})

const classifierTrigger = z.strictObject({
  type: z.literal('classifier'),
  classifier: name,
  label: name.optional(),
  threshold: probability.optional(),
  min: probability.optional(),
  max: probability.optional(),
  false_positive_rate: z
    .number()
    .gt(0)
    .max(0.5)
    .optional()
    .describe("The threshold that the model's calibration gives for this rate."),
})

const piiTrigger = z.strictObject({
  type: z.literal('pii'),
  types: z.array(name).min(1).max(128).optional(),
  confidence: probability.default(0.5),
})

const toolTrigger = z.strictObject({
  type: z.literal('tool'),
  name: z.union([name, z.array(name).min(1).max(256)]).optional(),
  not_name: z.array(name).min(1).max(256).optional().describe('Any tool but these.'),
  argument: z.string().min(1).max(256).optional().describe('Dotted path into the arguments.'),
  in: z.array(scalar).min(1).max(1000).optional(),
  not_in: z.array(scalar).min(1).max(1000).optional(),
  domain_in: z.array(text).min(1).max(1000).optional(),
  domain_not_in: z
    .array(text)
    .min(1)
    .max(1000)
    .optional()
    .describe('An address or URL in the value is outside these domains and their subdomains.'),
  prefix_not_in: z
    .array(text)
    .min(1)
    .max(1000)
    .optional()
    .describe('A path in the value is, once normalised, outside these folders.'),
  min: z.number().optional().describe('Fires when the value is below, or no number.'),
  max: z.number().optional().describe('Fires when the value is above, or no number.'),
})

export type ClassifierTrigger = z.infer<typeof classifierTrigger>
export type PatternTrigger = z.infer<typeof patternTrigger>
export type KeywordsTrigger = z.infer<typeof keywordsTrigger>
export type PiiTrigger = z.infer<typeof piiTrigger>
export type ToolTrigger = z.infer<typeof toolTrigger>

export type Trigger =
  | PatternTrigger
  | KeywordsTrigger
  | ClassifierTrigger
  | PiiTrigger
  | ToolTrigger
  | ContextLeaf
  | { type: 'composite'; operator: 'and' | 'or'; triggers: Trigger[] }
  | { type: 'any' | 'all'; triggers: Trigger[] }
  | { type: 'not'; trigger: Trigger }
  | {
      type: 'count'
      trigger: Trigger
      at_least: number
      within_tokens?: number | undefined
      of?: number | undefined
    }

const many = () => z.array(trigger).min(1).max(256)

export const trigger: z.ZodType<Trigger> = z.discriminatedUnion('type', [
  patternTrigger,
  keywordsTrigger,
  classifierTrigger,
  piiTrigger,
  toolTrigger,
  contextLeaf,
  z.strictObject({
    type: z.literal('composite'),
    operator: z.enum(['and', 'or']),
    get triggers() {
      return many()
    },
  }),
  z.strictObject({
    type: z.literal('any'),
    get triggers() {
      return many()
    },
  }),
  z.strictObject({
    type: z.literal('all'),
    get triggers() {
      return many()
    },
  }),
  z.strictObject({
    type: z.literal('not'),
    get trigger() {
      return trigger
    },
  }),
  z.strictObject({
    type: z.literal('count'),
    get trigger() {
      return trigger
    },
    at_least: z.number().int().min(1).max(256),
    within_tokens: z.number().int().min(1).max(65_536).optional(),
    of: z
      .number()
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe('n of m: at least so many of the last m judgements.'),
  }),
])

export const TRIGGER_TYPES = [
  'pattern',
  'keywords',
  'classifier',
  'pii',
  'tool',
  'context',
  'composite',
  'any',
  'all',
  'not',
  'count',
] as const
