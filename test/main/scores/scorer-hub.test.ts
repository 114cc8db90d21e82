import { describe, expect, it } from 'vitest'
import { calibrateHead } from '../../../src/classifiers/calibration.ts'
import { DriftWatch, type DriftChange } from '../../../src/classifiers/drift.ts'
import { ScorerHub } from '../../../src/main/scores/scorer-hub.ts'
import type { StreamScorer } from '../../../src/model/verdict.ts'

const NAMES = [{ name: 'toxicity_detector', label: 'toxicity' }]

/** Gives every row the score that `next` gives. */
function scorerOf(next: () => number): StreamScorer {
  let rows = 0
  return {
    labels: ['toxicity'],
    digest: 'd',
    open: () => rows++,
    close: () => undefined,
    snapshot: () => new Float32Array(0),
    restore: () => undefined,
    score: (handles) => Promise.resolve(Float32Array.from(handles, next)),
  }
}

const calibration = (): ReturnType<typeof calibrateHead> => {
  const benign = Array.from({ length: 2000 }, (_, i) => ((i * 7919) % 2000) / 2000)
  return calibrateHead(benign, 0.01, 'test')
}

async function answer(hub: ScorerHub, failed: () => void = () => undefined): Promise<void> {
  const row = hub.open({ scores: () => undefined, failed })
  hub.feed(row, new TextEncoder().encode('word'), 1)
  await hub.settled(row)
  hub.close(row)
}

describe('ScorerHub', () => {
  it('tells the drift watch the highest score of every answer', async () => {
    const told: DriftChange[] = []
    const drift = new DriftWatch('stream', { toxicity: calibration() }, (c) => told.push(c))
    let count = 0
    let shift = 0
    const score = (): number => Math.min(1, ((count++ * 7919) % 2000) / 2000 + shift)
    const hub = new ScorerHub(scorerOf(score), NAMES, { drift })
    for (let i = 0; i < 1000; i++) await answer(hub)
    expect(told).toEqual([])
    expect(hub.drift()).toMatchObject([{ label: 'toxicity', drifted: false, seen: 1000 }])
    shift = 0.4
    for (let i = 0; i < 1500; i++) await answer(hub)
    expect(told).toMatchObject([{ label: 'toxicity', report: { drifted: true } }])
    expect(hub.drift()).toMatchObject([{ drifted: true }])
  })

  it('fails rows whose score is no number', async () => {
    let failures = 0
    const hub = new ScorerHub(
      scorerOf(() => Number.NaN),
      NAMES,
    )
    await answer(hub, () => failures++)
    expect(failures).toBe(1)
  })

  it('stops asking a scorer that is past its budget, where that is the policy', async () => {
    const fast = scorerOf(() => 0.5)
    const slow: StreamScorer = {
      ...fast,
      async score(handles, bytes) {
        await new Promise((resolve) => setTimeout(resolve, 3))
        return fast.score(handles, bytes)
      },
    }
    let failures = 0
    const hub = new ScorerHub(slow, NAMES, { overBudget: 'late' })
    for (let i = 0; i < 60; i++) await answer(hub, () => failures++)
    expect(hub.budget.over).toBe(true)
    expect(failures).toBeGreaterThan(30)
    expect(hub.budget.refused).toBeGreaterThanOrEqual(failures)
    const patient = new ScorerHub(slow, NAMES)
    failures = 0
    for (let i = 0; i < 30; i++) await answer(patient, () => failures++)
    expect([patient.budget.over, failures]).toEqual([true, 0])
  })
})
