/** The policy schema as JSON Schema (draft 2020-12), for editors that complete and check YAML. */
import { z } from 'zod'
import { policyDocument } from './schema.ts'
import { name } from './schema-words.ts'

/**
 * A name without `\p`, which is no part of what JSON Schema calls interoperable (draft 2020-12,
 * section 6.4 of the core) and which Python and Go read otherwise: ASCII is as exact, and beyond it
 * every character passes and is left to the program.
 */
const PORTABLE_NAME =
  '^[^\\x00-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\x7f][^\\x00-\\x1f\\x21-\\x2c\\x3b-\\x3f\\x5b-\\x5e\\x60\\x7b-\\x7f]*$'

export function policyJsonSchema(): Record<string, unknown> {
  const exact = (z.toJSONSchema(name) as { readonly pattern?: string }).pattern
  const schema = z.toJSONSchema(policyDocument, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern === exact) jsonSchema.pattern = PORTABLE_NAME
    },
  })
  return { ...schema, title: 'CheckStream policy' }
}
