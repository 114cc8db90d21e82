import { describe, expect, it } from 'vitest'
import { chooseStopToken } from '../../../src/main/rows/stop-token.ts'
import { runCanary } from '../../../src/main/canary.ts'
import { judgeCall } from '../../../src/main/answers/call-decisions.ts'
import { createIngress } from '../../../src/main/answers/ingress.ts'
import type { ObserveFirings } from '../../../src/main/observe-firings.ts'
import { Judges } from '../../../src/main/scores/judges.ts'
import { readIngress } from '../../../src/stream/ingress.ts'
import { Taint } from '../../../src/tools/taint.ts'
import { buildLibrary, requireLibrary } from '../../../src/policy/files/library.ts'
import { contextAt } from '../../policy/findings.ts'
import { vocabulary } from '../fake-engine.ts'

const compile = (rules: string) =>
  requireLibrary(
    buildLibrary([{ file: 'p.yaml', text: `name: p\nrules:\n${rules}` }], { nowMs: 0 }),
  ).combined

const context = contextAt('ingress')

describe('chooseStopToken', () => {
  it('takes the last unused id, else the last of many control ids, else none', () => {
    expect(chooseStopToken(Uint8Array.of(0, 2, 1, 2, 0, 3))).toBe(3)
    expect(chooseStopToken(Uint8Array.of(0, 1, 1, 3))).toBeUndefined()
    expect(chooseStopToken(new Uint8Array(100).fill(1))).toBe(99)
  })
})

describe('runCanary', () => {
  const run = (complete: (isMasked: boolean) => string) =>
    runCanary({
      vocabulary,
      program: 'ab',
      requestId: 'c',
      model: () => Promise.resolve('m'),
      complete: (body) => {
        const xargs = body['vllm_xargs'] as Record<string, unknown>
        return Promise.resolve(complete(xargs['checkstream_program'] !== undefined))
      },
    })

  it.each([
    ['masks bind', (isMasked: boolean) => (isMasked ? 'aaaa' : 'eeee'), true],
    ['the engine ignores masks', () => 'eeee', false],
    ['the drive has no effect', () => 'aaaa', false],
  ])('judges that %s', async (_, complete, bound) => {
    expect((await run(complete)).bound).toBe(bound)
  })
})

describe('createIngress', () => {
  const ingress = createIngress({ judges: new Judges([]), deadlineMs: 10 })
  const dialect = 'openai-chat'
  const told: unknown[] = []
  const observe: ObserveFirings = (firings, { tookUs, textAt }) => {
    for (const { span = [0, 0] as const } of firings)
      told.push([textAt(...span), Number.isInteger(tookUs)])
  }
  const inspect = async (body: Record<string, unknown>) =>
    ingress({ policy, dialect, body, pieces: () => readIngress(dialect, body), context, observe })

  const policy = compile(`  - name: cards
    phase: ingress
    trigger: { type: keywords, any: [secret word] }
    actions: [{ type: redact, replacement: '[gone]' }]
`)

  it('redacts in every message, and leaves everything else as it was', async () => {
    const body = {
      model: 'm',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'The secret word is x' }] },
      ],
      extra: { secret: 'secret word' },
    }
    const { body: changed, problem } = await inspect(body)
    expect(problem).toBeUndefined()
    expect(changed).toEqual({
      ...body,
      messages: [
        body.messages[0],
        { role: 'user', content: [{ type: 'text', text: 'The [gone] is x' }] },
      ],
    })
    expect(told).toEqual([['secret word', true]])
    expect((await inspect({ messages: [] })).body).toBeUndefined()
  })
})

describe('judgeCall', () => {
  const policy = compile(`  - name: inside
    trigger: { type: tool, name: send_email, argument: to, domain_not_in: [bank.example] }
    actions: [{ type: rewrite_tool, argument: to, value: safe@bank.example }]
  - name: large
    trigger: { type: tool, name: pay, argument: amount, max: 100 }
    actions: [{ type: step_up, reason: A large amount, expires_seconds: 60 }]
  - name: words
    phase: tool
    trigger: { type: keywords, any: [drop table] }
    actions: [{ type: block_tool_call, message: No. }]
`)
  const facts = {
    rules: context,
    tools: {
      tenant: '',
      agent: '',
      nowMs: 0,
      history: [],
      taint: new Taint(),
      commit: (value: string) => `of ${value}`,
    },
  }
  const judge = (name: string, args: object) =>
    judgeCall(policy, { name, arguments: JSON.stringify(args) }, facts, [])

  it('rewrites an argument, says so and commits to the old one; leaves honest calls alone', () => {
    const changed = judge('send_email', { to: 'x@evil.example', body: 'hi' })
    expect(JSON.parse(changed.arguments)).toEqual({
      to: 'safe@bank.example',
      body: 'hi',
      _checkstream_modified: true,
    })
    expect(changed.firings).toMatchObject([{ rule: 'inside', commitment: 'of x@evil.example' }])
    const honest = JSON.stringify({ to: 'a@bank.example' })
    expect(judge('send_email', { to: 'a@bank.example' })).toMatchObject({ arguments: honest })
  })

  it('asks a person, or blocks, by rules of the tool phase', () => {
    expect(judge('pay', { amount: 101 }).stepUp).toMatchObject({
      reason: 'A large amount',
      expiresMs: 60_000,
    })
    expect(judge('pay', { amount: 99 })).toMatchObject({ stepUp: undefined, blocked: undefined })
    expect(judge('sql', { query: 'DROP TABLE users' }).blocked).toBe('No.')
  })

  it('blocks what it would have to rewrite and cannot read', () => {
    const broken = { name: 'send_email', arguments: '{"to": "x@evil' }
    expect(judgeCall(policy, broken, facts, []).blocked).toContain('could not be checked')
    expect(judgeCall(policy, { name: 'f', arguments: '' }, facts, []).blocked).toBeUndefined()
  })
})
