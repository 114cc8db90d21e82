/** What a request brings, and what becomes of it. */
import { describe, expect, it } from 'vitest'
import type { TextEffect } from '../../src/model/decision.ts'
import type { JsonObject } from '../../src/stream/dialect.ts'
import { type IngressOptions, checkIngress } from '../../src/stream/ingress-guard.ts'
import { callsBefore, readIngress, toolsOffered } from '../../src/stream/ingress.ts'
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

describe('callsBefore and toolsOffered', () => {
  it('names earlier calls and offered tools in every dialect', () => {
    expect(callsBefore('openai-chat', CHAT)).toEqual(['search'])
    expect(toolsOffered(CHAT)).toEqual(['search'])
    const content = [{ type: 'tool_use', id: 't', name: 'pay', input: {} }]
    const messages = [{ role: 'assistant', content }]
    expect(callsBefore('anthropic-messages', { messages })).toEqual(['pay'])
    const input = [{ type: 'function_call', name: 'pay', arguments: '{}' }]
    expect(callsBefore('openai-responses', { input })).toEqual(['pay'])
    expect(toolsOffered({ tools: [{ name: 'pay', input_schema: {} }] })).toEqual(['pay'])
  })
})

describe('checkIngress', () => {
  const check = (use: IngressOptions, body: JsonObject) =>
    checkIngress(use, body, readIngress(use.dialect, body))
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

  it('redacts in place, also in the arguments of earlier calls, and leaves the rest', () => {
    const result = check(options('redact'), CHAT)
    expect(result.kind).toBe('modified')
    if (result.kind !== 'modified') return
    const expected = JSON.stringify(CHAT)
      .replace('s\\\\u0065cret', '[x]')
      .replace('found: secret', 'found: [x]')
    expect(JSON.stringify(result.body)).toBe(expected)
    const told = result.decisions.map(({ channel, effects }) => `${channel} ${effects.join(' ')}`)
    expect(told).toEqual([
      'messages.2.tool_calls.0.function.arguments redact',
      'messages.3.content redact',
    ])
  })

  it('refuses the request when a rule stops it', () => {
    expect(check(options('stop'), CHAT)).toMatchObject({
      kind: 'blocked',
      status: 403,
      message: 'Not here.',
    })
  })

  it('asks about every text once, and keeps what is to be said for the answer', () => {
    const asked: string[] = []
    const notice = { kind: 'inject', where: 'before', text: 'Mind this.' } as const
    const use: IngressOptions = {
      dialect: 'openai-chat',
      decide: (_, piece) => {
        asked.push(piece.text)
        return { effects: [notice], firings: [] }
      },
    }
    const body = { messages: [{ role: 'user', content: 'hi' }], tools: [{ name: 'f' }] }
    expect(check(use, body)).toEqual({ kind: 'pass', decisions: [], notices: [notice] })
    expect(asked).toEqual(['hi', 'f'])
  })
})
