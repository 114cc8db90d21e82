import { describe, expect, it } from 'vitest'
import { data } from './findings.ts'
import { fuzzPolicies } from './fuzz.ts'

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
})
