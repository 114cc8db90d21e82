import { describe, expect, it } from 'vitest'
import { CALM, nextLevel } from '../../src/decoding/level.ts'
import type { AdaptPlan, Smoothing } from '../../src/decoding/plan.ts'
import { stricter, tighten } from '../../src/decoding/tighten.ts'
import { SAMPLING } from '../step/fakes.ts'

const plan = (smoothing: Smoothing, dwellTokens = 3): AdaptPlan => ({
  levels: [
    { enter: 0.5, leave: 0.35, adapt: { temperature: 0.6 }, deny: undefined },
    { enter: 0.8, leave: 0.6, adapt: { temperature: 0.2 }, deny: undefined },
  ],
  smoothing,
  dwellTokens,
  isTracked: true,
})

function levels(of: AdaptPlan, scores: readonly number[]): number[] {
  let state = CALM
  return scores.map((score, position) => {
    state = nextLevel(of, state, position, score)
    return state.level
  })
}

describe('nextLevel', () => {
  it('rises at once, skipping levels, and falls one at a time after the dwell', () => {
    const scores = [0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    expect(levels(plan({ kind: 'max' }), scores)).toEqual([0, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0])
  })

  it('does not flicker between enter and leave', () => {
    const scores = [0.55, 0.4, 0.45, 0.49, 0.36, 0.4, 0.4, 0.4, 0.4]
    expect(levels(plan({ kind: 'max' }, 0), scores)).toEqual(scores.map(() => 1))
  })

  it('needs several tokens of evidence with ema, and is not moved by one spike', () => {
    const ema = plan({ kind: 'ema', alpha: 0.3 })
    expect(levels(ema, [1, 0, 0, 0])).toEqual([0, 0, 0, 0])
    expect(levels(ema, [1, 1, 1, 1, 1])).toEqual([0, 1, 1, 1, 2])
  })

  it('needs n of the last m with n_of_m', () => {
    const three = plan({ kind: 'n_of_m', n: 3, m: 5 }, 0)
    expect(levels(three, [0.9, 0, 0.9, 0, 0.9])).toEqual([0, 0, 0, 0, 2])
    expect(levels(three, [0.9, 0, 0, 0, 0.9, 0, 0.9])).toEqual([0, 0, 0, 0, 0, 0, 0])
  })

  it('takes a score that is not a number as the highest risk', () => {
    expect(levels(plan({ kind: 'max' }), [Number.NaN])).toEqual([2])
  })

  it('is a function of its arguments: the same history gives the same state', () => {
    const of = plan({ kind: 'n_of_m', n: 2, m: 4 })
    const scores = Array.from({ length: 200 }, (_, i) => ((i * 7919) % 101) / 100)
    let state = CALM
    const states = scores.map((s, i) => (state = nextLevel(of, state, i, s)))
    let again = states[99] ?? CALM
    for (let i = 100; i < 200; i++) again = nextLevel(of, again, i, scores[i] ?? 0)
    expect(again).toEqual(states[199])
  })
})

describe('tighten', () => {
  const own = { ...SAMPLING, temperature: 0.7, topP: 0.9, maxTokens: 16 }

  it('never loosens anything that the client asked for', () => {
    for (let i = 0; i < 500; i++) {
      const r = (k: number): number => ((i * 2_654_435_761 + k * 40_503) % 1_000) / 1_000
      const client = {
        ...own,
        temperature: r(1),
        topP: r(2) + 0.001,
        topK: Math.floor(r(3) * 50),
        minP: r(4),
        repetitionPenalty: 1 + r(5),
      }
      const kept =
        tighten(
          {
            temperature: r(6),
            topP: r(7) + 0.001,
            topK: 1 + Math.floor(r(8) * 50),
            minP: r(9),
            repetitionPenalty: 1 + r(10),
          },
          client,
        ) ?? {}
      expect(kept.temperature ?? client.temperature).toBeLessThanOrEqual(client.temperature)
      expect(kept.topP ?? client.topP).toBeLessThanOrEqual(client.topP)
      expect(kept.topK ?? 0).toBeLessThanOrEqual(client.topK || Infinity)
      expect(kept.minP ?? client.minP).toBeGreaterThanOrEqual(client.minP)
      expect(kept.repetitionPenalty ?? client.repetitionPenalty).toBeGreaterThanOrEqual(
        client.repetitionPenalty,
      )
    }
  })

  it('leaves a greedy request greedy', () => {
    const greedy = { ...own, temperature: 0 }
    expect(tighten({ temperature: 0.3, topP: 0.6, topK: 5, minP: 0.1 }, greedy)).toBeUndefined()
    expect(tighten({ repetitionPenalty: 1.2 }, greedy)).toEqual({ repetitionPenalty: 1.2 })
  })

  it('merges two adaptations to the stricter of each parameter', () => {
    expect(
      stricter({ temperature: 0.3, topK: 40 }, { temperature: 0.5, topK: 20, minP: 0.1 }),
    ).toEqual({ temperature: 0.3, topK: 20, minP: 0.1 })
  })
})
