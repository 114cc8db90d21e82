/** Words, bounds and small shapes that the parts of the policy schema share. */
import { z } from 'zod'
import { FOLDS } from '../../model/ban.ts'

/** Bounds of one document beside those of its YAML; past one it is refused with the key and the bound. */
export const MAX = {
  rules: 2_000,
  phrases: 50_000,
  pattern: 4_096,
  /** Of a policy: its phrases, each with its forms and disguised apostrophes. */
  texts: 50_000,
  patternCharacters: 256 * 1024,
  /** Of its patterns without a bound: each character of a text may cost as many. */
  linearSteps: 50_000,
  text: 8_192,
} as const

export const name = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\p{L}\p{N}_][\p{L}\p{N}_.:/@ -]*$/u, 'expected a name: letters, digits, _ . : / @ -')
export const text = z.string().min(1).max(MAX.text)
export const probability = z.number().min(0).max(1)
export const pattern = z.string().min(1).max(MAX.pattern)
export const phrases = z.array(text).max(MAX.phrases)

export const matching = {
  match: z.enum(['word', 'substring']).optional(),
  folds: z
    .union([z.literal('all'), z.array(z.enum(FOLDS)).max(8)])
    .optional()
    .describe('What is made equal before comparing; `all` is every fold.'),
  case_insensitive: z.boolean().optional().describe('Short for the fold `case`.'),
}
