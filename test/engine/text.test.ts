import { describe, expect, it } from 'vitest'
import { Detokenizer } from '../../src/engine/detokenizer.ts'
import { createRandom } from '../../src/engine/random.ts'
import { argmax, draw, TokenCounts, type Sampling } from '../../src/engine/sampler.ts'
import { ToolCallParser, type ToolDelta } from '../../src/engine/tool-calls.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function said(stop: readonly string[], keepStop: boolean, parts: readonly Uint8Array[]): string {
  const words = new Detokenizer(stop, keepStop)
  let out = ''
  for (const part of parts) {
    const piece = words.push(part, true)
    out += piece.text
    if (piece.stopped !== undefined) return `${out}|${piece.stopped}`
  }
  return out + words.flush()
}

describe('Detokenizer', () => {
  const whole = bytes('Grüße 👋 END and more')

  it('gives the same text wherever the bytes are cut', () => {
    for (let at = 0; at <= whole.length; at++) {
      const parts = [whole.subarray(0, at), whole.subarray(at)]
      expect(said([], false, parts)).toBe('Grüße 👋 END and more')
      expect(said(['END'], false, parts)).toBe('Grüße 👋 |END')
      expect(said(['END'], true, parts)).toBe('Grüße 👋 END|END')
    }
  })

  it('never releases the beginning of a stop string', () => {
    const words = new Detokenizer(['END'], false)
    expect(words.push(bytes('say EN'), true).text).toBe('say ')
    expect(words.push(bytes('D'), true)).toEqual({ text: '', stopped: 'END' })
  })

  it('makes U+FFFD of a character that stays unfinished', () => {
    const words = new Detokenizer([], false)
    expect(words.push(Uint8Array.of(0xe2, 0x82), true).text).toBe('')
    expect(words.flush()).toBe('\uFFFD')
  })
})

const PLAIN: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
}

function histogram(logits: readonly number[], sampling: Sampling, times = 20_000): number[] {
  const random = createRandom(7)
  const counts = logits.map(() => 0)
  for (let i = 0; i < times; i++) {
    const token = draw(Float32Array.from(logits), sampling, new TokenCounts([]), random)
    if (token !== undefined) counts[token] = (counts[token] ?? 0) + 1
  }
  return counts.map((count) => count / times)
}

describe('draw', () => {
  it('follows the softmax of the logits', () => {
    const logits = [2, 1, 0, -1]
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0)
    for (const [i, share] of histogram(logits, PLAIN).entries()) {
      expect(share).toBeCloseTo(Math.exp(logits[i] ?? 0) / total, 1)
    }
  })

  it.each([
    ['top_k', { ...PLAIN, topK: 2 }, [true, true, false, false]],
    ['top_p', { ...PLAIN, topP: 0.6 }, [true, false, false, false]],
    ['min_p', { ...PLAIN, minP: 0.2 }, [true, true, false, false]],
    ['temperature 0', { ...PLAIN, temperature: 0 }, [true, false, false, false]],
  ] as const)('cuts the tail by %s', (_, sampling, expected) => {
    const shares = histogram([2, 1, 0, -1], sampling, 2000)
    expect(shares.map((share) => share > 0)).toEqual(expected)
  })

  it('never draws a token at minus infinity, and tells when none is left', () => {
    const denied = [-Infinity, 0, -Infinity]
    expect(histogram(denied, PLAIN, 500)).toEqual([0, 1, 0])
    const none = Float32Array.of(-Infinity, -Infinity)
    expect(draw(none, PLAIN, new TokenCounts([]), createRandom(1))).toBeUndefined()
    expect(argmax(none)).toBeUndefined()
  })

  it('gives the same numbers for the same seed', () => {
    const [a, b, c] = [createRandom(42), createRandom(42), createRandom(43)]
    const numbers = Array.from({ length: 5 }, a)
    expect(Array.from({ length: 5 }, b)).toEqual(numbers)
    expect(Array.from({ length: 5 }, c)).not.toEqual(numbers)
  })

  it('penalises what was said', () => {
    const counts = new TokenCounts([2])
    counts.add(0)
    counts.add(0)
    const logits = Float32Array.of(4, 4, 4)
    const penalties = { presencePenalty: 1, frequencyPenalty: 0.5, repetitionPenalty: 2 }
    counts.penalise(logits, { ...PLAIN, ...penalties })
    expect([...logits]).toEqual([0, 4, 2])
  })
})

describe('ToolCallParser', () => {
  const text =
    'Sure. <tool_call>{"name": "send_email", "arguments": {"to": "a@b.c", "body": "{\\"}"}}</tool_call> Done <b'

  const parsed = (parts: readonly string[]): { content: string; name: string; args: string } => {
    const parser = new ToolCallParser()
    const deltas: ToolDelta[] = parts.flatMap((part) => parser.push(part))
    deltas.push(...parser.flush())
    const of = (kind: ToolDelta['kind']): string =>
      deltas.map((d) => (d.kind !== kind ? '' : d.kind === 'name' ? d.name : d.text)).join('')
    return { content: of('content'), name: of('name'), args: of('arguments') }
  }

  it('finds the call wherever the text is cut', () => {
    for (let at = 0; at <= text.length; at++) {
      expect(parsed([text.slice(0, at), text.slice(at)])).toEqual({
        content: 'Sure.  Done <b',
        name: 'send_email',
        args: '{"to": "a@b.c", "body": "{\\"}"}',
      })
    }
    expect(parsed([...text]).args).toBe('{"to": "a@b.c", "body": "{\\"}"}')
  })

  it('gives what is no call as content', () => {
    expect(parsed(['<tool_call>{"nonsense"'])).toEqual({
      content: '<tool_call>{"nonsense"',
      name: '',
      args: '',
    })
  })
})
