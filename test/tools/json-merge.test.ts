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

  it('leaves a chosen value under a key that is redacted', () => {
    const was = '{"secret": {"to": "desk", "cc": "x"}, "n": 1}'
    const clean = '{"*": {"to": "*", "cc": "*"}, "n": 1}'
    expect(JSON.parse(withRedactions(was, was, clean, ['desk']))).toEqual({
      '*': { to: 'desk', cc: '*' },
      n: 1,
    })
  })

  it('lets no value of a key through that stands twice', () => {
    const was = '{"note":"secret","to":"evil","note":"ok"}'
    const safe = '{"note":"secret","to":"safe","note":"ok"}'
    const clean = '{"note":"*","to":"evil","note":"ok"}'
    expect(withRedactions(was, safe, clean)).toBe('{"note":"ok","to":"safe"}')
  })

  it('redacts as a text what was cut off', () => {
    expect(withRedactions('{"to": "desk', '{"to": "desk', '{"to": "*', ['desk'])).toBe('{"to": "*')
  })
})
