import { describe, expect, it } from 'vitest'
import { readDocument } from '../../../src/main/site/site-document.ts'
import { tenantsSchema } from '../../../src/policy/tenants.ts'

describe('readDocument', () => {
  it('tells every mistake with its place, and the key that was meant', () => {
    const text = 'unknown: refuse\ntenants:\n  retail:\n    polcy: strict\n    limts: {}\n'
    expect(() => readDocument(text, 'tenants.yaml', tenantsSchema)).toThrow(
      [
        'tenants.yaml:3:3 tenants.retail.policy: expected string, got nothing',
        'tenants.yaml:4:5 tenants.retail.polcy: unknown key; did you mean policy?',
        'tenants.yaml:5:5 tenants.retail.limts: unknown key; did you mean limits?',
      ].join('\n'),
    )
  })
})
