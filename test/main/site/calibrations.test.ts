import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { calibrateHead } from '../../../src/classifiers/calibration.ts'
import { readCalibrations } from '../../../src/main/site/calibrations.ts'
import { thresholdAt } from '../../../src/policy/compile/compile-trigger.ts'

describe('readCalibrations', () => {
  it('gives policies the threshold of the rate that they name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'checkstream-calibrations-'))
    mkdirSync(join(folder, 'own'))
    const registry = {
      format: 1,
      models: { own: { folder: 'own', version: '1', tier: 'B', files: {} } },
      names: { toxicity_detector: { label: 'toxicity', models: ['own'] } },
    }
    writeFileSync(join(folder, 'registry.json'), JSON.stringify(registry))
    const benign = Array.from({ length: 10_000 }, (_, i) => i / 10_000)
    const artefact = {
      format: 1,
      model_digest: 'a',
      data_digest: 'b',
      made: 'now',
      heads: { toxicity: calibrateHead(benign, 0.01, 'test') },
    }
    writeFileSync(join(folder, 'own/calibration.json'), JSON.stringify(artefact))
    const known = readCalibrations(folder, ['toxicity_detector'])
    const at = (rate: number) => thresholdAt(known, 'toxicity_detector', undefined, rate)?.threshold
    expect(at(0.001)).toBeCloseTo(0.999, 3)
    expect(at(0.01)).toBeCloseTo(0.99, 3)
    // Between two rates the stricter one holds; below the smallest none is known.
    expect(at(0.003)).toBeCloseTo(0.998, 3)
    expect(at(0.0001)).toBeUndefined()
  })
})
