import { describe, expect, it } from 'vitest'
import { withRedactions } from '../../src/tools/json-merge.ts'

describe('withRedactions', () => {
  const original = '{"to": "a@bank.example", "cc": "b@x.example", "n": 1.0}'
  const marked = '{"to": "a@bank.example", "cc": "b@x.example", "n": 1.0,"mark":true}'
  const redacted = '{"to": "[mail]", "cc": "[mail]", "n": 1.0}'

  it('redacts what the rewrite left as it was', () => {
    const safe = '{"to": "safe", "cc": "b@x.example", "n": 1.0}'
    expect(withRedactions(original, safe, redacted)).toBe(
      '{"to": "safe", "cc": "[mail]", "n": 1.0}',
    )
  })

  it('leaves a value that policy had the engine say', () => {
    expect(withRedactions(original, marked, redacted, ['a@bank.example'])).toBe(
      '{"to": "a@bank.example", "cc": "[mail]", "n": 1.0,"mark":true}',
    )
  })

  it('gives the rewrite alone when nothing is redacted', () => {
    expect(withRedactions(original, marked, original)).toBe(marked)
  })
})
