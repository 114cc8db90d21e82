/** Tests that stand beside the rules: what was seen, and which rules it must or must not fire. */
import { z } from 'zod'
import { PHASES } from '../../model/finding.ts'
import { MAX, name, probability } from './schema-words.ts'

export const policyTest = z.strictObject({
  name: z.string().min(1).max(256).optional(),
  text: z.string().max(MAX.text).default(''),
  phase: z.enum(PHASES).optional().describe('By default the first phase of the rule.'),
  fires: z
    .union([z.boolean(), name, z.array(name).max(64)])
    .describe('In a rule: true or false. In a document: the rules that must fire, and no others.'),
  scores: z
    .record(name, z.union([probability, z.record(name, probability)]))
    .default({})
    .describe('Verdicts as stated: classifier → probability, or → label → probability.'),
  pii: z
    .array(
      z.strictObject({ type: name, text: z.string().min(1), confidence: probability.default(1) }),
    )
    .max(64)
    .default([]),
  tool: z
    .strictObject({
      name,
      arguments: z.record(z.string(), z.unknown()).default({}),
      complete: z.boolean().default(true),
    })
    .optional(),
  unjudged: z.array(name).max(16).default([]),
  context: z
    .record(z.string().max(128), z.union([z.string(), z.number(), z.boolean()]))
    .default({}),
  becomes: z.string().optional().describe('The text after redaction and replacement.'),
})

export type PolicyTest = z.infer<typeof policyTest>
