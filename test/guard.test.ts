import { describe, expect, it } from 'vitest'
import type { Decision } from '../src/model/decision.ts'
import type { RowDirective } from '../src/model/directive.ts'
import type { EngineSeat } from '../src/model/engine.ts'
import type { Finding } from '../src/model/finding.ts'
import type { Opened, Step } from '../src/model/step.ts'
import type { Row, Watcher } from '../src/session/row.ts'
import { allow, createTestGuard, engineInfo, openedRow, walkX } from './step/fakes.ts'
import type { TestGuard, TestPolicy } from './step/fakes.ts'

let sequence = 0
const step = (more: Partial<Step> = {}): Step => ({
  engine: 'test/1/dp0',
  sequence: sequence++,
  awaited: false,
  opened: [],
  closed: [],
  slot: [],
  generation: [],
  position: [],
  token: [],
  state: [],
  probe: [],
  ...more,
})

const opened = (slot: number, generation = 1, more: Partial<Opened> = {}): Opened =>
  openedRow({ slot, generation, requestId: `r${slot}`, program: walkX.digest, ...more })

/** Tokens of one row, from `position` on. */
const tokens = (slot: number, generation: number, position: number, text: string) => ({
  slot: [...text].map(() => slot),
  generation: [...text].map(() => generation),
  position: [...text].map((_, i) => position + i),
  token: [...Buffer.from(text)],
})

const failing = (onFailure: TestPolicy['onFailure']) => ({
  policy: () => ({ digest: 'p'.repeat(64), onFailure }),
})

type Stage = TestGuard & { readonly seat: EngineSeat; readonly pushed: RowDirective[][] }

function stage(parts: Parameters<typeof createTestGuard>[0] = {}): Stage {
  const test = createTestGuard(parts)
  const pushed: RowDirective[][] = []
  const seat = test.guard.attach(engineInfo(), (rows) => pushed.push([...rows]))
  return { ...test, seat, pushed }
}

/** Finds the word "risk" in the text, and stops the row when the policy hears of it. */
function riskParts(): Parameters<typeof createTestGuard>[0] {
  const watch = (row: Row<TestPolicy>): Watcher[] => {
    let read = 0
    return [
      {
        advance: () => {
          const at = row.text().indexOf('risk', Math.max(read - 3, 0))
          read = row.text().length
          const position = row.session.positionAfter(at + 4)
          const found: Finding = { kind: 'match', ban: 'risk', start: at, end: at + 4, position }
          return at < 0 ? [] : [found]
        },
        rewind: () => {
          read = 0
        },
        close: () => undefined,
      },
    ]
  }
  const decide = (policy: TestPolicy, findings: readonly Finding[]): Decision =>
    findings.some((finding) => finding.kind === 'match')
      ? {
          ...allow(policy.digest),
          stop: { reason: 'risk', message: 'no', status: 200 },
          firings: [{ rule: 'risk', phase: 'step', mode: 'enforce', action: 'stop', priority: 0 }],
        }
      : allow(policy.digest)
  return { watch, decide }
}

describe('Guard', () => {
  it('steers a row from its opening on, and says so only when it changes', () => {
    const deny = [{ tokens: [1], invert: false }]
    const steers = [{ sync: true }, { sync: true, deny }, { sync: true, force: [7, 8] }, undefined]
    let turn = 0
    const watcher: Watcher = {
      advance: () => [],
      rewind: () => undefined,
      close: () => undefined,
      steer: () => steers[turn],
    }
    const { seat } = stage({ watch: () => [watcher] })
    const first = seat.step(step({ opened: [opened(0)] })).rows
    expect(first).toMatchObject([{ directive: { sync: true, fromPosition: 0 } }])
    const next = (at: number) => seat.step(step(tokens(0, 1, at, 'a'))).rows
    expect(next(0)).toEqual([])
    turn = 1
    expect(next(1)).toMatchObject([{ directive: { sync: true, deny, fromPosition: 2 } }])
    turn = 2
    expect(next(2)).toMatchObject([{ directive: { force: [7, 8], fromPosition: 3 } }])
    expect(next(3)).toEqual([])
    turn = 3
    expect(next(4)).toMatchObject([{ directive: { sync: false, fromPosition: 5 } }])
  })

  it('says nothing while nothing is found', () => {
    const { seat, guard } = stage()
    expect(seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'hello') })).rows).toEqual([])
    expect(guard.request('r0')?.rows.values().next().value?.text()).toBe('hello')
    expect(guard.counters.tokens).toBe(5)
  })

  it('turns a finding into a directive for the next token, once', () => {
    const { seat, guard, events } = stage(riskParts())
    seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'no ri') }))
    const { rows } = seat.step(step(tokens(0, 1, 5, 'sk')))
    expect(rows).toEqual([
      {
        slot: 0,
        generation: 1,
        directive: { fromPosition: 7, sync: false, stop: { reason: 'risk' } },
      },
    ])
    expect(seat.step(step(tokens(0, 1, 7, '!'))).rows).toEqual([])
    expect(guard.request('r0')?.decisions).toHaveLength(1)
    expect(events.filter((event) => event.kind === 'decision')).toMatchObject([
      { requestId: 'r0', position: 7 },
    ])
  })

  it('takes back what was found in text that a rewind removed', () => {
    const { seat } = stage(riskParts())
    seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'a risk') }))
    const { rows } = seat.step(step(tokens(0, 1, 4, 'ch')))
    expect(rows).toMatchObject([{ directive: { sync: false } }])
    expect(rows[0]?.directive.stop).toBeUndefined()
  })

  it('keeps what was found with tokens that came at once, when a rewind takes back only those after it', () => {
    const { guard, seat } = stage(riskParts())
    seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'a risk!?') }))
    expect(seat.step(step(tokens(0, 1, 7, '.'))).rows).toEqual([])
    expect(guard.request('r0')?.decisions.at(-1)?.decision.stop).toBeDefined()
    const { rows } = seat.step(step(tokens(0, 1, 5, 'c')))
    expect(rows[0]?.directive.stop).toBeUndefined()
  })

  it('shows watchers the shortened text when a row goes back, before the token that replaces it', () => {
    const seen: string[] = []
    const { seat } = stage({
      watch: (row) => [
        {
          advance: () => {
            seen.push(row.text())
            return []
          },
          rewind: () => seen.push(`<${row.text()}`),
          close: () => undefined,
        },
      ],
    })
    seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'abc') }))
    seat.step(step(tokens(0, 1, 1, 'x')))
    expect(seen).toEqual(['abc', '<a', 'ax'])
  })

  it('plays a forced sequence once while its reason holds, and again after a rewind before it', () => {
    const { seat } = stage({
      ...riskParts(),
      decide: (policy, findings) => ({
        ...allow(policy.digest),
        ...(findings.length > 0 ? { force: [104, 105] } : {}),
        ...(findings.length > 1 ? { adapt: { temperature: 0.1 } } : {}),
      }),
    })
    seat.step(step({ opened: [opened(0)] }))
    const first = seat.step(step(tokens(0, 1, 0, 'risk'))).rows
    expect(first).toMatchObject([{ directive: { fromPosition: 4, force: [104, 105] } }])
    const second = seat.step(step(tokens(0, 1, 4, ' risk'))).rows
    expect(second).toMatchObject([{ directive: { adapt: { temperature: 0.1 } } }])
    expect(second[0]?.directive.force).toBeUndefined()
    seat.step(step(tokens(0, 1, 2, 'ch')))
    const again = seat.step(step(tokens(0, 1, 4, 'risk'))).rows
    expect(again).toMatchObject([{ directive: { force: [104, 105] } }])
  })

  it('reads several rows of several steps that arrive as one', () => {
    const { seat, guard } = stage()
    const a = tokens(0, 1, 0, 'ab')
    const b = tokens(1, 1, 0, 'xy')
    seat.step(
      step({
        opened: [opened(0), opened(1)],
        slot: [0, 1, 0, 1],
        generation: [1, 1, 1, 1],
        position: [0, 0, 1, 1],
        token: [a.token[0] ?? 0, b.token[0] ?? 0, a.token[1] ?? 0, b.token[1] ?? 0],
        closed: [{ slot: 1, generation: 1, finalPosition: 2 }],
      }),
    )
    expect(guard.request('r0')?.rows.values().next().value?.text()).toBe('ab')
    expect(guard.liveRows).toBe(1)
  })

  it('ends the older row when its slot is opened again, after its last tokens', () => {
    const { seat, guard, events } = stage()
    seat.step(step({ opened: [opened(0)] }))
    const last = tokens(0, 1, 0, 'end')
    const first = tokens(0, 2, 0, 'new')
    seat.step(
      step({
        opened: [opened(0, 2, { requestId: 'next' })],
        slot: [...last.slot, ...first.slot],
        generation: [...last.generation, ...first.generation],
        position: [...last.position, ...first.position],
        token: [...last.token, ...first.token],
      }),
    )
    expect(events).toContainEqual({ kind: 'closed', requestId: 'r0', tokens: 3 })
    expect(guard.request('next')?.rows.values().next().value?.text()).toBe('new')
    expect(guard.liveRows).toBe(1)
    seat.step(step(tokens(0, 1, 3, 'x')))
    expect(guard.counters.unknownRows).toBe(1)
  })

  it.each([
    ['closed', true],
    ['open', false],
    ['resident', false],
  ] as const)('counts a divergence and falls back to on_failure %s', (onFailure, stops) => {
    const { seat, guard } = stage(failing(onFailure))
    const { rows } = seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'x'), state: [0] }))
    expect(guard.counters.divergences).toBe(1)
    expect(guard.counters.latched.divergence).toBe(1)
    expect(rows.map((row) => row.directive.stop?.reason)).toEqual(
      stops ? ['checkstream: divergence'] : [],
    )
  })

  it.each([
    ['closed', true],
    ['open', false],
    ['resident', true],
  ] as const)(
    'sees a banned text that was sampled all the same, on_failure %s',
    (onFailure, stops) => {
      const { seat, guard } = stage(failing(onFailure))
      const { rows } = seat.step(step({ opened: [opened(0)], ...tokens(0, 1, 0, 'xX') }))
      expect(guard.counters.violations).toBe(1)
      expect(rows.some((row) => row.directive.stop !== undefined)).toBe(stops)
    },
  )

  it('does not let a row without its mask pass under on_failure closed', () => {
    const { seat, guard } = stage(failing('closed'))
    const { rows } = seat.step(step({ opened: [opened(0, 1, { program: '' })] }))
    expect(rows).toMatchObject([{ directive: { stop: { reason: 'checkstream: unmasked' } } }])
    expect(guard.counters.unmaskedRows).toBe(1)
  })

  it('keeps the engine and its other rows when judging one row fails', () => {
    const { seat, guard } = stage({
      watch: (row) => [
        {
          advance: () => {
            if (row.slot === 0 && row.position > 0) throw new Error('our own mistake')
            return []
          },
          rewind: () => undefined,
          close: () => undefined,
        },
      ],
    })
    seat.step(step({ opened: [opened(0), opened(1)] }))
    seat.step(step(tokens(0, 1, 0, 'a')))
    seat.step(step(tokens(1, 1, 0, 'b')))
    expect(guard.counters.latched.failed).toBe(1)
    expect(guard.request('r1')?.rows.values().next().value?.text()).toBe('b')
  })

  it('pushes what a late verdict changes, and answers an awaited step only after it', async () => {
    let report: (findings: readonly Finding[]) => void = () => undefined
    let judged: () => void = () => undefined
    const parts = riskParts()
    const { seat, pushed } = stage({
      ...parts,
      decide: (policy, findings) => ({
        ...allow(policy.digest),
        sync: true,
        ...(findings.length > 1 ? { stop: { reason: 'late', message: '', status: 200 } } : {}),
      }),
      watch: (row, tell) => {
        report = tell
        return [
          {
            advance: () => [{ kind: 'unjudged', model: 'm', reason: 'late' }],
            rewind: () => undefined,
            close: () => undefined,
            settled: () =>
              row.position < 1
                ? undefined
                : new Promise<void>((resolve) => {
                    judged = resolve
                  }),
          },
        ]
      },
      limits: { sessions: 10, requests: 10, textBytes: 1_000, silentMs: 1_000, waitMs: 1_000 },
    })
    seat.step(step({ opened: [opened(0)] }))
    const { late } = seat.step(step({ ...tokens(0, 1, 0, 'a'), awaited: true }))
    expect(late).toBeInstanceOf(Promise)
    report([{ kind: 'unjudged', model: 'm', reason: 'failed' }])
    judged()
    expect(await late).toEqual([])
    expect(pushed.flat()).toMatchObject([{ directive: { stop: { reason: 'late' } } }])
  })

  it('gives up waiting at its deadline', async () => {
    const { seat } = stage({
      decide: (policy) => ({ ...allow(policy.digest), sync: true }),
      watch: () => [
        {
          advance: () => [{ kind: 'unjudged', model: 'm', reason: 'late' }],
          rewind: () => undefined,
          close: () => undefined,
          settled: () => new Promise<void>(() => undefined),
        },
      ],
    })
    const { late } = seat.step(
      step({ opened: [opened(0)], ...tokens(0, 1, 0, 'a'), awaited: true }),
    )
    expect(await late).toEqual([])
  })

  it('stops a request on behalf of the proxy, also rows that open afterwards', async () => {
    const { seat, guard, pushed } = stage()
    guard.expect('r7', {
      tenant: 't',
      user: 'u',
      policy: { digest: 'q', onFailure: 'open' },
      parameters: {},
    })
    seat.step(step({ opened: [opened(7)] }))
    expect(guard.stop('r7', 'client left')).toBe(true)
    expect(guard.stop('nobody', 'client left')).toBe(false)
    await Promise.resolve()
    expect(pushed.flat()).toMatchObject([
      { slot: 7, directive: { stop: { reason: 'client left' } } },
    ])
    const { rows } = seat.step(step({ opened: [opened(8, 1, { requestId: 'r7', child: 1 })] }))
    expect(rows).toMatchObject([{ slot: 8, directive: { stop: { reason: 'client left' } } }])
  })

  it('evicts rows that fell silent and counts them', () => {
    const { seat, guard, clock } = stage()
    seat.step(step({ opened: [opened(0), opened(1)] }))
    clock.ms = 9 * 60_000
    seat.step(step(tokens(1, 1, 0, 'a')))
    clock.ms = 10 * 60_000 + 1
    guard.sweep()
    expect(guard.liveRows).toBe(1)
    expect(guard.counters.evictedRows).toBe(1)
    expect(guard.request('r0')).toBeUndefined()
  })

  it('closes the rows of an engine that leaves', () => {
    const { seat, guard, events } = stage()
    seat.step(step({ opened: [opened(0), opened(1)] }))
    seat.detach()
    seat.detach()
    expect(guard.liveRows).toBe(0)
    expect(guard.counters.latched.engine_lost).toBe(2)
    expect(events.at(-1)).toEqual({ kind: 'engine', engine: 'test/1/dp0', attached: false })
  })

  it('refuses rows past the bound of sessions by on_failure', () => {
    const { seat, guard } = stage({
      ...failing('closed'),
      limits: { sessions: 2, requests: 2, textBytes: 100, silentMs: 1_000, waitMs: 1 },
    })
    const { rows } = seat.step(step({ opened: [opened(0), opened(1), opened(2)] }))
    expect(rows).toMatchObject([
      { slot: 2, directive: { stop: { reason: 'checkstream: refused' } } },
    ])
    expect(guard.requests.forgotten).toBe(1)
  })
})
