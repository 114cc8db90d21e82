import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decide } from '../../src/policy/decide/decide.ts'
import { contextFor } from '../../src/policy/command/explain.ts'
import { readCalibrations } from '../../src/main/site/calibrations.ts'
import { barFor } from '../../src/policy/bars.ts'
import { thresholdAt } from '../../src/policy/compile/calibrated.ts'
import type { PolicyLibrary } from '../../src/policy/files/library.ts'
import { loadPolicies } from '../../src/policy/files/file.ts'
import { runPolicyTests } from '../../src/policy/command/run-tests.ts'
import { scanText } from '../../src/policy/decide/scan.ts'
import { benignSets, hasBenign } from './benign.ts'

const library = loadPolicies(resolve(import.meta.dirname, '../../policies'))
const packs = library.sources.map((source) => {
  const policy = library.policies.get(source.document.name)
  if (policy === undefined) throw new Error(`no ${source.document.name}`)
  return { source, policy, name: policy.name }
})
const SHIPPED = (
  'basic-safety demo fca-consumer-duty fca-consumer-duty-strict fca-retail-banking ' +
  'finra-communications gdpr-eu hipaa-us prompt-injection secrets'
).split(' ')

describe('the shipped packs', () => {
  it('are all there and compile without a warning', () => {
    expect(packs.map((p) => p.name).sort()).toEqual(SHIPPED)
    expect(library.warnings).toEqual([])
  })

  it.each(packs)('$name: every rule has two firing and two quiet tests, and all pass', (pack) => {
    const { results, coverage } = runPolicyTests(pack.policy, pack.source)
    expect(results.filter((r) => !r.isPassed)).toEqual([])
    expect(coverage.length).toBe(pack.source.document.rules.length)
    expect(coverage.filter((c) => c.firing < 2 || c.quiet < 2)).toEqual([])
  })

  it.each(packs)('$name: every rule cites a regulation or says what it is for', ({ source }) => {
    for (const rule of source.document.rules) expect(rule.description).not.toBe('')
  })

  it('keep rules of the same name apart when all are one policy', () => {
    const names = library.combined.rules.map((rule) => rule.name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => name.endsWith('identifiers')).length).toBe(2)
  })
})

describe('stop and ban rules that ask a classifier', () => {
  const names = ['toxicity_detector', 'prompt_injection', 'finance_regulatory', 'self_harm', 'risk']
  const calibration = readCalibrations(resolve(import.meta.dirname, '../../models'), names)
  const stops = (policies: PolicyLibrary['policies']) =>
    [...policies.values()].flatMap(({ name, rules, leaves }) =>
      rules
        .filter(({ actions }) => actions.some(({ kind }) => kind === 'stop' || kind === 'ban'))
        .flatMap((rule) => rule.leaves.map((i) => leaves[i]))
        .flatMap((leaf) => (leaf?.kind === 'verdict' ? [{ name, leaf }] : [])),
    )

  // Of all benign rows that the heads were calibrated on, `pool` in models/*/calibration.json.
  it('have thresholds that at most one benign row in a thousand reaches', () => {
    const folder = resolve(import.meta.dirname, '../../policies')
    const calibrated = loadPolicies(folder, { calibration })
    expect(calibrated.warnings).toEqual([])
    const found = [...stops(calibrated.policies), ...stops(library.policies)]
    expect(found.length).toBeGreaterThan(8)
    for (const { name, leaf } of found) {
      const bar = thresholdAt(calibration, { classifier: leaf.model, rate: 0.001 })
      if (bar.kind === 'unknown') throw new Error(`${leaf.model} is not calibrated`)
      expect(leaf.min, `${name}: ${leaf.model}`).toBeGreaterThanOrEqual(bar.threshold)
      expect(bar.bars.map(({ model }) => model)).toEqual(['stream', 'encoder'])
      for (const { model, digest, min } of bar.bars) {
        const own = barFor(leaf, digest)
        expect(own, `${name}: ${leaf.model} by ${model}`).toBeGreaterThanOrEqual(min)
      }
    }
  })
})

describe.skipIf(!hasBenign)('stop and ban rules on benign rows of the development sets', () => {
  it('fire on at most one row in a thousand, each pack alone', { timeout: 120_000 }, () => {
    const texts = Object.values(benignSets())
      .flat()
      // A sample that keeps the test short; `npm run bench:policy -- --benign` reads all of them.
      .filter((_, i) => i % 24 === 0)
      .map((text) => text.slice(0, 4_000))
    for (const { policy, name } of packs) {
      const rows = texts.filter((text) => {
        const found = scanText(policy, text)
        return (['ingress', 'midstream'] as const).some((phase) =>
          decide(policy, found, contextFor(text, phase)).firings.some(
            (f) => f.action === 'stop' || f.action === 'ban',
          ),
        )
      })
      expect(
        rows.length / texts.length,
        `${name}: ${rows[0]?.slice(0, 200) ?? ''}`,
      ).toBeLessThanOrEqual(0.001)
    }
  })
})
