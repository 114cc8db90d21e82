import { describe, expect, it } from 'vitest'
import { createTokenLookup } from '../../src/programs/token-lookup.ts'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'

const pieces = ['a', 'b', 'ab', ' ab', 'ab\n', 'c', ' ']
const tokens = [...pieces.map((piece) => Buffer.from(piece)), 'control', Buffer.from('control')]
const lookup = createTokenLookup(createVocabulary(tokens as never, 12))

describe('createTokenLookup', () => {
  it('finds every token that is a word, whatever white space it carries', () => {
    expect(lookup.tokensOf('ab')).toEqual([2, 3, 4])
    expect(lookup.tokensOf(' a ')).toEqual([0])
    expect(lookup.tokensOf('nothing')).toEqual([])
  })

  it('never gives a control token for its name', () => {
    expect(lookup.tokensOf('control')).toEqual([8])
  })

  it('spells a text by the longest tokens, or not at all', () => {
    expect(lookup.encode('abc ab')).toEqual([2, 5, 3])
    expect(lookup.encode('')).toEqual([])
    expect(lookup.encode('abz')).toEqual([])
  })
})
