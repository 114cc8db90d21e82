/**
 * The guarantee, checked against the definition: in every state reached, the denied set is exactly
 * the tokens after which a ban would be complete.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { bansCompletedBy, compileTokenProgram } from '../../src/automata/program.ts'
import { createTextScanner } from '../../src/automata/scan.ts'
import { FOLDS, type Ban } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { toVocabulary } from '../../src/vocabulary/tokenizer.ts'
import { createVocabulary, tokenBytes, type Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import { isComplete, isDenied, toItems } from './reference.ts'
import { createRandom, randomBans, TRICKY_TOKENS, type Random } from './random.ts'

const describeWalk = (v: Vocabulary, bans: readonly Ban[], tokens: readonly number[]): string =>
  JSON.stringify({
    bans,
    tokens: tokens.map(
      (t) => Buffer.from(tokenBytes(v, t)).toString('latin1') || `kind ${v.kinds[t]}`,
    ),
  })

/** A random allowed token, by preference one that keeps a match open. */
function choose(
  random: Random,
  v: Vocabulary,
  denied: ReadonlySet<number>,
  hot: readonly number[],
) {
  for (let i = 0; i < 20; i++) {
    const t = random.below(3) > 0 && hot.length > 0 ? random.pick(hot) : random.below(v.size)
    if (!denied.has(t)) return t
  }
  return undefined
}

describe('a token program over a vocabulary of tricky tokens', () => {
  const v = createVocabulary(TRICKY_TOKENS, TRICKY_TOKENS.length + 3)

  // The even ones as programs of matches, which so few bans would not need.
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))(
    'denies what the definition denies (seed %i)',
    (seed) => {
      const random = createRandom(seed)
      const bans = randomBans(random)
      const limits = seed % 2 === 0 ? { maxLists: 0 } : {}
      const program = compileTokenProgram(compileAutomaton(bans, limits), v)
      for (let walk = 0; walk < 4; walk++) {
        const tokens: number[] = []
        let state: ProgramState = program.start
        for (let step = 0; step < 6; step++) {
          const denied = program.deniedTokens(state)
          const expected = Array.from({ length: v.size }, (_, t) => t).filter((t) =>
            isDenied(bans, v, tokens, t),
          )
          expect([...denied], describeWalk(v, bans, tokens)).toEqual(expected)
          const t = choose(random, v, new Set(denied), [])
          if (t === undefined) break
          tokens.push(t)
          state = program.next(state, t)
        }
      }
    },
  )
})

describe('the text scanner', () => {
  const bytes = Array.from({ length: 256 }, (_, b) => Uint8Array.of(b))
  const v = createVocabulary(
    [...bytes, ...TRICKY_TOKENS.filter((t) => t instanceof Uint8Array)],
    512,
  )

  it('finds a match exactly where the token program would have stopped it, in any segmentation', () => {
    const random = createRandom(77)
    const pieces = [
      'ass',
      'а',
      's',
      ' ',
      'a',
      '.',
      'ASS',
      '@',
      '$',
      'ﬁ',
      'fi',
      'é',
      'ⅿ',
      'odem',
      '漢字',
      '😀',
      'bank',
      '\u200d',
    ]
    for (let round = 0; round < 25; round++) {
      const bans = randomBans(random, 2)
      const automaton = compileAutomaton(bans)
      const program = compileTokenProgram(automaton, v)
      const text = Array.from({ length: 1 + random.below(6) }, () => random.pick(pieces)).join('')
      const left = [...new TextEncoder().encode(text)]
      let state: ProgramState = program.start
      const tokens: number[] = []
      let stopped = false
      while (left.length > 0 && !stopped) {
        const fitting = Array.from({ length: v.size }, (_, t) => t).filter((t) => {
          const b = tokenBytes(v, t)
          return b.length > 0 && b.every((x, i) => left[i] === x)
        })
        const t = random.pick(fitting)
        stopped = program.isDenied(state, t)
        state = program.next(state, t)
        tokens.push(t)
        left.splice(0, tokenBytes(v, t).length)
      }
      const { items } = toItems(v, tokens)
      const seen = items.map((item) => String.fromCodePoint(item as number)).join('')
      const matches = createTextScanner(automaton).push(seen)
      expect(matches.length > 0, describeWalk(v, bans, tokens)).toBe(stopped)
      const last = tokens.at(-1) ?? 0
      const named = bansCompletedBy(automaton, v, tokens.slice(0, -1), last)
      expect(named.length > 0).toBe(stopped)
    }
  })

  it('gives the same matches wherever the text is cut, with spans that fold to the ban', () => {
    const bans: Ban[] = ['ass', 'bad day', 'mañana'].map((text, i) => ({
      id: `b${i}`,
      kind: 'phrase',
      text,
      match: 'word',
      folds: [...FOLDS],
      pending: 'allow',
    }))
    const automaton = compileAutomaton(bans)
    const text = 'An 𝐚𝐬𝐬, a s s; class A\u200bSS. b4d  d@y mañana man\u0303ana! asset ass'
    const scan = (parts: readonly string[]) => {
      const scanner = createTextScanner(automaton)
      return [...parts.flatMap((part) => [...scanner.push(part)]), ...scanner.end()]
    }
    const whole = scan([text])
    expect(whole.map((m) => text.slice(m.start, m.end))).toEqual([
      '𝐚𝐬𝐬',
      'a s s',
      'A\u200bSS',
      'b4d  d@y',
      'mañana',
      'man\u0303ana',
      'ass',
    ])
    for (let cut = 0; cut <= text.length; cut++)
      expect(scan([text.slice(0, cut), text.slice(cut)])).toEqual(whole)
    expect(scan([...Array(text.length).keys()].map((i) => text.charAt(i)))).toEqual(whole)
  })

  it('holds nothing open that cannot become a match', () => {
    const ban: Ban = {
      id: 'a',
      kind: 'phrase',
      text: 'ass',
      match: 'word',
      folds: ['case'],
      pending: 'allow',
    }
    const scanner = createTextScanner(compileAutomaton([ban]))
    const open = ['x', ' ', 'a', 's', 'k', ' ', 'A', 'ss', 'et'].map((part) => {
      scanner.push(part)
      return scanner.length - scanner.openFrom
    })
    expect(open).toEqual([0, 0, 1, 2, 0, 0, 1, 3, 0])
  })
})

const DATA = process.env['CHECKSTREAM_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data')
const DEMO = resolve(import.meta.dirname, '../../models/demo-lm/tokenizer.json')
const real: readonly (readonly [string, string])[] = [
  ['demo', DEMO],
  ['GPT-2', `${DATA}/tokenizers/tok_gpt2/encoder.json.gz`],
  ['Mistral v3', `${DATA}/tokenizers/tok_mistral/mistral_instruct_tokenizer_240323.model.v3.gz`],
  ['Qwen3', `${DATA}/tokenizers/tok_qwen3/tokenizer.json.gz`],
  ['o200k', `${DATA}/tokenizers/tok_openai/o200k_base.tiktoken.gz`],
]

describe.each(real)('a token program over %s', (_, path) => {
  const isHere = existsSync(path)
  it.skipIf(!isHere).each([['case'], ['every fold']] as const)(
    'denies what the definition denies, sampled (%s)',
    (folds) => {
      const file = readFileSync(path)
      const v = toVocabulary(path.endsWith('.gz') ? gunzipSync(file) : file)
      const random = createRandom(v.size)
      const bans = ['ass', 'guaranteed return', 'bank'].map((text, i): Ban => ({
        id: `b${i}`,
        kind: 'phrase',
        text,
        match: i === 1 ? 'substring' : 'word',
        pending: 'allow',
        folds: folds === 'case' ? ['case'] : [...FOLDS],
      }))
      const program = compileTokenProgram(compileAutomaton(bans), v)
      const hot: number[] = []
      for (let t = 0; t < v.size; t++) {
        const text = Buffer.from(tokenBytes(v, t)).toString().toLowerCase().trim()
        if (text !== '' && 'guaranteed return ass bank'.includes(text)) hot.push(t)
      }
      for (let walk = 0; walk < 6; walk++) {
        const tokens: number[] = []
        let state: ProgramState = program.start
        for (let step = 0; step < 5; step++) {
          const denied = program.deniedTokens(state)
          const set = new Set(denied)
          const sample = new Set([
            ...Array.from({ length: 60 }, () => random.below(v.size)),
            ...hot.slice(0, 60),
          ])
          for (let i = 0; i < 30 && denied.length > 0; i++)
            sample.add(denied[random.below(denied.length)] ?? 0)
          for (const t of sample) {
            expect(set.has(t), describeWalk(v, bans, [...tokens, t])).toBe(
              isDenied(bans, v, tokens, t),
            )
          }
          const t = choose(random, v, set, hot)
          if (t === undefined) break
          tokens.push(t)
          state = program.next(state, t)
        }
        expect(bans.some((ban) => isComplete(ban, toItems(v, tokens).items, false))).toBe(false)
      }
    },
  )
})
