import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import Ajv2020 from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readPolicyFiles } from '../../src/policy/files/file.ts'
import { policyJsonSchema } from '../../src/policy/schema/json-schema.ts'
import { data } from './findings.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const published = JSON.parse(
  readFileSync(resolve(ROOT, 'docs/policy.schema.json'), 'utf8'),
) as object

describe('docs/policy.schema.json', () => {
  it('is what `npm run schema` writes', () => {
    expect(published).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())))
  })

  it('accepts every shipped pack and a CheckStream rule file, and refuses a typo', () => {
    const validate = new Ajv2020.default({ strict: false, validateFormats: false }).compile(
      published,
    )
    for (const { text, file } of readPolicyFiles(resolve(ROOT, 'policies'))) {
      expect(validate(parse(text)), `${file} ${JSON.stringify(validate.errors)}`).toBe(true)
    }
    expect(validate(parse(data('legacy-rules.yaml')))).toBe(true)
    expect(validate({ name: 'p', rulez: [] })).toBe(false)
  })
})
