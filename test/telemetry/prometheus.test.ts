import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { EngineStats } from '../../src/model/engine.ts'
import { GuardError } from '../../src/model/errors.ts'
import { createDoorLog, createLog, logEvent } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/prometheus.ts'
import { createTestGuard, engineInfo } from '../step/fakes.ts'

const stats: EngineStats = {
  steps: 10,
  awaitedSteps: 4,
  missedDeadlines: 1,
  droppedSteps: 0,
  lateDirectives: 0,
  lateForces: 0,
  errors: 0,
  emptyRows: 0,
  reconnects: 2,
  breaker: 'half_open',
  waitUsBucket: [1, 2, 3, 3, 3, 3, 3, 4, 4],
  applyUsBucket: [9, 9, 9, 9, 9, 9, 9, 10, 10],
  waitUsSum: 700,
  applyUsSum: 400,
  openRows: 3,
  lastError: '',
}

function stage() {
  const { guard } = createTestGuard()
  const seat = guard.attach(engineInfo(), () => undefined)
  seat.stats(stats)
  const metrics = createMetrics({
    version: '0.1.0',
    counters: () => guard.counters,
    engines: () => guard.engines(),
    rows: () => guard.liveRows,
    requests: () => guard.requests,
    programs: () => 1,
    isReady: () => true,
    site: () => ({
      limited: new Map([['tokens_per_minute', 2]]),
      droppedRecords: 3,
      notices: { sent: 4, dropped: 1 },
    }),
  })
  return { guard, metrics }
}

describe('createMetrics', () => {
  it('reads the totals when it is scraped', async () => {
    const { guard, metrics } = stage()
    guard.counters.divergences = 3
    guard.counters.latched.divergence = 3
    const { type, text } = await metrics.text()
    expect(type).toContain('text/plain')
    expect(text).toContain('checkstream_ready 1')
    expect(text).toContain('checkstream_step_divergences_total 3')
    expect(text).toContain('checkstream_step_latched_total{reason="divergence"} 3')
    expect(text).toContain('checkstream_process_resident_memory_bytes')
    expect(text).toContain('checkstream_tenant_limited_total{limit="tokens_per_minute"} 2')
    expect(text).toContain('checkstream_decision_records_dropped_total 3')
    expect(text).toContain('checkstream_notices_total{outcome="dropped"} 1')
    guard.counters.divergences = 4
    expect((await metrics.text()).text).toContain('checkstream_step_divergences_total 4')
  })

  it('shows what the plugin counts, with its engine', async () => {
    const { text } = await stage().metrics.text()
    const engine = 'engine="test/1/dp0"'
    expect(text).toContain(`checkstream_plugin_missed_deadlines_total{${engine}} 1`)
    expect(text).toContain(`checkstream_plugin_breaker_open{${engine}} 0.5`)
    expect(text).toContain(`checkstream_plugin_wait_microseconds_bucket{${engine},le="200"} 3`)
    expect(text).toContain(`checkstream_plugin_wait_microseconds_bucket{${engine},le="+Inf"} 4`)
    expect(text).toContain(`checkstream_plugin_wait_microseconds_count{${engine}} 4`)
    expect(text).toContain(`checkstream_plugin_apply_microseconds_sum{${engine}} 400`)
  })

  it('counts exchanges and firings by fixed words', async () => {
    const { metrics } = stage()
    metrics.exchange({
      route: '/v1/chat/completions',
      status: 200,
      stream: true,
      outcome: 'complete',
      ms: 20,
      firstByteMs: 5,
    })
    metrics.event({
      kind: 'decision',
      requestId: 'secret',
      position: 1,
      firings: [{ rule: 'r', phase: 'step', mode: 'enforce', action: 'stop', priority: 0 }],
    })
    const { text } = await metrics.text()
    expect(text).toContain('outcome="complete"} 1')
    expect(text).toContain('rule="r",phase="step",mode="enforce",action="stop"} 1')
    expect(text).not.toContain('secret')
  })
})

describe('the log', () => {
  function logged() {
    const lines: Record<string, unknown>[] = []
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
        done()
      },
    })
    return { lines, log: createLog('info', sink as never) }
  }

  it('tells decisions and latches, and not what was said', () => {
    const { lines, log } = logged()
    logEvent(log, { kind: 'latched', requestId: 'a', position: 3, reason: 'divergence' })
    logEvent(log, { kind: 'closed', requestId: 'a', tokens: 3 })
    expect(lines).toMatchObject([{ requestId: 'a', reason: 'divergence', position: 3 }])
  })

  it('limits refusals and counts what it left out', () => {
    const { lines, log } = logged()
    let ms = 0
    const door = createDoorLog(log, () => ms)
    const error = new GuardError('step_invalid', 'no')
    for (let i = 0; i < 50; i++) door({ kind: 'refused', engine: 'e', error })
    ms = 1_000
    door({ kind: 'refused', engine: 'e', error })
    expect(lines).toHaveLength(6)
    expect(lines.at(-1)).toMatchObject({ leftOut: 45, code: 'step_invalid', reason: 'no' })
  })
})
