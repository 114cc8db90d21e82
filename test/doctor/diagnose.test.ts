import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diagnose, isSettling, toLines } from '../../src/doctor/diagnose.ts'
import type { Facts } from '../../src/doctor/diagnose.ts'
import { gatherFacts } from '../../src/doctor/facts-http.ts'
import type { EngineStats } from '../../src/model/engine.ts'
import type { EngineStatus, StepStatus } from '../../src/model/status.ts'
import { temporarySocket } from '../step/fakes.ts'
import { createNaivePlane, toBans } from '../step/naive-plane.ts'

const program = 'b'.repeat(64)
const stats: EngineStats = {
  steps: 10,
  awaitedSteps: 4,
  missedDeadlines: 0,
  droppedSteps: 0,
  lateDirectives: 0,
  lateForces: 0,
  errors: 0,
  emptyRows: 0,
  reconnects: 0,
  breaker: 'closed',
  waitUsBucket: [],
  applyUsBucket: [],
  waitUsSum: 0,
  applyUsSum: 0,
  openRows: 0,
  lastError: '',
}
const engine: EngineStatus = {
  id: 'host/1/dp0',
  name: 'vllm',
  version: '0.32.0',
  runner: 'v1',
  model: 'm',
  logitsWidth: 100,
  vocabularyDigest: 'a'.repeat(64),
  rows: 0,
  stats,
  programs: [{ digest: program, ready: true, error: '' }],
}
const status: StepStatus = {
  version: '0.1.0',
  engines: [engine],
  vocabularies: [
    {
      digest: engine.vocabularyDigest,
      size: 100,
      programs: [program],
      defaultProgram: program,
      revision: 1,
    },
  ],
  liveRows: 0,
  totals: {
    steps: 1,
    tokens: 9,
    divergences: 0,
    violations: 0,
    gaps: 0,
    unmaskedRows: 0,
    foreignPrograms: 0,
    evictedRows: 0,
  },
}
const ok = <T>(value: T) => ({ ok: true, value }) as const
const no = (error: string) => ({ ok: false, error }) as const
const good: Facts = {
  socket: '/s.sock',
  backend: 'unix:///v.sock',
  sidecarUrl: 'http://127.0.0.1:8080',
  models: ok(['m']),
  health: ok('SERVING'),
  status: ok(status),
  canary: ok({ ok: true, detail: 'driven to "eeee", under the program "...."' }),
}
const withEngine = (more: Partial<EngineStatus>): Facts => ({
  ...good,
  status: ok({ ...status, engines: [{ ...engine, ...more }] }),
})
const withTotals = (more: Partial<StepStatus['totals']>): Facts => ({
  ...good,
  status: ok({ ...status, totals: { ...status.totals, ...more } }),
})

describe('diagnose', () => {
  it('has nothing to advise when all is well', () => {
    const checks = diagnose(good)
    expect(checks.map(({ verdict }) => verdict)).toEqual(checks.map(() => 'ok'))
    expect(checks.every(({ advice }) => advice === undefined)).toBe(true)
    expect(toLines(checks)).toHaveLength(checks.length)
  })

  it('blames the cause and not what follows from it', () => {
    const failed = (facts: Facts): string[] =>
      diagnose(facts).flatMap(({ name, verdict }) => (verdict === 'fail' ? [name] : []))
    const none = ok({ ...status, engines: [] })
    expect(failed({ ...good, models: no('refused'), status: none })).toEqual(['vLLM'])
    expect(failed({ ...good, health: no('no such file'), status: none })).toEqual(['socket'])
    expect(failed({ ...good, health: no('no such file'), status: no('refused') })).toEqual([
      'sidecar',
    ])
  })

  it.each<[string, Facts, string, string, string]>([
    ['vLLM is down', { ...good, models: no('refused') }, 'vLLM', 'fail', 'vllm serve'],
    [
      'the sidecar is down',
      { ...good, status: no('refused') },
      'sidecar',
      'fail',
      'checkstream serve',
    ],
    [
      'the socket is not there',
      { ...good, health: no('x') },
      'socket',
      'fail',
      'VLLM_SIDECAR_SOCKET',
    ],
    ['it is not ready', { ...good, health: ok('NOT_SERVING') }, 'socket', 'warn', 'not ready'],
    [
      'no engine is attached',
      { ...good, status: ok({ ...status, engines: [] }) },
      'plugin',
      'fail',
      '--logits-processors checkstream_vllm:CheckStream',
    ],
    [
      'the vocabulary is unknown',
      withEngine({ vocabularyDigest: 'c'.repeat(64) }),
      'vocabulary',
      'fail',
      'restart vLLM',
    ],
    ['the widths differ', withEngine({ logitsWidth: 128 }), 'vocabulary', 'fail', 'same release'],
    ['a program is missing', withEngine({ programs: [] }), 'programs', 'fail', 'sent again'],
    [
      'the engine holds another program',
      withEngine({ programs: [{ digest: 'd'.repeat(64), ready: true, error: '' }] }),
      'programs',
      'fail',
      'sent again',
    ],
    [
      'a newer policy file is not in force',
      { ...good, status: ok({ ...status, policyError: 'a.yaml:2:1: rulez' }) },
      'policies',
      'fail',
      'policy check',
    ],
    [
      'rows run an unknown program',
      withTotals({ foreignPrograms: 1 }),
      'states',
      'warn',
      'earlier',
    ],
    [
      'a program was refused',
      withEngine({ programs: [{ digest: program, ready: false, error: 'no base' }] }),
      'programs',
      'fail',
      'same release',
    ],
    ['states diverge', withTotals({ divergences: 2 }), 'states', 'fail', 'update both sides'],
    ['banned text was sampled', withTotals({ violations: 1 }), 'states', 'fail', 'update both'],
    ['tokens were missed', withTotals({ gaps: 1 }), 'states', 'warn', 'slower'],
    [
      'the breaker is open',
      withEngine({ stats: { ...stats, breaker: 'open' } }),
      'plugin health',
      'fail',
      'CPU',
    ],
    [
      'deadlines are missed',
      withEngine({ stats: { ...stats, missedDeadlines: 1 } }),
      'plugin health',
      'warn',
      'vllm.deadline',
    ],
    [
      'the plugin caught errors',
      withEngine({ stats: { ...stats, errors: 1 } }),
      'plugin health',
      'warn',
      'log of vLLM',
    ],
    [
      'the canary got through',
      { ...good, canary: ok({ ok: false, detail: 'said e' }) },
      'canary',
      'fail',
      'not proved',
    ],
    ['the canary did not run', { ...good, canary: no('timeout') }, 'canary', 'fail', 'not proved'],
  ])('says what to do when %s', (_, facts, name, verdict, advice) => {
    const checks = diagnose(facts)
    const check = checks.find((one) => one.name === name)
    expect(check).toMatchObject({ verdict })
    expect(check?.advice).toContain(advice)
    expect(checks).toHaveLength(diagnose(good).length)
  })
})

describe('isSettling', () => {
  it('is over when every engine has said something of every program', () => {
    const settling = (more: Partial<EngineStatus>): boolean =>
      isSettling({ ...status, engines: [{ ...engine, ...more }] })
    expect(settling({})).toBe(false)
    expect(settling({ programs: [] })).toBe(true)
    expect(settling({ programs: [{ digest: program, ready: false, error: 'x' }] })).toBe(false)
    expect(settling({ vocabularyDigest: 'c'.repeat(64) })).toBe(true)
    expect(isSettling({ ...status, engines: [] })).toBe(false)
  })
})

describe('gatherFacts', () => {
  const base = {
    backend: 'unix:///nowhere.sock',
    sidecarUrl: 'http://127.0.0.1:9',
    models: () => Promise.reject(new Error('nobody')),
    timeoutMs: 2_000,
  }

  it('asks the socket for its health, and says why the rest does not answer', async () => {
    const socket = temporarySocket()
    const { plane } = createNaivePlane(socket, toBans(['x']), 'closed')
    await plane.start()
    expect((await gatherFacts({ ...base, socket })).health).toEqual(ok('NOT_SERVING'))
    plane.server.setReady(true)
    const facts = await gatherFacts({ ...base, socket })
    expect(facts.health).toEqual(ok('SERVING'))
    expect(facts.models).toEqual(no('nobody'))
    expect(facts.status).toMatchObject({ ok: false })
    await plane.stop(0)
    expect((await gatherFacts({ ...base, socket })).health).toEqual(no('there is no such file'))
  })

  it('tells a file that is no socket from a socket', async () => {
    const socket = join(mkdtempSync(join(tmpdir(), 'checkstream-')), 'file')
    writeFileSync(socket, '')
    expect((await gatherFacts({ ...base, socket })).health).toEqual(no('the file is not a socket'))
  })
})
