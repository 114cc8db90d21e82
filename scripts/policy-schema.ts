/** Writes docs/policy.schema.json, the JSON Schema of policies for editors: `npm run schema`. */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { format } from 'prettier'
import { policyJsonSchema } from '../src/policy/schema/json-schema.ts'

const out = resolve(import.meta.dirname, '../docs/policy.schema.json')
const options = { parser: 'json', semi: false, singleQuote: true, printWidth: 100 } as const
writeFileSync(out, await format(JSON.stringify(policyJsonSchema()), options))
console.log(`wrote ${out}`)
