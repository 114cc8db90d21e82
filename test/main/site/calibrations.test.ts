import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { calibrateHead } from '../../../src/classifiers/calibration.ts'
import type { HeadCalibration } from '../../../src/classifiers/calibration.ts'
import {
  digestFolder,
  loadModelFolder,
  readArtefacts,
} from '../../../src/classifiers/models-file.ts'
import {
  readCalibrations,
  readOwnCalibration,
  requireUsed,
} from '../../../src/main/site/calibrations.ts'
import { MODELS } from '../../../src/main/scores/scorers.ts'
import { thresholdAt } from '../../../src/policy/compile/calibrated.ts'
import type { Calibration } from '../../../src/policy/compile/calibrated.ts'

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
    const at = (rate: number) => thresholdAt(known, { classifier: 'toxicity_detector', rate })
    const threshold = (rate: number) => (at(rate) as { threshold: number }).threshold
    expect(threshold(0.001)).toBeCloseTo(0.999, 3)
    expect(threshold(0.01)).toBeCloseTo(0.99, 3)
    // Between two rates the stricter one holds; below the smallest none is known.
    expect(threshold(0.003)).toBeCloseTo(0.998, 3)
    expect(at(0.0001)).toEqual({ kind: 'unknown', lowest: 0.0005, models: 'own' })
    // 10 of 10 000 were seen: Clopper and Pearson give at most 0.0017.
    expect(at(0.001)).toMatchObject({
      source: 'calibration of own: at most 0.0017 of benign texts (95 %)',
    })
  })

  it('takes a higher threshold for a lower rate of an artefact that was measured on two sets', () => {
    const head = {
      ...calibrateHead(
        [...Array(100).keys()].map((i) => i / 100),
        0.05,
        'hard',
      ),
      points: undefined,
    }
    const easy = { ...head, threshold: 0.94, quantiles: [0.01, 0.02, 0.03, 0.04, 0.05] }
    const known = { x: own(easy) }
    for (const rate of [0.05, 0.02, 0.01]) {
      expect(thresholdAt(known, { classifier: 'x', rate })).toMatchObject({ threshold: 0.94 })
    }
  })

  it('takes a site’s own artefact in place of the one beside the model, and of no other model', () => {
    const model = join(MODELS, 'stream')
    const { digest } = digestFolder(model)
    const head = calibrateHead(
      Array.from({ length: 2_000 }, (_, i) => i / 2_000),
      0.01,
      'site',
    )
    const write = (name: string, model_digest: string): string => {
      const place = join(mkdtempSync(join(tmpdir(), 'checkstream-calibrations-')), name)
      const artefact = { format: 1, model_digest, data_digest: 'b', made: 'now', tool: 'test' }
      writeFileSync(place, JSON.stringify({ ...artefact, heads: { toxicity: head } }))
      return place
    }
    const artefacts = readArtefacts([write('ours.json', digest)])
    const { toxicity_detector: heads = [] } = readCalibrations(
      MODELS,
      ['toxicity_detector'],
      artefacts,
    )
    const points = heads.find((one) => one.model === 'stream')?.points ?? []
    expect(points.find(({ rate }) => rate === 0.01)?.threshold).toBeCloseTo(0.99, 3)
    expect(loadModelFolder(model, undefined, artefacts).calibration?.tool).toBe('test')
    expect(() => readArtefacts([write('a.json', 'x'), write('b.json', 'x')])).toThrow(/b.json.*two/)
    requireUsed(artefacts, [model])
    expect(() => requireUsed(readArtefacts([write('other.json', 'x')]), [model])).toThrow(
      /digest x; configured are stream/,
    )
  })

  it('finds the lowest rate of each shipped head in rows that can show it', () => {
    const names = [
      'toxicity_detector',
      'prompt_injection',
      'finance_regulatory',
      'self_harm',
      'risk',
    ]
    const models = readCalibrations(join(import.meta.dirname, '../../../models'), names)
    for (const classifier of names) {
      const at = (rate: number) => thresholdAt(models, { classifier, rate })
      expect(at(0.001), classifier).toMatchObject({ kind: 'known' })
      const rising = [0.1, 0.05, 0.01, 0.001].map(
        (rate) => (at(rate) as { threshold: number }).threshold,
      )
      expect(rising).toEqual(rising.toSorted((a, b) => a - b))
    }
  })
})

/** What is read of an artefact with this head in a folder of its own. */
function own(head: HeadCalibration): Calibration[string] {
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-calibrations-'))
  const artefact = {
    format: 1,
    model_digest: 'a',
    data_digest: 'b',
    made: 'now',
    heads: { x: head },
  }
  writeFileSync(join(folder, 'calibration.json'), JSON.stringify(artefact))
  return readOwnCalibration(folder)
}
