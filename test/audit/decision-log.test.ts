import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { commit, decisionRecord } from '../../src/audit/decision-log.ts'
import { createDecisionTap } from '../../src/audit/decision-tap.ts'
import type { DecisionRecord } from '../../src/audit/decision-log.ts'
import { createDecisionLog } from '../../src/audit/log.ts'

const firing = {
  rule: 'r',
  phase: 'midstream',
  mode: 'enforce',
  action: 'redact',
  priority: 50,
  regulation: 'COBS 4.2.1R',
  span: [4, 10],
  score: 0.9,
} as const
const facts = {
  requestId: 'q1',
  tenant: 'acme',
  policy: 'p',
  revision: 'abc',
  model: 'm',
  position: 12,
  tookUs: 7,
  textAt: (start: number, end: number) => 'the secret is out'.slice(start, end),
}
const salt = new Uint8Array([1, 2, 3])
const time = '2026-01-01T00:00:00.000Z'

describe('decisionRecord', () => {
  it('tells offsets and a commitment and no text', () => {
    const record = decisionRecord(firing, facts, time, { evidence: 'offsets', salt })
    expect(record).toMatchObject({
      span: [4, 10],
      rule: 'r',
      revision: 'abc',
      position: 12,
      took_us: 7,
    })
    expect(record.commitment).toBe(commit(salt, 'q1', 'secret'))
    expect(JSON.stringify(record)).not.toContain('secret')
  })

  it('commits to equal texts of two requests differently', () => {
    expect(commit(salt, 'q1', 'x')).not.toBe(commit(salt, 'q2', 'x'))
  })

  it('holds the text when the site chose full evidence', () => {
    expect(decisionRecord(firing, facts, time, { evidence: 'full', salt }).text).toBe('secret')
  })

  it('is the same in monitor and in enforce but for the mode', () => {
    const of = (mode: 'monitor' | 'enforce') =>
      decisionRecord({ ...firing, mode }, facts, time, { evidence: 'offsets', salt })
    expect({ ...of('monitor'), mode: 'enforce' }).toEqual(of('enforce'))
  })
})

describe('createDecisionLog', () => {
  it('writes one JSON line each, drops past its bound, and says how many', async () => {
    const lines: string[] = []
    const log = createDecisionLog({ write: (line) => void lines.push(line) }, { maxQueued: 3 })
    const record = decisionRecord(firing, facts, time, { evidence: 'offsets', salt })
    for (let i = 0; i < 5; i++) log.write({ ...record, position: i })
    expect(lines).toEqual([])
    await setImmediate()
    await setImmediate()
    const parsed = lines.map((line): Record<string, unknown> => JSON.parse(line))
    expect(parsed.map((p) => p['position'] ?? p['kind'])).toEqual([0, 1, 2, 'dropped'])
    expect(parsed[3]).toMatchObject({ count: 2, total: 2 })
    expect(log.dropped).toBe(2)
    log.close()
    log.write(record)
    expect(log.dropped).toBe(3)
  })
})

describe('createDecisionTap', () => {
  it('names tenant, policy and the revision that the request opened with', () => {
    const records: DecisionRecord[] = []
    const notices: string[] = []
    let revision = 'one'
    const observe = createDecisionTap({
      write: (record) => void records.push(record),
      notify: (to, record) => void notices.push(`${to} ${record.rule} ${record.mode}`),
      revisionOf: () => revision,
      now: () => 0,
      options: { evidence: 'offsets', salt },
    })
    const firings = [firing]
    observe({
      kind: 'opened',
      requestId: 'q1',
      tenant: 'acme',
      policy: 'p',
      model: 'm',
      promptTokens: 3,
    })
    revision = 'two'
    observe({ kind: 'decision', requestId: 'q1', position: 3, firings })
    observe({ kind: 'closed', requestId: 'q1', tokens: 4 })
    observe({ kind: 'decision', requestId: 'q1', position: 5, firings })
    expect(records.map((r) => [r.tenant, r.revision, r.position])).toEqual([
      ['acme', 'one', 3],
      ['', '', 5],
    ])
    const notify = { ...firing, action: 'notify', to: 'soc' }
    const told = (mode: 'monitor' | 'alert'): void =>
      observe({ kind: 'decision', requestId: 'q2', position: 1, firings: [{ ...notify, mode }] })
    told('monitor')
    told('alert')
    expect(notices).toEqual([`soc ${firing.rule} alert`])
  })

  it('takes who asked from a decision that no engine knows, and its text only to commit to it', () => {
    const records: DecisionRecord[] = []
    const observe = createDecisionTap({
      write: (record) => void records.push(record),
      notify: () => undefined,
      revisionOf: () => '',
      now: () => 0,
      options: { evidence: 'offsets', salt },
    })
    const asked = { tenant: 'acme', policy: 'p', model: 'm', revision: 'r' }
    const textAt = (start: number, end: number) => 'a secret word of the client'.slice(start, end)
    const firings = [{ ...firing, span: [2, 8] as const }]
    observe({ kind: 'decision', requestId: 'q', position: 0, firings, asked, textAt, tookUs: 12 })
    expect(records[0]).toMatchObject({ ...asked, took_us: 12, span: [2, 8] })
    expect(records[0]?.commitment).toMatch(/^hmac-sha256:/)
    expect(JSON.stringify(records)).not.toContain('secret')
  })
})
