import { describe, expect, it } from 'vitest'
import type { GuardEvent } from '../../src/model/event.ts'
import { Screen } from '../../src/watch/screen.ts'

const opened = (requestId: string): GuardEvent => ({
  kind: 'opened',
  requestId,
  tenant: 'retail',
  policy: 'demo',
  model: 'demo-lm',
  promptTokens: 8,
})

describe('Screen', () => {
  it('shows a live request with its tokens, risk, temperature and decisions', () => {
    const screen = new Screen()
    screen.apply(opened('req-1'))
    screen.apply({
      kind: 'tokens',
      requestId: 'req-1',
      position: 42,
      count: 42,
      risk: 0.5,
      adapt: { temperature: 0.3 },
      addedUs: 120,
    })
    screen.apply({
      kind: 'decision',
      requestId: 'req-1',
      position: 41,
      firings: [{ rule: 'promise', phase: 'step', mode: 'enforce', action: 'adapt', priority: 0 }],
    })
    const text = screen.lines(120, 30).join('\n')
    expect(text).toContain('1 live  42 tokens  added per step p50 120 µs')
    expect(text).toMatch(/▸req-1 +retail +demo +42 +█{7}·{7} 0\.50 +0\.30 +1/)
    expect(text).toMatch(/req-1 +@41 +promise +adapt/)
  })

  it('shows a rule at a place once, with all that it did there', () => {
    const screen = new Screen()
    screen.apply(opened('req-1'))
    for (const action of ['redact', 'audit', 'redact']) {
      const firing = {
        rule: 'cards',
        phase: 'egress',
        mode: 'monitor',
        action,
        priority: 0,
      } as const
      screen.apply({ kind: 'decision', requestId: 'req-1', position: 0, firings: [firing] })
    }
    const lines = screen.lines(120, 20).filter((line) => line.includes('cards'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('redact, audit (monitor)')
  })

  it("leaves the sidecar's own requests out", () => {
    const screen = new Screen()
    screen.apply({ ...opened('canary'), policy: 'checkstream.canary' } as GuardEvent)
    expect(screen.lines(120, 20).join('\n')).not.toContain('canary')
  })

  it('says that the sidecar is gone until it is back', () => {
    const screen = new Screen()
    screen.connected('the sidecar at 127.0.0.1:1 does not answer: ECONNREFUSED')
    expect(screen.view(120, 20)[1]).toMatchObject({ tone: 'bad' })
    expect(screen.lines(120, 20)[1]).toContain('ECONNREFUSED; trying again')
    screen.connected()
    expect(screen.lines(120, 20)[1]).not.toContain('trying again')
  })

  it('keeps to the given size and to its bounds however many requests come', () => {
    const screen = new Screen()
    for (let n = 0; n < 5000; n++) {
      screen.apply(opened(`req-${n}`))
      screen.apply({ kind: 'closed', requestId: `req-${n}`, tokens: 1 })
    }
    const lines = screen.lines(60, 20)
    expect(lines.length).toBeLessThanOrEqual(20)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
  })

  it('never passes control characters of a request id to the terminal', () => {
    const screen = new Screen()
    screen.apply(opened('\u001b[2Jevil'))
    expect(screen.lines(120, 20).join('\n')).not.toContain('\u001b')
  })

  it('says that events were lost and that an engine is gone', () => {
    const screen = new Screen()
    screen.apply({ kind: 'lost', count: 7 })
    screen.apply({ kind: 'engine', engine: 'vllm/dp0', attached: false })
    const text = screen.lines(120, 20).join('\n')
    expect(text).toContain('7 events lost')
    expect(text).toContain('vllm/dp0 GONE')
  })
})
