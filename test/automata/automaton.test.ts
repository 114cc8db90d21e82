import { describe, expect, it } from 'vitest'
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { compileTokenProgram, parseTokenProgram } from '../../src/automata/program.ts'
import { createTextScanner } from '../../src/automata/scan.ts'
import type { Ban } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'
import { createRandom } from './random.ts'

const ban = (text: string, more: Partial<Ban> = {}): Ban => ({
  id: text,
  kind: 'phrase',
  text,
  match: 'word',
  folds: ['case'],
  pending: 'allow',
  ...more,
})
const regex = (text: string, more: Partial<Ban> = {}): Ban =>
  ban(text, { kind: 'regex', match: 'substring', ...more })

function found(bans: readonly Ban[], text: string): string[] {
  const scanner = createTextScanner(compileAutomaton(bans))
  return [...scanner.push(text), ...scanner.end()].map((m) => text.slice(m.start, m.end))
}

describe('compileAutomaton', () => {
  it.each([
    ['an empty phrase', ban(''), /empty one/],
    ['white space', ban(' \n'), /bans white space only/],
    ['white space that folds are told of', ban('  ', { folds: ['spacing'] }), /white space only/],
    ['what folds away', ban('\u200b\u200d', { folds: ['zero_width'] }), /nothing is left/],
    ['a lone mark under marks', ban('\u0301', { folds: ['marks'] }), /nothing is left/],
    ['broken bytes', ban('a\ufffd'), /U\+FFFD/],
    ['an endless phrase', ban('a'.repeat(3000)), /at most 1024 characters/],
    ['an unbounded star', regex('ab*'), /"b\*" is unbounded: use \{0,n\}/],
    ['an open interval', regex('(?:ab){2,}c'), /"\(\?:ab\)\{2," is unbounded|unbounded/],
    ['a large interval', regex('a{1,65}'), /1 to 64 repeats/],
    ['an empty match', regex('(a|b)?'), /matches the empty text/],
    ['white space by regular expression', regex('\\s{1,4}'), /white space only/],
    ['anything at all', regex('.{2,5}'), /white space only/],
    ['look-ahead', regex('a(?=b)'), /\(\?= is not supported/],
    ['a back-reference', regex('(a)\\1'), /back-references/],
  ])('refuses %s and says where', (_, entry, message) => {
    const placed = { ...entry, place: 'policy.yaml:7:3' }
    expect(() => compileAutomaton([placed])).toThrow(message)
    expect(() => compileAutomaton([placed])).toThrow(/^policy\.yaml:7:3: ban /)
  })

  it('refuses an exploding expression within its budget and names it', () => {
    const bomb = regex('a.{0,40}b.{0,40}c')
    expect(() => compileAutomaton([ban('x'), bomb], { maxStates: 3000 })).toThrow(
      /ban "a\.\{0,40\}b\.\{0,40\}c": explodes: more than 3000 states; the part is "\.\{0,40\}"/,
    )
  })

  it('refuses phrases past the budget of all, and names the one that takes most and by what', () => {
    const folds = ['case', 'confusables', 'split'] as const
    const long = ban('guaranteed returns for everybody', { folds, place: 'policy.yaml:9:5' })
    expect(() => compileAutomaton([ban('short'), long, ban('other')], { maxStates: 60 })).toThrow(
      /^policy\.yaml:9:5: ban "guaranteed .*": explodes: \d+ states of at most 60 for all bans are for this one, most of them by its fold split$/,
    )
  })

  it('refuses an id that is used twice and an unknown fold', () => {
    expect(() => compileAutomaton([ban('a'), ban('a')])).toThrow(/used twice/)
    const odd = ban('a', { folds: ['upper' as 'case'] })
    expect(() => compileAutomaton([odd])).toThrow(/expected case, width/)
  })

  it('has a digest that follows the bans and not the order of folds', () => {
    const a = compileAutomaton([ban('x', { folds: ['case', 'width'] })])
    const b = compileAutomaton([ban('x', { folds: ['width', 'case'] })])
    expect(a.digest).toBe(b.digest)
    expect(compileAutomaton([ban('y')]).digest).not.toBe(a.digest)
  })

  it('works without bans', () => {
    expect(found([], 'anything')).toEqual([])
  })
})

describe('regular expressions', () => {
  it.each([
    ['\\b\\d{3}-\\d{2}-\\d{4}\\b', 'a 123-45-6789, b 1123-45-6789', ['123-45-6789']],
    [
      'guarante(e|ed) (return|profit)s?',
      'GUARANTEED returns',
      ['GUARANTEED return', 'GUARANTEED returns'],
    ],
    ['[^a-z]x', 'ax.x 9x', ['.x', '9x']],
  ])('%s', (source, text, expected) => {
    expect(found([regex(source)], text)).toEqual(expected)
  })

  it('agree with the engine of the language on random texts', () => {
    const sources = [
      'ab?c',
      '(a|bc){2,3}',
      '[ab]{2}c?b',
      'a[^b]c',
      '\\w\\d',
      'a.b',
      '(?:ab|a)(?:c|bc)',
      'c{2,4}a',
    ]
    const random = createRandom(5)
    for (const source of sources) {
      const automaton = compileAutomaton([regex(source)])
      const word = compileAutomaton([regex(source, { match: 'word' })])
      for (let i = 0; i < 300; i++) {
        const text = Array.from({ length: 7 }, () => random.pick([...'abcABC 1.'])).join('')
        const scan = (a: typeof automaton): boolean => {
          const scanner = createTextScanner(a)
          return [...scanner.push(text), ...scanner.end()].length > 0
        }
        expect(scan(automaton), `${source} in ${text}`).toBe(new RegExp(source, 'i').test(text))
        const bound = `(?:(?<!\\w)(?=\\w)|(?=\\W))(?:${source})(?:(?<=\\w)(?!\\w)|(?<=\\W))`
        expect(scan(word), `word ${source} in ${text}`).toBe(new RegExp(bound, 'i').test(text))
      }
    }
  })
})

describe('parseTokenProgram', () => {
  const v = createVocabulary(
    [...'as .x'].map((c) => new TextEncoder().encode(c)),
    8,
  )
  const { blob } = compileTokenProgram(compileAutomaton([ban('ass')]), v)

  it('reads what the compiler wrote', () => {
    expect(parseTokenProgram(blob).vocabularyDigest).toBe(v.digest)
  })

  it('refuses every cut, and survives every changed byte', () => {
    for (let n = 0; n < blob.length; n += 3) {
      expect(() => parseTokenProgram(blob.subarray(0, n))).toThrow(/^program/)
    }
    for (let at = 0; at < blob.length; at++) {
      const changed = blob.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x41
      try {
        const program = parseTokenProgram(changed)
        let state: ProgramState = program.start
        for (let t = 0; t < v.size; t++) {
          program.deniedTokens(state)
          state = program.next(state, t)
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'program_invalid' })
      }
    }
  })
})
