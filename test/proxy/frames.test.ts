import { describe, expect, it } from 'vitest'
import { MAX_FRAME_BYTES, createBodyMapper, createFrameMapper } from '../../src/proxy/frames.ts'

const stream = Buffer.from(
  ': hi\r\n\r\ndata: {"a":1}\n\nevent: x\ndata: {"b":"é😀"}\r\n\r\ndata: [DONE]\n\ndata: {"a":3}',
)
const shout = (value: Record<string, unknown>) => ('a' in value ? { ...value, seen: true } : value)

describe('createFrameMapper', () => {
  const run = (pieces: readonly Uint8Array[]): string => {
    const mapper = createFrameMapper(shout, () => true)
    const out = [...pieces.flatMap((piece) => mapper.push(piece)), ...mapper.end()]
    return Buffer.concat(out).toString()
  }

  it('gives the same bytes wherever the stream is cut', () => {
    const whole = run([stream])
    expect(whole).toBe(
      ': hi\r\n\r\ndata: {"a":1,"seen":true}\n\nevent: x\ndata: {"b":"é😀"}\r\n\r\ndata: [DONE]\n\ndata: {"a":3,"seen":true}\n\n',
    )
    for (let at = 0; at <= stream.length; at++) {
      expect(run([stream.subarray(0, at), stream.subarray(at)])).toBe(whole)
    }
    expect(run([...stream].map((byte) => Uint8Array.of(byte)))).toBe(whole)
  })

  it('changes no byte of an event that the mapper leaves alone', () => {
    const odd = Buffer.from('data:{"b" : 1.0e2,  "c":"\\u0041"}\n\n')
    const mapper = createFrameMapper(shout, () => true)
    expect(Buffer.concat([...mapper.push(odd)]).equals(odd)).toBe(true)
  })

  it('ends at a frame that is too long instead of holding it', () => {
    const mapper = createFrameMapper(shout, () => true)
    const block = Buffer.alloc(1024 * 1024, 120)
    for (let i = 0; i <= MAX_FRAME_BYTES / block.length; i++) expect(mapper.push(block)).toEqual([])
    expect(mapper.done).toBe(true)
    expect(mapper.end()).toEqual([])
  })
})

describe('createBodyMapper', () => {
  it('maps once at the end, and passes what is not JSON', () => {
    const mapper = createBodyMapper(shout, 1024)
    expect(mapper.push(Buffer.from('{"a"'))).toEqual([])
    mapper.push(Buffer.from(':1}'))
    expect(Buffer.concat([...mapper.end()]).toString()).toBe('{"a":1,"seen":true}')
    const odd = createBodyMapper(shout, 1024)
    odd.push(Buffer.from('oops'))
    expect(Buffer.concat([...odd.end()]).toString()).toBe('oops')
  })
})
