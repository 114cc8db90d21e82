import { describe, expect, it } from 'vitest'
import { data } from './findings.ts'
import { fuzzPolicies } from './fuzz.ts'
import { HOSTILE } from './hostile.ts'
import { buildLibrary } from '../../src/policy/files/library.ts'

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

  it.each(Object.entries(HOSTILE))(
    'of 256 KiB of one thing are a policy or a few problems: %s',
    (_, make) => {
      const { library, problems } = buildLibrary([{ file: 'h.yaml', text: make(256 * 1024) }], {
        nowMs: 0,
      })
      expect(library === undefined).toBe(problems.some((p) => p.severity === 'error'))
      expect(problems.length).toBeLessThanOrEqual(100)
      for (const problem of problems) expect(problem.line).toBeGreaterThanOrEqual(1)
    },
  )

  it.each([
    ['aliases', 'at most 1000 aliases', 4, 3 + 1000 * 4 + 4],
    ['directives', 'at most 16 directives', 17, 1],
    ['anchors', 'at most 1000 anchors', 1004, 5],
    ['unknownKeys', 'at most 120000 tokens', 17_143, undefined],
    ['badEscapes', 'Invalid escape sequence \\q', 1, 8],
    ['wordsMany', 'at most 50000 phrases and forms of words', undefined, undefined],
    ['bigPattern', 'at most 50000 steps in patterns that have no bound', undefined, undefined],
  ])('are refused where they pass a bound: %s', (name, message, line, column) => {
    const text = HOSTILE[name]?.(1024 * 1024) ?? ''
    const [problem] = buildLibrary([{ file: 'h.yaml', text }], { nowMs: 0 }).problems
    expect(problem?.message).toContain(message)
    if (line !== undefined) expect(problem?.line).toBe(line)
    if (column !== undefined) expect(problem?.column).toBe(column)
  })

  it('of as many values as there may be are still read', () => {
    const phrases = Array.from({ length: 39_000 }, (_, i) => `"phrase ${i}"`).join(', ')
    const text = `name: p\nlists: {a: [${phrases}]}\nrules:\n  - {name: r, trigger: {type: keywords, list: a}, actions: [{type: redact}]}\n`
    const { library } = buildLibrary([{ file: 'large.yaml', text }], { nowMs: 0 })
    expect(library?.combined.texts.length).toBe(39_000)
  })
})
