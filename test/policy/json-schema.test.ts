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

  it('has only patterns that every language reads alike', () => {
    const patterns = JSON.stringify(published).match(/"pattern":"(?:[^"\\]|\\.)*"/g) ?? []
    expect(patterns.length).toBeGreaterThan(0)
    expect(patterns.filter((text) => /\\\\[pPkKbB]|\(\?[^:]/.test(text))).toEqual([])
    const name = new RegExp(
      JSON.parse(`{${patterns.find((text) => text.includes('x7b'))}}`).pattern,
    )
    for (let code = 0x20; code < 0x180; code++) {
      const char = String.fromCodePoint(code)
      const isName = /[\p{L}\p{N}_]/u.test(char)
      if (code < 0x80 || isName) expect([char, name.test(char)]).toEqual([char, isName])
      const isInside = isName || '.:/@ -'.includes(char)
      if (code < 0x80 || isInside) expect([char, name.test(`a${char}`)]).toEqual([char, isInside])
    }
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
