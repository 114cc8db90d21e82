import { describe, expect, it } from 'vitest'
import { completeEnd, RowText } from '../../src/session/row-text.ts'
import { byteVocabulary } from '../step/fakes.ts'

const vocabulary = byteVocabulary()
const bytesOf = (text: string) => [...Buffer.from(text)]

describe('RowText', () => {
  const text = 'aé€𝄞 z\u{1F469}\u200d\u{1F680} ﷽ end'
  it.each(['asked at every byte', 'asked at the end'])(
    'decodes characters cut anywhere, %s',
    (how) => {
      const row = new RowText(1_000)
      let longest = 0
      for (const byte of bytesOf(text)) {
        row.append(vocabulary, byte)
        if (how === 'asked at the end') continue
        const now = row.toString()
        expect(text.startsWith(now)).toBe(true)
        expect(now.length).toBeGreaterThanOrEqual(longest)
        longest = now.length
      }
      expect(row.toString()).toBe(text)
    },
  )

  it('goes back to every length and on again to the same text', () => {
    const bytes = bytesOf(text)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const row = new RowText(1_000)
      for (const byte of bytes) row.append(vocabulary, byte)
      row.toString()
      row.truncate(cut)
      for (const byte of bytes.slice(cut)) row.append(vocabulary, byte)
      expect(row.toString()).toBe(text)
    }
  })

  it('reads broken bytes as a decoder of the whole would, wherever it was asked before', () => {
    const samples = [
      [0xe2, 0x82, 0x61],
      [0xf0, 0x9d, 0x84, 0xe2, 0x82, 0xac],
      [0x80, 0x80, 0x41],
      [0xc0, 0xaf, 0xf5, 0x41],
      [0xed, 0xa0, 0x80, 0x41],
      [0xe0, 0x80, 0x41],
      [0xf4, 0x90, 0x80, 0x80, 0x41],
    ]
    for (const sample of samples) {
      const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(sample))
      const row = new RowText(100)
      for (const byte of sample) {
        row.append(vocabulary, byte)
        row.toString()
      }
      expect(row.toString()).toBe(whole)
    }
  })

  it('keeps a byte order mark, and nothing of a control token', () => {
    const row = new RowText(100)
    for (const token of [0xef, 0xbb, 0xbf, 256, 0x61, 257]) row.append(vocabulary, token)
    expect(row.toString()).toBe('\ufeffa')
  })

  it('stops keeping text at its bound and says so', () => {
    const row = new RowText(300)
    for (let i = 0; i < 400; i++) row.append(vocabulary, 97)
    expect(row.toString()).toBe('a'.repeat(300))
    expect(row.isCut).toBe(true)
  })
})

describe('completeEnd', () => {
  it('holds back only what further bytes could complete', () => {
    const end = (...bytes: number[]) => completeEnd(Uint8Array.from(bytes), 0, bytes.length)
    expect(end(0x61, 0xe2, 0x82)).toBe(1)
    expect(end(0x61, 0xf0, 0x9d, 0x84)).toBe(1)
    expect(end(0x61, 0xc3)).toBe(1)
    expect(end(0x61, 0xc3, 0xa9)).toBe(3)
    expect(end(0x61, 0xe0, 0x80)).toBe(3)
    expect(end(0x80, 0x80, 0x80)).toBe(3)
    expect(end()).toBe(0)
  })
})
