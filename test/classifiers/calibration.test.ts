import { describe, expect, it } from 'vitest'
import {
  binomialUpper,
  calibrateHead,
  parseCalibration,
  RATES,
  thresholdFor,
} from '../../src/classifiers/calibration.ts'
import { DriftWatch, type DriftChange } from '../../src/classifiers/drift.ts'

/** A sequence that looks random and is the same everywhere. */
function take(count: number, seed: number, change = (x: number) => x): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return change(state / 2 ** 32)
  })
}

describe('binomialUpper', () => {
  it.each([
    // Clopper–Pearson, one-sided 95 %: 1 − 0.05^(1/n) without a hit; the others from its tables.
    [0, 100, 0.02951],
    [0, 3000, 0.000998],
    [1, 100, 0.04656],
    [5, 1000, 0.01048],
    [10, 10, 1],
  ])('bounds %i of %i at %f', (hits, count, wanted) => {
    expect(binomialUpper(hits, count)).toBeCloseTo(wanted, 4)
  })

  it('stays finite for long files', () => {
    expect(binomialUpper(500, 1_000_000)).toBeGreaterThan(0.0005)
    expect(binomialUpper(500, 1_000_000)).toBeLessThan(0.00055)
  })
})

describe('calibrateHead', () => {
  const benign = take(4000, 7)

  it('has a threshold for every rate, each kept by the data and bounded from above', () => {
    const { points = [] } = calibrateHead(benign, 0.01, 'test')
    expect(points.map((p) => p.rate)).toEqual([...RATES])
    for (const { rate, threshold, observed, upper } of points) {
      expect(observed).toBeLessThanOrEqual(rate)
      expect(benign.filter((s) => s >= threshold).length / benign.length).toBe(observed)
      expect(upper).toBeGreaterThan(observed)
    }
  })

  it('has no threshold for a rate that its rows cannot show, and one for the rate asked for', () => {
    const rates = (rows: number, asked: number) =>
      calibrateHead(take(rows, 7), asked, 'test').points?.map(({ rate }) => rate)
    expect(rates(400, 0.03)).toEqual([0.005, 0.01, 0.02, 0.03, 0.05, 0.1])
    expect(rates(4000, 0.00025)).toEqual([0.00025, ...RATES])
  })

  it('holds on traffic that it has not seen, within its bound', () => {
    const fresh = take(20_000, 99)
    for (const { threshold, upper } of calibrateHead(benign, 0.01, 'test').points ?? []) {
      expect(fresh.filter((s) => s >= threshold).length / fresh.length).toBeLessThan(upper * 1.25)
    }
  })

  it('refuses scores that are none', () => {
    expect(() => thresholdFor([...benign, Number.NaN], 0.01)).toThrow(/scores from 0 to 1/)
  })

  it('writes what parseCalibration reads', () => {
    const head = calibrateHead(benign, 0.01, 'test')
    const artefact = {
      format: 1,
      model_digest: 'a',
      data_digest: 'b',
      made: 'now',
      tool: 'checkstream calibrate 1',
      heads: { x: head },
    }
    expect(parseCalibration(JSON.parse(JSON.stringify(artefact)), 'c')).toEqual(artefact)
  })
})

describe('DriftWatch', () => {
  const head = calibrateHead(take(4000, 7), 0.01, 'test')
  const watch = (): [DriftWatch, DriftChange[]] => {
    const told: DriftChange[] = []
    return [new DriftWatch('stream', { x: head }, (change) => told.push(change)), told]
  }

  it('stays silent on traffic like the one it was calibrated on', () => {
    const [drift, told] = watch()
    for (const score of take(20_000, 5)) drift.record('x', score)
    expect(told).toEqual([])
    expect(drift.states()).toMatchObject([{ label: 'x', drifted: false }])
  })

  it.each([
    ['rise', (x: number) => Math.cbrt(x)],
    ['fall', (x: number) => x ** 4],
  ])('tells once when scores %s, and once when they come back', (_name, shift) => {
    const [drift, told] = watch()
    for (const score of take(6000, 5, shift)) drift.record('x', score)
    expect(told.map((t) => t.report.drifted)).toEqual([true])
    expect(drift.states()[0]?.drifted).toBe(true)
    for (const score of take(40_000, 6)) drift.record('x', score)
    expect(told.map((t) => t.report.drifted)).toEqual([true, false])
  })

  it('does not judge a label without a calibration, nor a handful of texts', () => {
    const [drift, told] = watch()
    for (let i = 0; i < 500; i++) drift.record('other', 1)
    for (let i = 0; i < 150; i++) drift.record('x', 1)
    expect(told).toEqual([])
  })
})
