/** What the table of actions does not show: choices, side channels, bounds, verdicts, broken upstreams. */
import { describe, expect, it } from 'vitest'
import type { JudgeJob, StreamOptions } from '../../src/stream/guard-options.ts'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import type { Finding } from '../../src/model/finding.ts'
import { hear, optionsFor, streamOf, through } from './streams.ts'

const frame = (data: unknown): string =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const choice = (
  index: number,
  delta: unknown,
  reason: string | null = null,
  more = {},
): object => ({
  index,
  delta,
  finish_reason: reason,
  ...more,
})
const chunk = (...choices: object[]): string =>
  frame({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices })
const DONE = frame('[DONE]')
const run = (options: StreamOptions, text: string): string =>
  through(options, Buffer.from(text), []).toString()
const redact = optionsFor('openai-chat', [{ phrase: 'secret', redact: '*' }])
const stop = optionsFor('openai-chat', [{ phrase: 'secret', stop: 'No.' }])

describe('choices', () => {
  it('stops one choice and lets the others end by themselves', () => {
    const out = run(
      { ...stop, choices: 2 },
      [
        chunk(choice(0, { content: 'a ' }), choice(1, { content: 'b ' })),
        chunk(choice(0, { content: 'secret' }), choice(1, { content: 'c' })),
        chunk(choice(0, { content: ' more' })),
        chunk(choice(1, {}, 'stop')),
        frame({ id: 'c', choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }),
        DONE,
      ].join(''),
    )
    expect(out).toContain('"content":"\\n\\nNo."')
    expect(out).toContain('"content_filter"')
    expect(out).not.toContain('secret')
    expect(out).not.toContain(' more')
    expect(out).toContain('"content":"c"')
    expect(out.match(/\[DONE\]/g)).toHaveLength(1)
  })

  it('ends the response when every choice is stopped, with a usage chunk when it was asked for', () => {
    const guard = createStreamGuard({ ...stop, choices: 2, includeUsage: true })
    const text = [
      chunk(choice(0, { content: 'secret' })),
      chunk(choice(1, { content: 'ok ' })),
      chunk(choice(1, { content: 'secret' })),
      chunk(choice(1, { content: 'never' })),
    ].join('')
    const out = Buffer.concat([...guard.push(Buffer.from(text)), ...guard.end()]).toString()
    expect(guard).toMatchObject({ stopped: true, finished: true, heldBytes: 0 })
    expect(out).not.toContain('never')
    expect(out).toContain('"usage":{"prompt_tokens":0,"completion_tokens":3,"total_tokens":3}')
    expect(out.endsWith(DONE)).toBe(true)
  })
})

describe('side channels', () => {
  it('clears log probabilities and token ids of an edited frame, and leaves those of others', () => {
    const logprobs = { content: [{ token: 'secret', logprob: -1 }] }
    const text = [
      chunk(choice(0, { content: 'fine' }, null, { logprobs: { content: [{ token: 'fine' }] } })),
      chunk(choice(0, { content: 'secret' }, null, { logprobs, token_ids: [7] })),
      chunk(choice(0, {}, 'stop')),
      DONE,
    ].join('')
    const out = run(redact, text)
    expect(out).not.toContain('secret')
    expect(out).toContain('"token":"fine"')
    expect(out).toContain('"logprobs":null,"token_ids":null')
  })

  it.each(['reasoning', 'reasoning_content', 'refusal'])('scans %s on its own', (field) => {
    const text = [
      chunk(choice(0, { [field]: 'sec' })),
      chunk(choice(0, { content: 'ret sec' })),
      chunk(choice(0, { [field]: 'ret' })),
      chunk(choice(0, { content: 'ret' }, 'stop')),
      DONE,
    ].join('')
    const out = run(redact, text)
    expect(out).toContain(`"${field}":"*"`)
    expect(hear(Buffer.from(out)).text).toBe('ret *')
  })

  it('reads content as parts, thinking included', () => {
    const text = [
      chunk(
        choice(0, {
          content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'a secret' }] }],
        }),
      ),
      chunk(choice(0, { content: [{ type: 'text', text: 'the secret' }] }, 'stop')),
    ].join('')
    const out = run(redact, text)
    expect(out).toContain('"text":"a *"')
    expect(out).toContain('"text":"the *"')
  })

  it('keeps JSON content valid when a part of it is redacted', () => {
    const options = {
      ...optionsFor('openai-chat', [{ phrase: '4111', redact: '"x"' }]),
      jsonContent: true,
    }
    const out = run(options, streamOf('openai-chat', ['{"card": "41', '11", "n": 4', '111}']))
    expect(JSON.parse(hear(Buffer.from(out)).text)).toEqual({ card: '"x"', n: 9999 })
  })

  it('leaves unknown fields, big numbers and key order of an edited frame alone', () => {
    const text =
      'event: x\nid: 5\ndata: {"zz": 1.0, "big": 12345678901234567890, "choices": [ {"delta": {"content": "a secret", "x": {"y": [1e5]}}, "index": 0} ], "a":null}\n\n'
    expect(run(redact, text)).toBe(text.replace('a secret', 'a *'))
  })
})

describe('holding', () => {
  it('holds nothing while nothing is open, and only frames that are open', () => {
    const guard = createStreamGuard(redact)
    const held: number[] = []
    for (const content of ['Hello ', 'world s', 'e', 'nd', ' more']) {
      guard.push(Buffer.from(chunk(choice(0, { content }))))
      held.push(guard.heldBytes > 0 ? 1 : 0)
    }
    expect(held).toEqual([0, 1, 1, 0, 0])
  })

  it('lets keep-alive comments pass what waits', () => {
    const guard = createStreamGuard(redact)
    expect(guard.push(Buffer.from(chunk(choice(0, { content: 'sec' }))))).toEqual([])
    expect(Buffer.concat(guard.push(Buffer.from(': ping\n\n'))).toString()).toBe(': ping\n\n')
  })

  it('releases by its bound, and says that a match came late', () => {
    const phrase = 'abcdefgh'.repeat(20)
    const options = {
      ...optionsFor('openai-chat', [{ phrase, redact: '*' }]),
      holdbackTokens: 8,
      holdbackChars: 32,
    }
    const guard = createStreamGuard(options)
    let out = ''
    for (const part of phrase.match(/.{4}/g) ?? []) {
      out += Buffer.concat(guard.push(Buffer.from(chunk(choice(0, { content: part })))))
      expect(guard.heldBytes).toBeLessThan(10 * 120)
    }
    out += Buffer.concat(guard.end())
    expect(guard.decisions).toMatchObject([{ isLate: true }])
    expect(hear(Buffer.from(out)).text.endsWith('*')).toBe(true)
  })

  it('gives the same slice back when a chunk passes whole', () => {
    const bytes = Buffer.from(streamOf('openai-chat', ['Hello', ' world']))
    const out = createStreamGuard(redact).push(bytes)
    expect(out).toHaveLength(1)
    expect(out[0]?.buffer).toBe(bytes.buffer)
  })
})

describe('verdicts', () => {
  const verdict = (span: readonly [number, number], label = 'toxic'): Finding => ({
    kind: 'verdict',
    verdict: { model: 'm', label, probability: 0.9, span, digest: 'd' },
  })
  const judged = (release: 'live' | 'judged', jobs: JudgeJob[]): StreamOptions => ({
    dialect: 'openai-chat',
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((one) => {
        if (one.kind === 'unjudged')
          return [{ kind: 'stop' as const, message: 'Late.', status: 403 }]
        if (one.kind !== 'verdict' || one.verdict.label !== 'toxic') return []
        return [{ kind: 'stop' as const, message: 'No.', status: 403 }]
      }),
    }),
    judge: { checkInterval: 2, release, contextChars: 100, submit: (job) => jobs.push(job) },
    holdbackTokens: 8,
    onMalformed: 'closed',
  })
  const pieces = ['one ', 'two ', 'three ', 'four ', 'five']

  it('releases judged text when a verdict covers it, and the end when all is covered', () => {
    const jobs: JudgeJob[] = []
    const guard = createStreamGuard(judged('judged', jobs))
    let out = Buffer.concat([
      ...guard.push(Buffer.from(streamOf('openai-chat', pieces))),
      ...guard.end(),
    ])
    expect(hear(out).text).toBe('')
    expect(jobs[0]).toMatchObject({ from: 0, text: 'one two ', to: 8 })
    const answer = (): void => {
      const job = jobs.shift()
      if (job === undefined) return
      const { channel, to } = job
      const findings = [verdict([0, 3], 'fine')]
      out = Buffer.concat([out, ...guard.settle({ channel: channel.key, to, findings })])
    }
    answer()
    expect(hear(out).text).toBe('one two ')
    expect(guard.finished).toBe(false)
    answer()
    expect(hear(out).text).toBe('one two three ')
    answer()
    expect(hear(out)).toMatchObject({ text: pieces.join(''), reason: 'stop' })
    expect(guard.finished).toBe(true)
  })

  it('stops at the span of a late verdict, or where the released text ends', () => {
    const jobs: JudgeJob[] = []
    const guard = createStreamGuard(judged('judged', jobs))
    let out = Buffer.concat(guard.push(Buffer.from(streamOf('openai-chat', pieces))))
    const findings = [verdict([4, 7])]
    out = Buffer.concat([out, ...guard.settle({ channel: '0:content', to: 8, findings })])
    expect(hear(out)).toMatchObject({ text: 'one \n\nNo.', reason: 'content_filter' })
    expect(guard.stopped).toBe(true)

    const live = createStreamGuard(judged('live', jobs))
    out = Buffer.concat(live.push(Buffer.from(streamOf('openai-chat', pieces).replace(DONE, ''))))
    expect(hear(out).text).toBe(pieces.join(''))
    const late = live.settle({ channel: '0:content', to: 8, findings })
    expect(Buffer.concat(late).toString()).toContain('content_filter')
    expect(live.decisions).toMatchObject([{ isLate: true }])
  })

  it('asks the policy when no verdict comes', () => {
    const guard = createStreamGuard(judged('judged', []))
    const before = guard.push(Buffer.from(streamOf('openai-chat', pieces)))
    const findings = [{ kind: 'unjudged', model: 'm', reason: 'late' } as const]
    const after = guard.settle({ channel: '0:content', to: 8, findings })
    const out = Buffer.concat([...before, ...after])
    expect(hear(out)).toMatchObject({ text: 'Late.', reason: 'content_filter' })
  })
})

describe('broken upstreams', () => {
  const text = streamOf('openai-chat', ['Hello ', 'sec'])

  it.each([
    ['in the middle of a frame', text.slice(0, -40)],
    ['in the middle of a character', Buffer.from(streamOf('openai-chat', ['é'])).subarray(0, 200)],
  ])('ends with an error when the upstream is cut %s', (_name, cut) => {
    const out = through(redact, Buffer.from(cut), []).toString()
    expect(out).toContain('the upstream ended in the middle of a frame')
    expect(out.endsWith(DONE)).toBe(true)
  })

  it('lets what is clean go when the upstream just ends', () => {
    const out = run(redact, text.replace(DONE, ''))
    expect(hear(Buffer.from(out)).text).toBe('Hello sec')
  })

  it('fails by policy when a frame is no JSON', () => {
    const broken = `${chunk(choice(0, { content: 'hi' }))}data: {"choices": [\n\n${DONE}`
    expect(run(redact, broken)).toContain('a frame that is not JSON')
    expect(run({ ...redact, onMalformed: 'open' }, broken)).toBe(broken)
  })

  it('passes errors of the upstream, and frames of unknown shape', () => {
    const odd = frame({ error: { message: 'boom' } }) + frame({ choices: 'none', x: [1] }) + DONE
    expect(run(redact, odd)).toBe(odd)
  })

  it('takes a frame of one megabyte, and refuses one beyond its bound without keeping it', () => {
    const big = chunk(choice(0, { content: 'x'.repeat(1 << 20) }))
    expect(run(redact, big) === big).toBe(true)
    const guard = createStreamGuard({ ...redact, limits: { maxFrameBytes: 1000 } })
    const out = Buffer.concat(guard.push(Buffer.from(big))).toString()
    expect(out).toContain('longer than 1000 bytes')
    expect(guard).toMatchObject({ stopped: true, heldBytes: 0 })
  })

  it('refuses to hold more than its bound, and lets nothing of it out', () => {
    const guard = createStreamGuard({
      ...redact,
      limits: { maxHeldBytes: 500 },
      holdbackTokens: 1000,
    })
    const phrase = 'sec'
    let out = Buffer.concat(guard.push(Buffer.from(chunk(choice(0, { content: phrase })))))
    for (let i = 0; i < 10 && !guard.stopped; i++) {
      out = Buffer.concat([out, ...guard.push(Buffer.from(chunk(choice(0, { content: '' }))))])
    }
    expect(out.toString()).toContain('bytes wait for a decision')
    expect(out.toString()).not.toContain('sec"')
  })

  it.each(Array.from({ length: 40 }, (_, seed) => seed))('survives garbage %i', (seed) => {
    let state = seed + 1
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31
      return state % below
    }
    const bytes = Buffer.from(streamOf('openai-chat', ['Hello ', 'secret', ' bye']))
    for (let i = 0; i < 20; i++) bytes[random(bytes.length)] = random(256)
    for (const onMalformed of ['open', 'closed'] as const) {
      expect(() => through({ ...redact, onMalformed }, bytes, [random(bytes.length)])).not.toThrow()
    }
  })
})

describe('the final comment', () => {
  it('tells the decisions to who looks, and nothing to clients', () => {
    const out = run({ ...redact, finalComment: true }, streamOf('openai-chat', ['a secret']))
    expect(out).toMatch(/: checkstream \{"decisions":\[\{"channel":"0:content".*\n\ndata: \[DONE\]/)
    expect(hear(Buffer.from(out)).text).toBe('a *')
  })
})
