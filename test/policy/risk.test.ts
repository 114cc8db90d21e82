import { describe, expect, it } from 'vitest'
import { decide } from '../../src/policy/decide/decide.ts'
import { ChannelDecider } from '../../src/policy/decide/channel.ts'
import { RiskTracker } from '../../src/policy/decide/risk.ts'
import { context, match, policyOf } from './findings.ts'

const adaptive = `name: p
adaptive_decoding:
  classifiers: [risk]
  risk_threshold: 0.7
  dwell_tokens: 2
  smoothing: {kind: max}
`

describe('RiskTracker', () => {
  it('tells each change of level once, and decide puts the safe mode in force', () => {
    const policy = policyOf(adaptive)
    const tracker = new RiskTracker(policy)
    const score = (probability: number) => [{ model: 'risk', label: 'risk', probability }]
    const found = [0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1].flatMap((p, i) => tracker.judge(i, score(p)))
    expect(found).toMatchObject([
      { kind: 'level', level: 1, position: 1 },
      { kind: 'level', level: 0, position: 5 },
    ])
    const up = decide(policy, found.slice(0, 1), context)
    expect(up.adapt).toEqual({ temperature: 0.3, topP: 0.6 })
    expect(up.firings).toMatchObject([{ rule: 'adaptive-decoding', action: 'adapt', score: 0.9 }])
    expect(decide(policy, found, context).adapt).toBeUndefined()
  })

  it('goes back with the row', () => {
    const policy = policyOf(adaptive)
    const tracker = new RiskTracker(policy)
    const high = [{ model: 'risk', label: 'risk', probability: 0.9 }]
    tracker.judge(0, [])
    expect(tracker.judge(1, high)).toHaveLength(1)
    tracker.rewind(1)
    expect(tracker.judge(1, [])).toEqual([])
    expect(tracker.judge(2, high)).toHaveLength(1)
  })

  it('is not needed by a policy without adaptive rules', () => {
    expect(new RiskTracker(policyOf('name: p\n')).isNeeded).toBe(false)
  })
})

describe('ChannelDecider', () => {
  it('tells each effect and each firing once, and remembers what was found before', () => {
    const policy = policyOf(`name: p
rules:
  - {name: a, phase: midstream, trigger: {type: keywords, any: [x]}, actions: [{type: redact}]}
  - {name: b, phase: midstream, trigger: {type: keywords, all: [x, y]}, actions: [{type: inject, content: n}]}
`)
    const channel = new ChannelDecider(policy, () => ({ ...context, phase: 'midstream' }))
    const first = channel.decide([match(policy, 'x', 3)])
    expect(first.effects).toEqual([{ kind: 'redact', start: 3, end: 4, with: '[REDACTED]' }])
    const second = channel.decide([match(policy, 'y', 9)])
    expect(second.effects).toEqual([{ kind: 'inject', where: 'after', text: 'n' }])
    expect(second.firings.map((f) => f.rule)).toEqual(['b'])
    expect(channel.decide([]).effects).toEqual([])
  })
})
