import { describe, expect, it } from 'vitest'
import type { Finding } from '../../src/model/finding.ts'
import { decide } from '../../src/policy/decide/decide.ts'
import { calibrated, context, data, match, policyOf, verdict } from './findings.ts'
import { SAMPLING } from '../step/fakes.ts'

const rule = (body: string): string =>
  `name: p\nrules:\n  - name: r\n${body.replace(/^/gm, '    ')}`

describe('decide', () => {
  it('answers with nothing, and the same nothing, when nothing is found', () => {
    const policy = policyOf(data('legacy-rules.yaml'))
    expect(decide(policy, [], context)).toBe(policy.nothing)
    expect(decide(policy, [verdict('toxicity_detector', 0.1)], context)).toBe(policy.nothing)
  })

  it('stops with the message and the status of the rule', () => {
    const policy = policyOf(data('legacy-rules.yaml'))
    const found = match(policy, '(ignore|disregard|forget).*(previous|above|instruction)')
    const decision = decide(policy, [found], { ...context, phase: 'ingress' })
    expect(decision.stop).toEqual({
      reason: 'injection',
      message: 'Request cannot be processed',
      status: 403,
    })
    expect(decision.firings.map((f) => f.rule)).toEqual(['injection'])
  })

  it('redacts the matched span and nothing else', () => {
    const policy = policyOf(data('legacy-rules.yaml'))
    const found = match(policy, 'risk-free', 5)
    const decision = decide(policy, [found], { ...context, phase: 'midstream' })
    expect(decision.text).toEqual([{ kind: 'redact', start: 5, end: 14, with: '[claim removed]' }])
  })

  it('knows the classifiers by the names that CheckStream files use', () => {
    const policy = policyOf(data('legacy-rules.yaml'))
    expect(decide(policy, [verdict('toxicity_detector', 0.6)], context).adapt).toEqual({
      temperature: 0.2,
    })
  })

  it('waits with a rule of two conditions until both hold', () => {
    const policy = policyOf(data('legacy-rules.yaml'))
    const found = [match(policy, 'shares')]
    const early = { ...context, phase: 'midstream' as const, responseLength: 120 }
    expect(decide(policy, found, early).text).toEqual([])
    const late = { ...early, responseLength: 201 }
    expect(decide(policy, found, late).text).toEqual([
      { kind: 'inject', where: 'after', text: 'Investments can fall as well as rise.' },
    ])
  })

  it('moves the level of a rule only for requests that the rest of its trigger is about', () => {
    const policy = policyOf(
      rule(
        [
          'phase: step',
          'trigger:',
          '  type: all',
          '  triggers:',
          '    - {type: classifier, classifier: toxicity_detector, threshold: 0.5}',
          '    - {type: context, field: tenant, value: retail}',
          'actions: [{type: adapt, temperature: 0.2, for_tokens: 16}]',
        ].join('\n'),
      ),
    )
    const level: Finding = { kind: 'level', rule: 'r', level: 1, score: 0.9, position: 3 }
    const at = (tenant: string) => decide(policy, [level], { ...context, phase: 'step', tenant })
    expect(at('retail').adapt).toEqual({ temperature: 0.2 })
    expect(at('wholesale').adapt).toBeUndefined()
    expect(at('wholesale').firings).toEqual([])
  })

  it('gives the same firings in monitor and in enforce, and an effect only in enforce', () => {
    const body = (mode: string): string =>
      rule(
        `mode: ${mode}\ntrigger: {type: keywords, any: [secret]}\nactions: [{type: stop}, {type: audit, category: leak}]`,
      )
    const enforce = policyOf(body('enforce'))
    const monitor = policyOf(body('monitor'))
    const at = { ...context, phase: 'midstream' as const }
    const acted = decide(enforce, [match(enforce, 'secret')], at)
    const noted = decide(monitor, [match(monitor, 'secret')], at)
    expect(noted.stop).toBeUndefined()
    expect(acted.stop).toBeDefined()
    expect(noted.firings.map((f) => ({ ...f, mode: 'enforce' }))).toEqual(acted.firings)
  })

  it('lowers every rule to the mode of the tenant', () => {
    const policy = policyOf(
      rule('trigger: {type: keywords, any: [secret]}\nactions: [{type: stop}]'),
    )
    const found = [match(policy, 'secret')]
    expect(decide(policy, found, { ...context, mode: 'monitor' }).stop).toBeUndefined()
    expect(decide(policy, found, { ...context, mode: 'enforce' }).stop).toBeDefined()
  })

  it('follows on_failure when a classifier does not answer', () => {
    const body = (how: string): string =>
      rule(
        `on_failure: ${how}\ntrigger: {type: classifier, classifier: self_harm, threshold: 0.5}\nactions: [{type: stop}]`,
      )
    const late = [{ kind: 'unjudged', model: 'self_harm', reason: 'late' }] as const
    expect(decide(policyOf(body('closed')), late, context).stop?.status).toBe(503)
    const open = decide(policyOf(body('open')), late, context)
    expect(open.stop).toBeUndefined()
    expect(open.firings[0]?.action).toBe('unjudged')
  })

  it('counts findings within a window of tokens', () => {
    const policy = policyOf(
      rule(
        'trigger: {type: count, at_least: 3, within_tokens: 10, trigger: {type: classifier, classifier: risk, threshold: 0.5}}\nactions: [{type: stop}]',
      ),
    )
    const at = (...positions: number[]) => positions.map((p) => verdict('risk', 0.9, p))
    expect(decide(policy, at(1, 2), context).stop).toBeUndefined()
    expect(decide(policy, at(1, 9, 20), context).stop).toBeUndefined()
    expect(decide(policy, at(1, 12, 15, 20), context).stop).toBeDefined()
  })

  it('counts n of the last m judgements of a classifier, those that do not hold included', () => {
    const policy = policyOf(
      rule(
        'trigger: {type: count, at_least: 2, of: 3, trigger: {type: classifier, classifier: risk, threshold: 0.5}}\nactions: [{type: stop}]',
      ),
    )
    const heard = (...scores: number[]) => scores.map((score, i) => verdict('risk', score, i))
    expect(decide(policy, heard(0.9), context).stop).toBeUndefined()
    expect(decide(policy, heard(0.9, 0.1, 0.1, 0.9), context).stop).toBeUndefined()
    expect(decide(policy, heard(0.9, 0.1, 0.9), context).stop).toBeDefined()
    expect(decide(policy, heard(0.9, 0.9, 0.1, 0.1), context).stop).toBeUndefined()
  })

  it('counts as many findings as a rule may ask for', () => {
    const policy = policyOf(
      rule(
        'trigger: {type: count, at_least: 200, trigger: {type: keywords, any: [word]}}\nactions: [{type: stop}]',
      ),
    )
    const said = (n: number) => Array.from({ length: n }, (_, i) => match(policy, 'word', 9 * i))
    expect(decide(policy, said(199), context).stop).toBeUndefined()
    expect(decide(policy, said(200), context).stop).toBeDefined()
  })

  it('tells variables in the messages of notes, and never what was found', () => {
    const policy = policyOf(
      rule(
        'trigger: {type: classifier, classifier: risk, threshold: 0.5}\nactions: [{type: log, message: "${rule} at ${score} for ${tenant}"}]',
      ),
    )
    const decision = decide(policy, [verdict('risk', 0.876)], { ...context, phase: 'midstream' })
    expect(decision.firings.map((f) => f.message)).toEqual(['r at 0.88 for acme'])
  })

  it('takes the stricter of two adaptations and never loosens the client', () => {
    const policy = policyOf(`name: p
rules:
  - name: a
    trigger: {type: classifier, classifier: risk, threshold: 0.5}
    actions: [{type: adapt, temperature: 0.5, top_p: 0.6}]
  - name: b
    trigger: {type: classifier, classifier: risk, threshold: 0.7}
    actions: [{type: adapt, temperature: 0.3, repetition_penalty: 1.1}]
`)
    const found = [verdict('risk', 0.8)]
    expect(decide(policy, found, context).adapt).toEqual({
      temperature: 0.3,
      topP: 0.6,
      repetitionPenalty: 1.1,
    })
    const sampling = {
      ...SAMPLING,
      temperature: 0.4,
      topP: 0.5,
      repetitionPenalty: 1.2,
      maxTokens: 10,
    }
    expect(decide(policy, found, { ...context, sampling }).adapt).toEqual({ temperature: 0.3 })
  })

  it('applies tool rules wherever a tool call is seen, and rewrites or blocks', () => {
    const policy = policyOf(`name: p
rules:
  - name: mail
    trigger: {type: tool, name: send_email, argument: to, domain_not_in: [bank.example]}
    actions: [{type: rewrite_tool, argument: to, value: support@bank.example}]
  - name: unknown
    trigger: {type: tool, not_name: [send_email]}
    actions: [{type: block_tool_call}]
`)
    const call = (name: string, to: unknown) => [
      {
        kind: 'tool' as const,
        name,
        arguments: JSON.stringify({ to }),
        complete: true,
        start: 0,
        end: 9,
      },
    ]
    expect(decide(policy, call('send_email', 'a@evil.example'), context).tool).toEqual([
      { kind: 'rewrite', argument: 'to', value: 'support@bank.example' },
    ])
    expect(decide(policy, call('send_email', 'a@mail.bank.example'), context).tool).toBeUndefined()
    expect(
      decide(policy, call('send_email', ['x@bank.example', 'b@evil.example']), context).tool,
    ).toHaveLength(1)
    expect(decide(policy, call('shell', ''), context).tool?.[0]?.kind).toBe('block')
  })

  it('honours an exception until it ends and says why', () => {
    const policy = policyOf(
      rule(
        'trigger: {type: keywords, any: [secret]}\nactions: [{type: stop}]\nexceptions:\n  - {reason: pilot, until: 2026-03-01, when: {type: context, field: tenant, value: acme}}',
      ),
    )
    const found = [match(policy, 'secret')]
    const before = decide(policy, found, context)
    expect(before.stop).toBeUndefined()
    expect(before.firings).toMatchObject([{ action: 'excepted', message: 'pilot' }])
    const nowMs = Date.parse('2026-03-02T00:00:00Z')
    expect(decide(policy, found, { ...context, nowMs }).stop).toBeDefined()
    expect(decide(policy, found, { ...context, tenant: 'other' }).stop).toBeDefined()
  })

  it('looks at higher priorities first and ends where continue is false', () => {
    const policy = policyOf(`name: p
rules:
  - {name: late, trigger: {type: keywords, any: [x]}, actions: [{type: stop, message: late}]}
  - {name: early, priority: 90, continue: false, trigger: {type: keywords, any: [x, y]}, actions: [{type: stop, message: early}]}
`)
    const decision = decide(policy, [match(policy, 'x')], context)
    expect(decision.stop?.message).toBe('early')
    expect(decision.firings.map((f) => f.rule)).toEqual(['early'])
  })
})

describe('a classifier that several models answer for', () => {
  const by = (rate: number, name: string, more = ''): string =>
    `  - {name: ${name}, phase: step, continue: true, trigger: {type: classifier, classifier: risk, false_positive_rate: ${rate}}, actions: [{type: adapt, temperature: 0.5${more}}]}\n`
  const calibration = {
    risk: [
      calibrated(
        'stream',
        'risk',
        [
          [0.01, 0.3],
          [0.001, 0.8],
        ],
        true,
      ),
      calibrated('encoder', 'risk', [
        [0.01, 0.1],
        [0.001, 0.9],
      ]),
    ],
  }
  const policy = policyOf(`name: p\nrules:\n${by(0.001, 'strict')}${by(0.01, 'wide')}`, {
    calibration,
  })

  it.each([
    ['stream', 0.29, []],
    ['stream', 0.3, ['wide']],
    ['stream', 0.79, ['wide']],
    ['stream', 0.8, ['strict', 'wide']],
    ['encoder', 0.09, []],
    ['encoder', 0.1, ['wide']],
    ['encoder', 0.89, ['wide']],
    ['encoder', 0.9, ['strict', 'wide']],
    // One that no calibration is of: the highest of theirs.
    ['unknown', 0.29, []],
    ['unknown', 0.3, ['wide']],
    ['unknown', 0.89, ['wide']],
    ['unknown', 0.9, ['strict', 'wide']],
  ])('holds %s at %f to its own threshold', (model, score, fired) => {
    const { firings } = decide(policy, [verdict('risk', score, 10, model)], context)
    expect(firings.map(({ rule: name }) => name)).toEqual(fired)
  })

  it('enters levels at the threshold of the model that scores tokens', () => {
    const rules = by(0.01, 'level', ', dwell_tokens: 1')
    const { rules: compiled } = policyOf(`name: p\nrules:\n${rules}`, { calibration })
    expect(compiled[0]?.actions[0]?.plan?.levels).toMatchObject([{ enter: 0.3 }])
  })
})
