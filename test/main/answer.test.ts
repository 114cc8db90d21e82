import { describe, expect, it } from 'vitest'
import { chooseStopToken } from '../../src/main/stop-token.ts'
import { runCanary } from '../../src/main/canary.ts'
import { inspectRequest } from '../../src/main/ingress.ts'
import { createCallDecider } from '../../src/main/call-decider.ts'
import { buildLibrary, requireLibrary } from '../../src/policy/library.ts'
import { vocabulary } from './fake-engine.ts'

const compile = (rules: string) =>
  requireLibrary(
    buildLibrary([{ file: 'p.yaml', text: `name: p\nrules:\n${rules}` }], { nowMs: 0 }),
  ).combined

const context = {
  requestId: 'r',
  tenant: '',
  user: '',
  model: 'm',
  phase: 'ingress' as const,
  position: 0,
  parameters: {},
}

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

describe('inspectRequest', () => {
  const policy = compile(`  - name: cards
    phase: ingress
    trigger: { type: keywords, any: [secret word] }
    actions: [{ type: redact, replacement: '[gone]' }]
`)

  it('redacts in every message, and leaves everything else as it was', () => {
    const body = {
      model: 'm',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'The secret word is x' }] },
      ],
      extra: { secret: 'secret word' },
    }
    const { body: changed, problem } = inspectRequest(policy, 'chat', body, context)
    expect(problem).toBeUndefined()
    expect(changed).toEqual({
      ...body,
      messages: [
        body.messages[0],
        { role: 'user', content: [{ type: 'text', text: 'The [gone] is x' }] },
      ],
    })
    expect(inspectRequest(policy, 'chat', { messages: [] }, context).body).toBeUndefined()
  })
})

describe('createCallDecider', () => {
  const policy = compile(`  - name: inside
    trigger: { type: tool, name: send_email, argument: to, domain_not_in: [bank.example] }
    actions: [{ type: rewrite_tool, argument: to, value: safe@bank.example }]
`)
  const decide = createCallDecider(policy, context, () => undefined)
  const call = (to: string) => ({
    key: 'k',
    choice: 0,
    id: 'c',
    name: 'send_email',
    arguments: JSON.stringify({ to, body: 'hi' }),
  })

  it('rewrites an argument and says so, and leaves honest calls alone', () => {
    const changed = decide(call('x@evil.example'))
    expect(changed.kind).toBe('rewrite')
    expect(JSON.parse(changed.kind === 'rewrite' ? changed.arguments : '{}')).toEqual({
      to: 'safe@bank.example',
      body: 'hi',
      _checkstream_modified: true,
    })
    expect(decide(call('a@bank.example')).kind).toBe('allow')
  })
})
