import { describe, expect, it } from 'vitest'
import { data } from './findings.ts'
import { fuzzPolicies } from './fuzz.ts'
import { buildLibrary } from '../../src/policy/library.ts'

const small = data('small.yaml')

// `npm run bench:policy -- --fuzz` breaks 50 000.
describe('policies', () => {
  it(
    'are a policy or problems, never a crash or a hang, whatever is broken in them',
    { timeout: 60_000 },
    () => {
      const result = fuzzPolicies([small, small, small, data('legacy-rules.yaml')], 300, 20_261_121)
      expect(result.policies).toBeGreaterThan(5)
      expect(result.slowestMs, result.slowest).toBeLessThan(1_000)
    },
  )

  it.each([
    ['unknown', (i: number) => `k${i}: 1`],
    ['repeated', () => 'name: p'],
  ])('tell twenty of many %s keys', (_, key) => {
    const text = `name: p\n${Array.from({ length: 5_000 }, (_one, i) => key(i)).join('\n')}\n`
    const { library, problems } = buildLibrary([{ file: 'many.yaml', text }], { nowMs: 0 })
    expect(library).toBeUndefined()
    expect(problems.length).toBe(20)
    expect(problems[0]?.line).toBe(2)
  })
})
