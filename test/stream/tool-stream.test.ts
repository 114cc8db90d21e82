/** Tool calls in streams and bodies: allowed, rewritten, blocked and held, in three dialects. */
import { describe, expect, it } from 'vitest'
import { guardBody, openBody } from '../../src/stream/body.ts'
import { objects, valueAt } from '../../src/stream/dialect.ts'
import type { CallOutcome, CallText, StreamOptions } from '../../src/stream/guard-options.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import { editJson } from '../../src/tools/json-edit.ts'
import { naiveScan } from './naive-scan.ts'
import { CALL_BODIES, CALL_STREAMS, type Call } from './call-streams.ts'
import { through } from './streams.ts'

/** The calls that a client would make, and what it reads as text. */
function clientView(bytes: Uint8Array): { calls: Call[]; text: string; reason: unknown } {
  const calls = new Map<number, { name: string; arguments: string }>()
  let text = ''
  let reason: unknown
  const callAt = (index: number): { name: string; arguments: string } => {
    const call = calls.get(index) ?? { name: '', arguments: '' }
    calls.set(index, call)
    return call
  }
  for (const { data } of createSseParser(1 << 24).push(bytes)) {
    if (data === undefined || data === '[DONE]') continue
    const json: unknown = JSON.parse(data)
    const at = (...path: (string | number)[]): unknown => valueAt(json, path)
    const say = (value: unknown): void => void (text += typeof value === 'string' ? value : '')
    for (const part of objects(at('choices', 0, 'delta', 'tool_calls'))) {
      const call = callAt(Number(part['index']))
      call.name += String(valueAt(part, ['function', 'name']) ?? '')
      call.arguments += String(valueAt(part, ['function', 'arguments']) ?? '')
    }
    say(at('choices', 0, 'delta', 'content'))
    reason = at('choices', 0, 'finish_reason') ?? at('delta', 'stop_reason') ?? reason
    const index = Number(at('index') ?? at('output_index'))
    if (at('content_block', 'type') === 'tool_use')
      callAt(index).name = String(at('content_block', 'name'))
    if (at('delta', 'type') === 'input_json_delta')
      callAt(index).arguments += String(at('delta', 'partial_json'))
    say(at('content_block', 'text'))
    say(at('delta', 'text'))
    if (at('type') === 'response.completed') {
      reason = at('response', 'status')
      objects(at('response', 'output')).forEach((item, i) => {
        if (item['type'] === 'message') say(valueAt(item, ['content', 0, 'text']))
        else calls.set(i, { name: String(item['name']), arguments: String(item['arguments']) })
      })
    }
  }
  return { calls: [...calls.values()], text, reason }
}

function options(
  dialect: StreamOptions['dialect'],
  decideCall: (call: CallText) => CallOutcome,
): StreamOptions {
  return {
    dialect,
    decideCall,
    decide: () => ({ effects: [], firings: [] }),
    holdbackTokens: 8,
    onMalformed: 'closed',
  }
}

const outcomes: Record<string, CallOutcome> = {
  ok: { kind: 'allow' },
  bad: { kind: 'block', message: '[blocked]' },
  fix: { kind: 'rewrite', arguments: '{"to":"safe","_checkstream_modified":true}' },
}
const byName = (call: CallText): CallOutcome => outcomes[call.name] ?? { kind: 'allow' }

const ok: Call = { name: 'ok', arguments: '{"a": "é🎉 \\" 1"}' }
const bad: Call = { name: 'bad', arguments: '{"to": "x@evil"}' }
const fix: Call = { name: 'fix', arguments: '{"to": "x@evil"}' }
const fixed: Call = { name: 'fix', arguments: '{"to":"safe","_checkstream_modified":true}' }

const STREAMS = [
  ['openai-chat', CALL_STREAMS['openai-chat'], 'content_filter', 'tool_calls'],
  ['anthropic-messages', CALL_STREAMS['anthropic-messages'], 'refusal', 'tool_use'],
  ['openai-responses', CALL_STREAMS['openai-responses'], 'completed', 'completed'],
] as const

describe.each(STREAMS)('%s', (dialect, write, filtered, normal) => {
  it.each([
    ['allowed calls byte for byte', [ok, ok], [ok, ok], '', normal],
    ['a rewritten call with the safe arguments only', [fix], [fixed], '', normal],
    ['nothing of a blocked call', [bad], [], '[blocked]', filtered],
    ['the calls around a blocked one', [ok, bad, fix, ok], [ok, fixed, ok], '[blocked]', normal],
    ['two blocked calls', [bad, ok, bad], [ok], '[blocked][blocked]', normal],
  ] as const)('lets out %s, at every cut', (_name, calls, expected, text, reason) => {
    const bytes = Buffer.from(write(calls))
    for (let cut = 0; cut < bytes.length; cut += 37) {
      const out = through(options(dialect, byName), bytes, [cut])
      expect(clientView(out), `cut at ${cut}`).toEqual({ calls: expected, text, reason })
      expect(out.toString()).not.toContain(calls === expected ? 'nothing' : 'evil')
      if (text === '' && expected.every((call) => call === ok)) expect(out.equals(bytes)).toBe(true)
    }
  })

  it('holds a call until it is approved, and lets nothing of it out before', () => {
    const guard = createStreamGuard(options(dialect, () => ({ kind: 'hold' })))
    const before = Buffer.concat([...guard.push(Buffer.from(write([fix]))), ...guard.end()])
    expect(clientView(before).calls).toEqual([])
    expect(guard.finished).toBe(false)
    expect(guard.heldBytes).toBeGreaterThan(0)
    const key =
      dialect === 'openai-chat'
        ? '0:call0'
        : dialect === 'anthropic-messages'
          ? 'b0'
          : 'o0:arguments'
    const after = Buffer.concat(guard.settleCall(key, { kind: 'allow' }))
    expect(clientView(Buffer.concat([before, after])).calls).toEqual([fix])
    expect(guard.finished).toBe(true)
    expect(guard.heldBytes).toBe(0)
  })

  it('redacts inside arguments that stream, without breaking the JSON', () => {
    const scanning: StreamOptions = {
      ...options(dialect, byName),
      scan: () => naiveScan(['secret']),
      decide: (findings) => ({
        firings: [],
        effects: findings.flatMap((one) =>
          one.kind === 'match'
            ? [{ kind: 'redact' as const, start: one.start, end: one.end, with: '"*"\n' }]
            : [],
        ),
      }),
    }
    const { decideCall: _none, ...live } = scanning
    for (const use of [scanning, live]) {
      const call = { name: 'ok', arguments: '{"k": "my s\\u0065cret \\"x", "n": 1}' }
      const out = through(use, Buffer.from(write([call])), [])
      const [seen] = clientView(out).calls
      expect(JSON.parse(seen?.arguments ?? '')).toEqual({ k: 'my "*"\n "x', n: 1 })
    }
  })

  it('redacts in a rewritten call what the rewrite left', () => {
    const use = redacting(dialect)
    const bytes = Buffer.from(write([leaky]))
    for (let cut = 0; cut < bytes.length; cut += 37) {
      const out = through(use, bytes, [cut])
      const [seen] = clientView(out).calls
      expect(JSON.parse(seen?.arguments ?? ''), `cut at ${cut}`).toEqual(cleaned)
      expect(seen?.arguments).toContain('1e400')
      expect(out.toString()).not.toMatch(/my secret|s\\u0065cret|evil/)
    }
  })
})

const leaky: Call = {
  name: 'pay',
  arguments:
    '{"to": "evil secret", "note": ["my s\\u0065cret", {"secret": 7, "m": 1e400}], "n": 1e400}',
}
const cleaned = {
  to: 'a secret of ours',
  note: ['my "*"', { '"*"': 7, m: Infinity }],
  n: Infinity,
  _checkstream_modified: true,
}

/** Redacts `secret` everywhere; the rewrite puts a text of the policy, which has the word itself. */
function redacting(dialect: StreamOptions['dialect']): StreamOptions {
  return {
    ...options(dialect, (call) => ({
      kind: 'rewrite',
      arguments: editJson(call.arguments, [
        { path: ['to'], value: '"a secret of ours"' },
        { path: ['_checkstream_modified'], value: 'true' },
      ]),
    })),
    scan: () => naiveScan(['secret']),
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((one) =>
        one.kind === 'match'
          ? [{ kind: 'redact' as const, start: one.start, end: one.end, with: '"*"' }]
          : [],
      ),
    }),
  }
}

describe('guardBody', () => {
  const chatBody = CALL_BODIES['openai-chat']

  it('allows, rewrites and blocks calls as the stream does', () => {
    const run = (calls: readonly Call[]): unknown =>
      JSON.parse(
        new TextDecoder().decode(
          guardBody(options('openai-chat', byName), Buffer.from(chatBody(calls))).body,
        ),
      )
    const out = run([ok, bad, fix])
    expect(valueAt(out, ['choices', 0, 'message', 'tool_calls'])).toEqual([
      { id: 'c0', type: 'function', function: ok },
      { id: 'c2', type: 'function', function: fixed },
    ])
    expect(valueAt(out, ['choices', 0, 'message', 'content'])).toBe('[blocked]')
    const blocked = run([bad])
    expect(valueAt(blocked, ['choices', 0, 'message', 'tool_calls'])).toBeUndefined()
    expect(valueAt(blocked, ['choices', 0, 'finish_reason'])).toBe('content_filter')
  })

  it('decides calls of one frame, and of one body, by their own arguments', () => {
    const calls = [bad, ok].map((call, index) => ({ ...call, name: `f${index}` }))
    const byArguments = (call: CallText): CallOutcome =>
      call.arguments.includes('evil') ? { kind: 'block', message: '[blocked]' } : { kind: 'allow' }
    const use = options('openai-chat', byArguments)
    const out = guardBody(use, Buffer.from(chatBody(calls))).body
    expect(JSON.parse(Buffer.from(out).toString())).toMatchObject({
      choices: [{ message: { content: '[blocked]', tool_calls: [{ function: calls[1] }] } }],
    })
    const delta = {
      tool_calls: calls.map((call, index) => ({ index, id: `c${index}`, function: call })),
    }
    const first = { choices: [{ index: 0, delta }] }
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }
    const stream = [first, end].map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')
    const text = `${stream}data: [DONE]\n\n`
    expect(clientView(through(use, Buffer.from(text), []))).toMatchObject({
      calls: [calls[1]],
      text: '[blocked]',
    })
  })

  it('rewrites the input object of Anthropic, and blocks its block', () => {
    const body = JSON.stringify({
      type: 'message',
      content: [
        { type: 'text', text: 'hi' },
        { type: 'tool_use', id: 't1', name: 'fix', input: { to: 'x@evil' } },
        { type: 'tool_use', id: 't2', name: 'bad', input: { to: 'x@evil' } },
      ],
      stop_reason: 'tool_use',
    })
    const guarded = guardBody(options('anthropic-messages', byName), Buffer.from(body))
    expect(JSON.parse(new TextDecoder().decode(guarded.body))).toEqual({
      type: 'message',
      content: [
        { type: 'text', text: 'hi' },
        { type: 'tool_use', id: 't1', name: 'fix', input: JSON.parse(fixed.arguments) as unknown },
        { type: 'text', text: '[blocked]' },
      ],
      stop_reason: 'tool_use',
    })
    expect(guarded.decisions.map((one) => one.effects[0])).toEqual(['rewrite', 'block'])
  })

  it('redacts in a rewritten call what the rewrite left', () => {
    const out = guardBody(redacting('openai-chat'), Buffer.from(chatBody([leaky]))).body
    const json: unknown = JSON.parse(Buffer.from(out).toString())
    const path = ['choices', 0, 'message', 'tool_calls', 0, 'function', 'arguments']
    expect(JSON.parse(String(valueAt(json, path)))).toEqual(cleaned)
  })

  it('waits for the calls that are held, and refuses what nobody answered', () => {
    const held = () =>
      openBody(
        options('openai-chat', () => ({ kind: 'hold' })),
        Buffer.from(chatBody([fix])),
      )
    const open = held()
    expect(open.held).toMatchObject([{ key: '0:call0', name: 'fix', arguments: fix.arguments }])
    open.settleCall('0:call0', { kind: 'allow' })
    expect(Buffer.from(open.finish().body).toString()).toContain('x@evil')
    expect(Buffer.from(held().finish().body).toString()).not.toContain('x@evil')
  })
})
