import { assert, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alignEdits, tokensOf } from '../../src/playground/align.ts'
import type { Span } from '../../src/playground/align.ts'

const words = (text: string, spans: readonly Span[]): string[] =>
  spans.map(([start, end]) => text.slice(start, end))

describe('alignEdits', () => {
  it.each([
    ['nothing', 'the same text', 'the same text', [], []],
    ['a redaction', 'card 4111 1111, valid', 'card [removed], valid', ['4111 1111'], ['[removed]']],
    ['a message at the end', 'It is so', 'It is so\n[Notice]', [], ['\n[Notice]']],
    [
      'an answer cut off',
      'They are fools, all',
      'They are [stopped]',
      ['fools, all'],
      ['[stopped]'],
    ],
    ['two edits', 'a1b2c3 middle d4e5f6 end.', 'X middle Y end.', ['a1b2c3', 'd4e5f6'], ['X', 'Y']],
    [
      'a word between two edits',
      'a 1234567 and b@c.d.',
      'a [x] and [y].',
      ['1234567', 'b@c.d'],
      ['[x]', '[y]'],
    ],
    ['everything', 'abc', '', ['abc'], []],
  ])('finds %s', (_, before, after, removed, inserted) => {
    const edits = alignEdits(before, after)
    expect(words(before, edits.removed)).toEqual(removed)
    expect(words(after, edits.inserted)).toEqual(inserted)
  })

  it('gives edits that turn one text into the other, whatever they are', () => {
    const text = string({ maxLength: 60 })
    assert(
      property(text, text, (before, after) => {
        const { removed, inserted } = alignEdits(before, after)
        const kept = (of: string, spans: readonly Span[]): string =>
          [...of].filter((_, i) => !spans.some(([start, end]) => i >= start && i < end)).join('')
        // Compared by UTF-16 unit, as spans are.
        const split = (of: string): string =>
          Array.from({ length: of.length }, (_, i) => of[i]).join('')
        expect(kept(split(before), removed)).toBe(kept(split(after), inserted))
      }),
    )
  })
})

describe('tokensOf', () => {
  it('finds the tokens of a span by its words and what stands before it', () => {
    const tokens = ['<call>', '{"to": "', 'a', '@x"', '}', '</call>', ' a']
    expect(tokensOf(tokens, '{"to": "a@x"} a', [[8, 11]])).toEqual([[2, 4]])
  })

  it('leaves out a span that no token says', () => {
    expect(tokensOf(['one', ' two'], 'one three', [[4, 9]])).toEqual([])
  })
})
