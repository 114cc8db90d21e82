/** Frames of an event stream: any cut, any line ending. */
import { describe, expect, it } from 'vitest'
import { createSseParser, replaceData, writeComment, writeFrame } from '../../src/stream/sse.ts'

const TEXT = [
  ': keep-alive',
  '',
  'event: delta',
  'data: {"a": "né🎉"}',
  'id: 7',
  '',
  'data: first',
  'data:second',
  'data',
  '',
  'retry: 10',
  'data: [DONE]',
  '',
  '',
].join('\n')

const EXPECTED = [
  [undefined, undefined],
  ['delta', '{"a": "né🎉"}'],
  [undefined, 'first\nsecond\n'],
  [undefined, '[DONE]'],
]

function parseCut(bytes: Buffer, cuts: readonly number[]): { read: unknown; raw: string } {
  const parser = createSseParser(1024)
  const cut = [0, ...cuts].flatMap((from, i) => parser.push(bytes.subarray(from, cuts[i])))
  const frames = [...cut, ...parser.flush()]
  const rest = Buffer.from(parser.end())
  return {
    read: frames.filter((f) => f.raw.length > 2).map((f) => [f.event, f.data]),
    raw: Buffer.concat([...frames.map((f) => f.raw), rest]).toString(),
  }
}

describe('createSseParser', () => {
  it.each([
    ['line feeds', '\n'],
    ['carriage returns', '\r'],
    ['both', '\r\n'],
  ])('reads the same events with %s, cut at every byte', (_name, ending) => {
    const text = TEXT.replaceAll('\n', ending)
    const bytes = Buffer.from(text)
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(parseCut(bytes, [cut]), `cut at ${cut}`).toEqual({ read: EXPECTED, raw: text })
    }
    const everywhere = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)
    expect(parseCut(bytes, everywhere)).toEqual({ read: EXPECTED, raw: text })
  })

  it('keeps the unfinished frame for the end', () => {
    const parser = createSseParser(1024)
    expect(parser.push(Buffer.from('data: a\n\ndata: hal'))).toHaveLength(1)
    expect(parser.pendingBytes).toBe(9)
    expect(Buffer.from(parser.end()).toString()).toBe('data: hal')
  })

  it('latches at the bound and forgets what it had', () => {
    const parser = createSseParser(16)
    parser.push(Buffer.from('data: 12345678901234567890'))
    expect(parser.overflowed).toBe(true)
    expect(parser.pendingBytes).toBe(0)
    expect(parser.push(Buffer.from('\n\ndata: x\n\n'))).toEqual([])
  })
})

describe('writers', () => {
  it('replaces data and keeps the other lines', () => {
    const [frame] = createSseParser(99).push(
      Buffer.from('event: e\r\ndata: a\r\ndata: b\r\nid: 1\r\n\r\n'),
    )
    expect(frame).toBeDefined()
    if (frame !== undefined) {
      expect(Buffer.from(replaceData(frame, 'c')).toString()).toBe('event: e\ndata: c\nid: 1\n\n')
    }
  })

  it('writes frames and comments that parse as such', () => {
    const bytes = Buffer.concat([writeFrame('{}', 'x'), writeComment('a\nb'), writeFrame('1')])
    const frames = createSseParser(99).push(bytes)
    expect(frames.map((f) => [f.event, f.data])).toEqual([
      ['x', '{}'],
      [undefined, undefined],
      [undefined, '1'],
    ])
  })
})
