/**
 * The policy document as people write it: every key, its type, its bound and its default.
 *
 * A superset of the CheckStream rule files: theirs load unchanged. Unknown keys are errors, since a
 * guard must not ignore a typo. Published as docs/policy.schema.json by `npm run schema`.
 */
import { z } from 'zod'
import { FOLDS } from '../../model/ban.ts'
import { MODES, PHASES } from '../../model/finding.ts'
import { action, safeVocabulary, smoothing } from './schema-actions.ts'
import { MAX, name, probability, text } from './schema-words.ts'
import { contextTrigger, trigger } from './schema-triggers.ts'
import { policyTest } from './schema-tests.ts'
import { toolsSection } from './schema-tools.ts'

const phases = z.union([z.enum(PHASES), z.array(z.enum(PHASES)).min(1).max(5)])
const ON_FAILURE = ['closed', 'open', 'resident'] as const

const exception = z.strictObject({
  reason: text.describe('Why the exception was granted; it is logged with every use.'),
  until: z.iso
    .datetime({ offset: true })
    .or(z.iso.date())
    .describe('Last moment at which it holds. A date means the end of that day, UTC.'),
  when: contextTrigger.optional().describe('To whom it applies; everyone when left out.'),
})

export const rule = z.strictObject({
  name,
  description: z.string().max(MAX.text).default(''),
  enabled: z.boolean().default(true),
  enabled_when: contextTrigger.optional().describe('The rule is looked at only while this holds.'),
  mode: z.enum(MODES).optional(),
  phase: phases
    .optional()
    .describe('Where it applies; by default wherever its actions make sense.'),
  priority: z.number().int().min(0).max(1000).optional().describe('Higher is looked at earlier.'),
  continue: z
    .boolean()
    .default(true)
    .describe('false: when this rule fires, rules after it are not looked at.'),
  on_failure: z.enum(ON_FAILURE).optional(),
  wait: z.boolean().optional().describe('The engine waits for the sidecar while it can act.'),
  release: z.enum(['live', 'judged']).optional(),
  regulation: z.string().max(MAX.text).optional(),
  tags: z.array(name).max(32).default([]),
  trigger: trigger.optional(),
  actions: z.array(action).min(1).max(16),
  exceptions: z.array(exception).max(64).default([]),
  tests: z.array(policyTest).max(1000).default([]),
})

/** The seed's block: risk in, safer sampling out. */
const adaptiveDecoding = z.strictObject({
  enabled: z.boolean().default(true),
  classifiers: z
    .array(name)
    .min(1)
    .max(16)
    .default(['toxicity_detector', 'finance_regulatory', 'self_harm', 'prompt_injection']),
  risk_threshold: probability.default(0.7),
  leave: probability.optional().describe('Risk below which it goes back; 0.7 of the threshold.'),
  dwell_tokens: z.number().int().min(0).max(4096).default(16),
  smoothing: smoothing.default({ kind: 'ema', alpha: 0.5 }),
  safe_mode: z
    .strictObject({
      temperature: z.number().min(0).max(2).default(0.3),
      top_p: z.number().gt(0).max(1).default(0.6),
      top_k: z.number().int().min(1).max(1_000_000).optional(),
      min_p: probability.optional(),
      repetition_penalty: z.number().gt(0).max(2).optional(),
      safe_vocabulary: safeVocabulary.optional(),
    })
    .prefault({}),
})

export const policyDocument = z.strictObject({
  name,
  description: z.string().max(MAX.text).default(''),
  version: z.union([z.string(), z.number()]).transform(String).default(''),
  regulation: z.string().max(MAX.text).optional(),
  tags: z.array(name).max(32).default([]),
  extends: z
    .union([name, z.array(name).max(16)])
    .optional()
    .describe('Policies whose rules come first; a rule of the same name here replaces theirs.'),
  mode: z.enum(MODES).optional(),
  on_failure: z.enum(ON_FAILURE).optional(),
  defaults: z
    .strictObject({
      mode: z.enum(MODES).optional(),
      priority: z.number().int().min(0).max(1000).optional(),
      phase: phases.optional(),
      folds: z.union([z.literal('all'), z.array(z.enum(FOLDS)).max(8)]).optional(),
      on_failure: z.enum(ON_FAILURE).optional(),
      wait: z.boolean().optional(),
      release: z.enum(['live', 'judged']).optional(),
    })
    .default({}),
  variables: z.record(name, z.string().max(MAX.text)).default({}),
  lists: z.record(name, z.array(text).max(MAX.phrases)).default({}),
  adaptive_decoding: adaptiveDecoding.optional(),
  tools: toolsSection
    .optional()
    .describe('Who may call which tool; a call has to pass the section of every policy in force.'),
  rules: z.array(rule).max(MAX.rules).default([]),
  tests: z.array(policyTest).max(10_000).default([]),
})

export type PolicyDocument = z.infer<typeof policyDocument>
export type RuleDocument = z.infer<typeof rule>
export type AdaptiveDocument = z.infer<typeof adaptiveDecoding>
export type ExceptionDocument = z.infer<typeof exception>
