/** The policy schema as JSON Schema (draft 2020-12), for editors that complete and check YAML. */
import { z } from 'zod'
import { policyDocument } from './schema.ts'

export function policyJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(policyDocument, { io: 'input', unrepresentable: 'any' })
  return { ...schema, title: 'CheckStream policy' }
}
