/** What a request brings, and what becomes of it. */
import { describe, expect, it } from 'vitest'
import type { TextEffect } from '../../src/model/decision.ts'
import { type IngressOptions, blockedBody, guardIngress } from '../../src/stream/ingress-guard.ts'
import { createDefinitionLedger, readIngress } from '../../src/stream/ingress.ts'
import { naiveScan } from './naive-scan.ts'
import type { DialectName } from '../../src/stream/guard-options.ts'

const CHAT = {
  model: 'm',
  seed: 12,
  messages: [
    { role: 'system', content: 'Be kind.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'look' },
        { type: 'image_url', image_url: { url: 'data:x' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        {
          id: 'c1',
          type: 'function',
          function: { name: 'search', arguments: '{"q": "s\\u0065cret"}' },
        },
      ],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'found: secret stuff' },
    { role: 'user', content: 'go on' },
  ],
  tools: [
    {
      type: 'function',
      function: {
        name: 'search',
        description: 'finds',
        parameters: {
          type: 'object',
          properties: { q: { type: 'string', description: 'the words' } },
        },
      },
    },
  ],
}

const kinds = (dialect: DialectName, body: object): unknown[][] =>
  readIngress(dialect, { ...body }).map((p) => [p.kind, p.standing, p.text])

describe('readIngress', () => {
  it('reads every message, part, call, result and definition of a chat request', () => {
    const pieces = readIngress('openai-chat', CHAT)
    expect(
      pieces.filter((p) => p.kind !== 'tool_definition').map((p) => [p.kind, p.standing, p.text]),
    ).toEqual([
      ['system', 'trusted', 'Be kind.'],
      ['user', 'trusted', 'look'],
      ['tool_call', 'model', '{"q": "s\\u0065cret"}'],
      ['tool_result', 'untrusted', 'found: secret stuff'],
      ['user', 'trusted', 'go on'],
    ])
    const texts = pieces.filter((p) => p.kind === 'tool_definition').map((p) => p.text)
    expect(texts).toEqual(expect.arrayContaining(['search', 'finds', 'the words']))
  })

  it('reads Anthropic requests, with tool results and documents untrusted', () => {
    expect(
      kinds('anthropic-messages', {
        system: [{ type: 'text', text: 'sys' }],
        messages: [
          { role: 'user', content: 'hi' },
          {
            role: 'assistant',
            content: [{ type: 'tool_use', id: 't', name: 'f', input: { a: ['b'] } }],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'page' }] },
              { type: 'document', source: { data: 'doc' } },
              { type: 'text', text: 'and?' },
            ],
          },
        ],
      }).filter((one) => one[2] !== 'document'),
    ).toEqual([
      ['system', 'trusted', 'sys'],
      ['user', 'trusted', 'hi'],
      ['tool_call', 'model', 'b'],
      ['tool_result', 'untrusted', 'page'],
      ['tool_result', 'untrusted', 'doc'],
      ['user', 'trusted', 'and?'],
    ])
  })

  it('reads responses requests and prompts', () => {
    expect(kinds('openai-responses', { instructions: 'i', input: 'q' })).toEqual([
      ['system', 'trusted', 'i'],
      ['user', 'trusted', 'q'],
    ])
    const items = [
      { role: 'user', content: [{ type: 'input_text', text: 'q' }] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'page' },
    ]
    expect(kinds('openai-responses', { input: items })).toEqual(
      expect.arrayContaining([['tool_result', 'untrusted', 'page']]),
    )
    expect(kinds('openai-completions', { prompt: ['a', 'b'], suffix: 'c' })).toHaveLength(3)
  })

  it('trusts no role that it does not know', () => {
    const [piece] = readIngress('openai-chat', { messages: [{ role: 'wizard', content: 'x' }] })
    expect(piece?.standing).toBe('untrusted')
  })
})

describe('createDefinitionLedger', () => {
  it('asks for a definition again only when it changed, and forgets the oldest at its bound', () => {
    const ledger = createDefinitionLedger(1)
    const definitions = (description: string) =>
      readIngress('openai-chat', { tools: [{ function: { name: 'f', description } }] })
    expect(ledger.unseen(definitions('a'))).toHaveLength(2)
    ledger.remember(definitions('a'))
    expect(ledger.unseen(definitions('a'))).toHaveLength(0)
    expect(ledger.unseen(definitions('b'))).toHaveLength(2)
    ledger.remember(definitions('b'))
    expect(ledger.unseen(definitions('a'))).toHaveLength(2)
  })
})

describe('guardIngress', () => {
  const bytes = Buffer.from(JSON.stringify(CHAT, null, 1))
  const options = (effect: 'redact' | 'stop'): IngressOptions => ({
    dialect: 'openai-chat',
    scan: () => naiveScan(['secret']),
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((one): TextEffect[] => {
        if (one.kind !== 'match') return []
        const { start, end } = one
        return effect === 'stop'
          ? [{ kind: 'stop', message: 'Not here.', status: 403 }]
          : [{ kind: 'redact', start, end, with: '[x]' }]
      }),
    }),
  })

  it('redacts in place, also in the arguments of earlier calls, and leaves the rest byte for byte', () => {
    const result = guardIngress(options('redact'), bytes)
    expect(result.kind).toBe('modified')
    if (result.kind !== 'modified') return
    const expected = bytes
      .toString()
      .replace('s\\\\u0065cret', '[x]')
      .replace('found: secret', 'found: [x]')
    expect(Buffer.from(result.body).toString()).toBe(expected)
  })

  it('refuses the request when a rule stops it', () => {
    expect(guardIngress(options('stop'), bytes)).toMatchObject({
      kind: 'blocked',
      status: 403,
      message: 'Not here.',
    })
    expect(JSON.parse(blockedBody('Not here.'))).toEqual({
      error: {
        message: 'Not here.',
        type: 'invalid_request_error',
        param: null,
        code: 'content_policy_violation',
      },
    })
  })

  it('passes the very bytes when nothing is found, and refuses what is no JSON', () => {
    const clean = Buffer.from('{"messages":[{"role":"user","content":"hi"}]}')
    expect(guardIngress(options('redact'), clean)).toMatchObject({ kind: 'pass', body: clean })
    expect(() => guardIngress(options('redact'), Buffer.from('[1]'))).toThrow(
      'expected a JSON object',
    )
  })
})
