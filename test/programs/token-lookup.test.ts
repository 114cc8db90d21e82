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

  it('makes a set of safe words or characters, in which a text can always end', () => {
    const bytes = ['a', 'ab', ' ab', 'é', 'aé', 'no'].map((t) => Buffer.from(t))
    const all = [...bytes, Buffer.from([0xc3]), Buffer.from([0xa9]), 'end', 'control']
    const of = createTokenLookup(createVocabulary(all as never, 12))
    const none = { tokens: [], characters: '', words: [] }
    const letters = { ...none, characters: 'aé' }
    expect(of.safe(letters)).toEqual({ tokens: [0, 3, 4, 8], invert: true })
    expect(of.safe(letters)).toBe(of.safe(letters))
    expect(of.safe({ ...none, words: ['ab'] }).tokens).toEqual([1, 2, 8])
    // No token is the word: the tokens that spell it are.
    expect(of.safe({ ...none, words: ['aba'] }).tokens).toEqual([0, 1, 2, 8])
    expect(of.safe({ ...none, tokens: [9] }).tokens).toEqual([8, 9])
  })
})
