/** The `tools` section: who may call which tool, with which values, how often, and who has to agree. */
import { z } from 'zod'
import { MAX, text } from './schema-words.ts'

const scalar = z.union([z.string().max(MAX.text), z.number(), z.boolean(), z.null()])
const origin = z.enum(['trusted', 'untrusted', 'unknown'])
const names = z.array(text).min(1).max(1_000)
const tool = z.string().min(1).max(256)
const seconds = z.number().positive().max(86_400)

/** One test of a value; every key that is written has to hold. */
export type AllowDocument = {
  one_of?: (string | number | boolean | null)[] | undefined
  domains?: string[] | undefined
  under?: string[] | undefined
  url?: { schemes?: string[] | undefined; hosts?: string[] | undefined } | undefined
  min?: number | undefined
  max?: number | undefined
  integer?: boolean | undefined
  max_length?: number | undefined
  origin?: z.infer<typeof origin>[] | undefined
  parts?: boolean | undefined
  any?: AllowDocument[] | undefined
}

const allow: z.ZodType<AllowDocument> = z.strictObject({
  one_of: z.array(scalar).min(1).max(1_000).optional(),
  domains: names
    .optional()
    .describe('Hosts of addresses and URLs in the value; *.example.com for all names under it.'),
  under: names.optional().describe('Folders; paths are compared after normalisation.'),
  url: z
    .strictObject({ schemes: names.optional(), hosts: names.optional() })
    .optional()
    .describe('An absolute URL that leads to no private or special address.'),
  min: z.number().optional(),
  max: z.number().optional(),
  integer: z.boolean().optional(),
  max_length: z.number().int().min(0).optional(),
  origin: z
    .array(origin)
    .min(1)
    .optional()
    .describe('Where the value may come from: what the user or operator wrote is trusted.'),
  parts: z
    .boolean()
    .optional()
    .describe('Also ask the origin of addresses and identifiers inside the value.'),
  get any() {
    return z.array(allow).min(1).max(32).optional()
  },
})

const otherwise = z.union([
  z.enum(['block', 'note']),
  z.strictObject({ rewrite: scalar }),
  z.strictObject({ step_up_seconds: seconds }),
])

const value = z.strictObject({
  name: z.string().min(1).max(128).optional().describe('For decisions and logs; the path.'),
  path: z.string().min(1).max(256).describe('Members by dots; * is every member or element.'),
  allow,
  otherwise: otherwise.default('block'),
})

const toolRule = z.strictObject({
  schema: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('JSON Schema of the arguments; a call that does not fit is blocked.'),
  values: z.array(value).max(256).default([]),
  at_most: z.number().int().min(0).optional().describe('Calls in one conversation.'),
  rate: z
    .strictObject({ calls: z.number().int().min(1), within_seconds: seconds })
    .optional()
    .describe('Calls by one agent, or in one session where the client names it.'),
  after: z.array(tool).max(64).optional().describe('Tools that must have been called before.'),
  not_after: z.array(tool).max(64).optional(),
  step_up: z
    .strictObject({ reason: text, expires_seconds: seconds.default(300) })
    .optional()
    .describe('Every call waits for a person.'),
})

export const toolsSection = z.strictObject({
  grants: z
    .array(
      z.strictObject({
        tools: z.array(tool).min(1).max(1_000),
        tenants: names.optional(),
        agents: names.optional(),
      }),
    )
    .max(1_000)
    .optional()
    .describe('What no grant names is blocked; left out, every tool may be called.'),
  message: text.default('This tool call was blocked by policy.'),
  rules: z.record(tool, toolRule).default({}),
})

export type ToolsDocument = z.infer<typeof toolsSection>
