import { describe, expect, it } from 'vitest'
import type { GuardEvent } from '../../src/model/event.ts'
import { eventLine, Screen } from '../../src/watch/screen.ts'
import { clean, fit, table } from '../../src/watch/table.ts'

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
    expect(text).toMatch(/▸req-1 +retail +demo +42 +(█+)·{8,} 0\.50 +0\.30 +1/)
    expect(text).toMatch(/req-1 +41 +promise +adapt/)
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
    expect(screen.lines(120, 20)[2]).toContain('ECONNREFUSED; trying again')
    screen.connected()
    expect(screen.lines(120, 20).join('\n')).not.toContain('trying again')
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

  it('has every column at 60, 80 and 200 columns, and leaves an empty one out', () => {
    const screen = new Screen()
    screen.apply({ ...opened('req-1'), tenant: '' } as GuardEvent)
    for (const width of [60, 80, 200]) {
      const [, , , head = '', row = ''] = screen.lines(width, 24)
      expect(head).toMatch(/ REQUEST +POLICY +TOKENS +RISK +TEMP +DECISIONS$/)
      expect(row).toMatch(/▸req-1 +demo +0 +0$/)
      expect(head.length).toBeLessThanOrEqual(width)
    }
  })

  it('shows a mistake in the policy over several lines, and no line break of it', () => {
    const screen = new Screen()
    screen.apply({ kind: 'policy', revision: 'a'.repeat(64), error: 'a.yaml:2:1\n  rulez\r\n  ^' })
    const bad = screen.view(80, 24).filter(({ tone }) => tone === 'bad')
    const texts = bad.map(({ text }) => text.trimEnd())
    expect(texts).toContain('the last good policy is in force:')
    expect(texts).toContain('  rulez')
    expect(screen.lines(80, 24).join('')).not.toMatch(/[\r\n]/)
  })

  it('places what was found in the text at the token that was under way', () => {
    const screen = new Screen()
    screen.apply(opened('req-1'))
    screen.apply({ kind: 'tokens', requestId: 'req-1', position: 7, count: 7, addedUs: 1 })
    const firing = { rule: 'pii', phase: 'egress', mode: 'enforce', action: 'redact' } as const
    screen.apply({
      kind: 'decision',
      requestId: 'req-1',
      position: 0,
      firings: [{ ...firing, priority: 0 }],
    })
    expect(screen.lines(80, 24).join('\n')).toMatch(/req-1 +7 +pii +redact/)
  })
})

describe('eventLine', () => {
  it('tells everything but tokens and the own requests in one line each', () => {
    expect(eventLine(opened('a\u001b[2J'))).toBe('a [2J opened retail demo')
    expect(eventLine({ ...opened('a'), policy: 'checkstream.canary' } as GuardEvent)).toBe(
      undefined,
    )
    expect(eventLine({ kind: 'closed', requestId: 'a', tokens: 3 })).toBe('a closed after 3 tokens')
    const tokens = { kind: 'tokens', requestId: 'a', position: 1, count: 1, addedUs: 1 } as const
    expect(eventLine(tokens)).toBe(undefined)
  })
})

describe('table', () => {
  const column = { head: 'NAME', text: (row: string) => row, min: 6, max: 10 }
  const last = { head: 'N', text: () => '7', min: 2, max: 2, right: true }

  it.each(['ascii', '日本語のルール', '👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀', 'éééééééééééé', 'ｗｉｄｅ', 'a\u200bb', ''])(
    'keeps the columns after %j where they are',
    (text) => {
      const { lines } = table([column, last], [text, 'x'], 14)
      const widths = lines.map((line) => columnsOf(line))
      expect(widths).toEqual([14, 14])
    },
  )

  it('cuts with an ellipsis, by columns and never inside a character', () => {
    expect(fit('日本語', 6)).toBe('日本語')
    expect(fit('日本語', 5)).toBe('日本…')
    expect(fit('日本語', 4)).toBe('日…')
    expect(fit('e\u0301e\u0301e\u0301', 2)).toBe('e\u0301…')
    expect(fit('abc', 0)).toBe('')
  })

  it.each(['\u001b[2J', '\u009b2J', 'a\nb', '\u202eevil', '\u2028'])('cleans %j', (text) => {
    expect(clean(text)).not.toMatch(/[\p{Cc}\u202e\u2028]/u)
  })
})

/** Columns by another count: code points, two for what Unicode calls wide, none for what joins. */
function columnsOf(line: string): number {
  const joined = line.replaceAll('👩🏽‍🚀', 'WW').replaceAll(/[\u0300-\u036f\u200b]/g, '')
  return [...joined].reduce((sum, c) => sum + (/[\u3000-\u9fff\uff01-\uff60]/.test(c) ? 2 : 1), 0)
}
