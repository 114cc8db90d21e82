/** What is told of text in tool calls, streamed and whole: that it was changed only where it was. */
import { describe, expect, it } from 'vitest'
import type { RuleFiring } from '../../src/model/decision.ts'
import { guardBody, openBody } from '../../src/stream/body.ts'
import type {
  CallOutcome,
  CallText,
  StreamDecision,
  StreamOptions,
} from '../../src/stream/guard-options.ts'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import { createStreamTransform } from '../../src/stream/transform.ts'
import { CALL_BODIES, CALL_STREAMS } from './call-streams.ts'
import type { Call, CallDialect } from './call-streams.ts'
import { naiveScan } from './naive-scan.ts'

const CALLS: readonly CallDialect[] = ['openai-chat', 'anthropic-messages', 'openai-responses']

type Line = readonly [rule: string, action: string, text: string | undefined]

/** Redacts `secret` and `desk@bank`, stops at `bomb`, and has a rule that only tells of `watched`. */
function guarded(dialect: StreamOptions['dialect'], decideCall?: StreamOptions['decideCall']) {
  const log: Line[] = []
  const options: StreamOptions = {
    dialect,
    scan: () => naiveScan(['secret', 'desk@bank', 'bomb', 'watched']),
    decide: (findings) => {
      const [found] = findings
      if (found?.kind !== 'match') return { effects: [], firings: [] }
      const { ban, start, end } = found
      const firing: RuleFiring = { ...FIRING, rule: ban, span: [start, end] }
      if (ban === 'watched') return { effects: [], firings: [{ ...firing, action: 'notify' }] }
      if (ban !== 'bomb') {
        return { effects: [{ kind: 'redact', start, end, with: '*' }], firings: [firing] }
      }
      const stop = { kind: 'stop' as const, message: 'No.', status: 451 }
      return { effects: [stop], firings: [{ ...firing, action: 'stop' }] }
    },
    observe: ({ firings }, textAt) => {
      for (const { rule, action, span = [0, 0] } of firings) {
        log.push([rule, action, textAt(...(span as [number, number]))])
      }
    },
    ...(decideCall && {
      decideCall: (call) => {
        const outcome = decideCall(call)
        log.push([call.name, outcome.kind, undefined])
        return outcome
      },
    }),
    holdbackTokens: 8,
    onMalformed: 'closed',
  }
  return { options, log }
}

const FIRING: RuleFiring = {
  rule: '',
  phase: 'midstream',
  mode: 'enforce',
  action: 'redact',
  priority: 0,
}

/** Policy chose `desk@bank`, puts it in the place of `evil`, and blocks calls named `bad`. */
const policy = (call: CallText): CallOutcome => {
  if (call.name === 'bad') return { kind: 'block', message: 'Blocked.' }
  if (!/desk@bank|evil/.test(call.arguments)) return { kind: 'allow' }
  const text = call.arguments.replace(/evil[^"]*/, 'desk@bank')
  return { kind: 'rewrite', arguments: text, chosen: ['desk@bank'] }
}

type Told = {
  readonly out: string
  readonly log: readonly Line[]
  readonly told: readonly string[]
}

const pairs = (decisions: readonly StreamDecision[]): string[] =>
  decisions.flatMap(({ firings, effects }) =>
    firings.map(({ rule, action }) => `${rule}=${action} ${effects.join()}`.trim()),
  )

function streamed(dialect: CallDialect, calls: readonly Call[], decideCall = policy): Told {
  const { options, log } = guarded(dialect, decideCall)
  const guard = createStreamGuard(options)
  const bytes = Buffer.from(CALL_STREAMS[dialect](calls))
  const out = Buffer.concat([...guard.push(bytes), ...guard.end()]).toString()
  return { out, log, told: pairs(guard.decisions) }
}

function whole(dialect: CallDialect, calls: readonly Call[], decideCall = policy): Told {
  const { options, log } = guarded(dialect, decideCall)
  const { body, decisions } = guardBody(options, Buffer.from(CALL_BODIES[dialect](calls)))
  return { out: Buffer.from(body).toString(), log, told: pairs(decisions) }
}

const mail = (to: string, note: string): Call => ({
  name: 'mail',
  arguments: JSON.stringify({ to, note }),
})

describe.each(CALLS)('%s', (dialect) => {
  it.each([
    [
      'a value that policy chose, and one that is redacted',
      [mail('desk@bank', 'a secret')],
      [
        ['mail', 'rewrite', undefined],
        ['desk@bank', 'note', 'desk@bank'],
        ['secret', 'redact', 'secret'],
      ],
      ['desk@bank=note', 'secret=redact redact'],
    ],
    [
      'two calls, of which one keeps what is redacted in the other',
      [mail('anna', 'to desk@bank'), mail('desk@bank', 'hi')],
      [
        ['mail', 'rewrite', undefined],
        ['desk@bank', 'redact', 'desk@bank'],
        ['mail', 'rewrite', undefined],
        ['desk@bank', 'note', 'desk@bank'],
      ],
      ['desk@bank=redact redact', 'desk@bank=note'],
    ],
    [
      'a value that was replaced',
      [mail('evil secret', 'hi')],
      [
        ['mail', 'rewrite', undefined],
        ['secret', 'note', 'secret'],
      ],
      ['secret=note'],
    ],
    [
      'a call that is blocked',
      [{ ...mail('desk@bank', 'secret'), name: 'bad' }],
      [
        ['bad', 'block', undefined],
        ['desk@bank', 'note', 'desk@bank'],
        ['secret', 'note', 'secret'],
      ],
      ['desk@bank=note', 'secret=note'],
    ],
    [
      'a call that is made as it is, but for a redaction',
      [mail('anna', 'secret')],
      [
        ['mail', 'allow', undefined],
        ['secret', 'redact', 'secret'],
      ],
      ['secret=redact redact'],
    ],
    [
      'what only tells, at once',
      [mail('watched', 'secret')],
      [
        ['watched', 'notify', 'watched'],
        ['mail', 'allow', undefined],
        ['secret', 'redact', 'secret'],
      ],
      ['watched=notify', 'secret=redact redact'],
    ],
  ] as const)('tells of %s', (_, calls, log, told) => {
    const parts = [streamed(dialect, calls), whole(dialect, calls)]
    for (const one of parts) {
      // A whole body is read to its end before its calls are decided.
      const ordered = calls.length > 1 ? one.log.toSorted() : one.log
      expect(ordered).toEqual(calls.length > 1 ? log.toSorted() : log)
      expect(one.told).toEqual(told)
      for (const [, action, text] of log) {
        if (action === 'redact' && text === 'secret') expect(one.out).not.toContain('secret')
      }
    }
  })

  it('tells of a call that waits when it is answered', () => {
    const { options, log } = guarded(dialect, () => ({ kind: 'hold' }))
    const guard = createStreamGuard(options)
    const calls = [mail('desk@bank', 'secret')]
    guard.push(Buffer.from(CALL_STREAMS[dialect](calls)))
    guard.end()
    expect(log).toEqual([['mail', 'hold', undefined]])
    const key = KEYS[dialect]
    guard.settleCall(key, policy({ ...CALL, name: 'mail', arguments: calls[0]?.arguments ?? '' }))
    expect(log.slice(1)).toEqual([
      ['desk@bank', 'note', 'desk@bank'],
      ['secret', 'redact', 'secret'],
    ])
    const body = openBody(options, Buffer.from(CALL_BODIES[dialect](calls)))
    body.finish()
    expect(log.slice(4)).toEqual([
      ['desk@bank', 'note', 'desk@bank'],
      ['secret', 'note', 'secret'],
    ])
  })

  it('tells of a call that nobody waits for any longer, once', () => {
    const { options, log } = guarded(dialect, policy)
    const text = CALL_STREAMS[dialect]([mail('desk@bank', 'and a long text after it')])
    const transform = createStreamTransform(options)
    transform.push(Buffer.from(text.slice(0, text.indexOf('long'))))
    expect(log).toEqual([])
    transform.close()
    transform.close()
    expect(log).toEqual([['desk@bank', 'note', 'desk@bank']])
    expect(transform.done).toBe(true)
  })

  it('tells of a call in which the answer is stopped, before the stop', () => {
    const calls = [mail('desk@bank', 'a bomb')]
    for (const { log, told } of [streamed(dialect, calls), whole(dialect, calls)]) {
      expect(log).toEqual([
        ['desk@bank', 'note', 'desk@bank'],
        ['bomb', 'stop', 'bomb'],
      ])
      expect(told).toEqual(['desk@bank=note', 'bomb=stop stop'])
    }
  })

  it('tells at once where no call waits', () => {
    const { options, log } = guarded(dialect)
    const text = CALL_STREAMS[dialect]([mail('desk@bank', 'and a long text after it')])
    createStreamGuard(options).push(Buffer.from(text.slice(0, text.indexOf('long'))))
    expect(log).toEqual([['desk@bank', 'redact', 'desk@bank']])
  })

  it('keeps no more findings than its bound, and claims nothing of the others', () => {
    const note = 'secret '.repeat(700)
    for (const { log } of [
      streamed(dialect, [mail('x', note)]),
      whole(dialect, [mail('x', note)]),
    ]) {
      const actions = log.map(([, action]) => action)
      expect(actions.filter((action) => action === 'note')).toHaveLength(188)
      expect(actions.slice(188)).toEqual(['allow', ...Array(512).fill('redact')])
    }
  })
})

const KEYS: Readonly<Record<CallDialect, string>> = {
  'openai-chat': '0:call0',
  'anthropic-messages': 'b0',
  'openai-responses': 'o0:arguments',
}
const CALL = { key: '', choice: 0, id: undefined }

describe('several choices, and calls that grow together', () => {
  const frame = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`
  const part = (index: number, call: number, text: string): string =>
    frame({
      choices: [
        {
          index,
          delta: {
            tool_calls: [
              { index: call, id: `c${call}`, function: { name: 'mail', arguments: text } },
            ],
          },
          finish_reason: null,
        },
      ],
    })
  const end = (index: number): string =>
    frame({ choices: [{ index, delta: {}, finish_reason: 'tool_calls' }] })
  const run = (text: string) => {
    const { options, log } = guarded('openai-chat', policy)
    const guard = createStreamGuard({ ...options, choices: 2 })
    const out = Buffer.concat([...guard.push(Buffer.from(text)), ...guard.end()]).toString()
    return { out, log, guard }
  }

  it('decides each by its own call', () => {
    const text = [
      part(0, 0, '{"to":"desk@bank","n":"'),
      part(1, 0, '{"to":"anna","n":"desk@bank '),
      part(0, 0, 'secret"}'),
      part(1, 0, '"}'),
      end(0),
      end(1),
      'data: [DONE]\n\n',
    ]
    const { log, guard } = run(text.join(''))
    expect(log.filter(([rule]) => rule !== 'mail')).toEqual([
      ['desk@bank', 'note', 'desk@bank'],
      ['secret', 'redact', 'secret'],
      ['desk@bank', 'redact', 'desk@bank'],
    ])
    expect(guard.decisions.map(({ choice, firings }) => [choice, firings[0]?.action])).toEqual([
      [0, undefined],
      [0, 'note'],
      [0, 'redact'],
      [1, undefined],
      [1, 'redact'],
    ])
  })

  it('decides the calls of one frame when all of them are whole', () => {
    const calls = ['desk@bank', 'secret'].map((to, index) => ({
      index,
      id: `c${index}`,
      function: { name: 'mail', arguments: JSON.stringify({ to }) },
    }))
    const both = frame({
      choices: [{ index: 0, delta: { tool_calls: calls }, finish_reason: null }],
    })
    const { log } = run(`${both}${end(0)}data: [DONE]\n\n`)
    expect(log).toEqual([
      ['mail', 'rewrite', undefined],
      ['desk@bank', 'note', 'desk@bank'],
      ['mail', 'allow', undefined],
      ['secret', 'redact', 'secret'],
    ])
  })

  it('stops one choice and decides the call of the other', () => {
    const text = [
      part(0, 0, '{"to":"desk@bank","n":"bomb'),
      part(1, 0, '{"to":"desk@bank"}'),
      end(1),
      'data: [DONE]\n\n',
    ]
    const { log } = run(text.join(''))
    expect(log).toEqual([
      ['desk@bank', 'note', 'desk@bank'],
      ['bomb', 'stop', 'bomb'],
      ['mail', 'rewrite', undefined],
      ['desk@bank', 'note', 'desk@bank'],
    ])
  })

  it('decides a call that the upstream leaves unfinished, as it stands', () => {
    const { log, out } = run(part(0, 0, '{"to":"anna","n":"a secret'))
    expect(log).toEqual([
      ['mail', 'allow', undefined],
      ['secret', 'redact', 'secret'],
    ])
    expect(out).not.toContain('secret')
    const cut = run(part(0, 0, '{"to":"desk@bank","n":"a secret'))
    expect(cut.log.slice(1)).toEqual([
      ['desk@bank', 'redact', 'desk@bank'],
      ['secret', 'redact', 'secret'],
    ])
    expect(cut.out).not.toMatch(/desk@bank|secret/)
  })

  it('knows the text that the channel has forgotten by then', () => {
    const { log } = run(part(0, 0, '{"to":"desk@bank","n":"') + part(0, 0, 'x'.repeat(200_000)))
    expect(log[1]).toEqual(['desk@bank', 'redact', 'desk@bank'])
  })

  it('tells of a call that a broken upstream leaves behind', () => {
    const { log } = run(`${part(0, 0, '{"to":"secret')}data: {broken\n\n`)
    expect(log).toEqual([['secret', 'note', 'secret']])
  })
})
