/**
 * The guarantee over whole vocabularies: long lists, every fold alone and all together, and in
 * random states the denied set against each token walked through the automaton by itself. What the
 * automaton says is checked against the definition, a few tokens at a time.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileAutomaton, type Automaton } from '../../src/automata/automaton.ts'
import { isVanishing } from '../../src/automata/classes.ts'
import { DEAD } from '../../src/automata/heads.ts'
import { bansCompletedBy, compileTokenProgram } from '../../src/automata/program.ts'
import { FOLDS, type Ban, type Fold } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { toVocabulary } from '../../src/vocabulary/tokenizer.ts'
import { createVocabulary, type Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import { dataFolder } from '../bench/data-folder.ts'
import { benchPhrases, tokenIds } from '../bench/vocabularies.ts'
import { createRandom, type Random } from './random.ts'
import { isComplete, toItems, type Item } from './reference.ts'

const TOKENIZERS = join(dataFolder() ?? '', 'tokenizers')
const VOCABULARIES: readonly (readonly [string, string])[] = [
  ['demo', resolve(import.meta.dirname, '../../models/demo-lm/tokenizer.json')],
  ['GPT-2', join(TOKENIZERS, 'tok_gpt2/encoder.json.gz')],
  ['Mistral v3', join(TOKENIZERS, 'tok_mistral/mistral_instruct_tokenizer_240323.model.v3.gz')],
  ['Qwen3', join(TOKENIZERS, 'tok_qwen3/tokenizer.json.gz')],
  ['o200k', join(TOKENIZERS, 'tok_openai/o200k_base.tiktoken.gz')],
]
const CASES: readonly (readonly [string, readonly Fold[]])[] = [
  ...FOLDS.map((fold) => [fold, [fold]] as const),
  ['every fold', FOLDS],
]
const WALKS = 2
const STEPS = 3

/** 2 000 phrases of one to three made words. */
function madePhrases(random: Random): string[] {
  const syllables = 'ba ce di fo gu ka le mi no pu ra se ti vo wy xa zo cra ste pli'.split(' ')
  const word = (): string =>
    Array.from({ length: 2 + random.below(3) }, () => random.pick(syllables)).join('')
  const out = new Set<string>()
  while (out.size < 2000) out.add(Array.from({ length: 1 + random.below(3) }, word).join(' '))
  return [...out]
}

const toBans = (phrases: readonly string[], folds: readonly Fold[]): Ban[] =>
  phrases.map((text, i) => ({
    id: `b${i}`,
    kind: 'phrase',
    text,
    match: i % 2 === 0 ? 'word' : 'substring',
    folds,
    pending: i % 5 === 0 ? 'deny' : 'allow',
  }))

/** Every token's own characters, for rows that are inside none; undefined: it must be decoded anew. */
function charactersOf(v: Vocabulary): (readonly Item[])[] {
  return Array.from({ length: v.size }, (_, t) => (v.kinds[t] === 2 ? [] : toItems(v, [t]).items))
}

/** The tokens that the automaton, read character by character, does not survive. */
function bruteForce(
  { states, classes }: Automaton,
  v: Vocabulary,
  characters: readonly (readonly Item[])[],
  history: readonly number[],
): number[] {
  const vanishes = Array.from({ length: classes.count }, (_, c) => isVanishing(classes, c))
  const read = (from: number, items: readonly Item[], first: number): number => {
    let state = from
    for (let i = first; i < items.length && state !== DEAD; i++) {
      const item = items[i] ?? 'control'
      const cls = item === 'control' ? classes.control : (classes.classOf[item] ?? 0)
      if (vanishes[cls] !== true) state = states.next(state, cls)
    }
    return state
  }
  const before = toItems(v, history)
  const state = read(states.start, before.items, 0)
  const denied: number[] = []
  for (let t = 0; t < v.size; t++) {
    const isRefused = v.kinds[t] === 2 || (v.kinds[t] !== 0 && before.open)
    const after = (): number =>
      before.open
        ? read(state, toItems(v, [...history, t]).items, before.items.length)
        : read(state, characters[t] ?? [], 0)
    if (isRefused || after() === DEAD) denied.push(t)
  }
  return denied
}

/** Begins to spell a phrase in random tokens; now and then any token at all. */
function spell(random: Random, v: Vocabulary, ids: ReadonlyMap<string, number>, phrase: string) {
  const left = Buffer.from(phrase).toString('latin1')
  const tokens: number[] = []
  for (let at = 0; at < left.length && tokens.length < STEPS;) {
    if (random.below(6) === 0) tokens.push(random.below(v.size))
    const fitting = Array.from({ length: 8 }, (_, n) => left.slice(at, at + n + 1)).filter((part) =>
      ids.has(part),
    )
    if (fitting.length === 0) break
    const part = random.pick(fitting)
    tokens.push(ids.get(part) ?? 0)
    at += part.length
  }
  return tokens
}

describe.each(VOCABULARIES)('the denied sets over all of %s', (_, path) => {
  const isHere = existsSync(path)
  let v = createVocabulary(['control'], 1)
  let ids: ReadonlyMap<string, number> = new Map()
  let characters: readonly (readonly Item[])[] = []
  beforeAll(() => {
    if (!isHere) return
    const file = readFileSync(path)
    v = toVocabulary(path.endsWith('.gz') ? gunzipSync(file) : file)
    ids = tokenIds(v)
    characters = charactersOf(v)
  })

  it.skipIf(!isHere).each(CASES)(
    'are those of brute force (%s)',
    { timeout: 120_000 },
    (_f, folds) => {
      const random = createRandom(v.size + folds.length)
      const phrases = [...benchPhrases(), ...(folds.length > 1 ? [] : madePhrases(random))]
      const bans = toBans(phrases, folds)
      const automaton = compileAutomaton(bans)
      const program = compileTokenProgram(automaton, v)
      for (let walk = 0; walk < WALKS; walk++) {
        let state: ProgramState = program.start
        const history: number[] = []
        for (const token of spell(random, v, ids, random.pick(phrases))) {
          if (program.isDenied(state, token)) break
          state = program.next(state, token)
          history.push(token)
        }
        const denied = [...program.deniedTokens(state)]
        const place = JSON.stringify({ folds, history })
        expect(denied.length, place).toBeGreaterThan(0)
        expect(denied, place).toEqual(bruteForce(automaton, v, characters, history))
        checkDefinition(random, automaton, v, history, denied)
      }
    },
  )
})

/** Denied tokens complete a ban that is named; allowed ones complete none of a few that are drawn. */
function checkDefinition(
  random: Random,
  automaton: Automaton,
  v: Vocabulary,
  history: readonly number[],
  denied: readonly number[],
): void {
  const { bans } = automaton
  for (let i = 0; i < 4; i++) {
    const token = random.pick(denied)
    if (v.kinds[token] !== 0) continue
    const named = bansCompletedBy(automaton, v, history, token)
    const ban = bans.find(({ id }) => id === named[0])
    const { items } = toItems(v, [...history, token])
    const place = JSON.stringify({ history, token, named })
    expect(ban !== undefined && isComplete(ban, items, false), place).toBe(true)
  }
  const refused = new Set(denied)
  for (let i = 0; i < 8; i++) {
    const token = random.below(v.size)
    const { items } = toItems(v, [...history, token])
    if (!refused.has(token)) expect(isComplete(random.pick(bans), items, false)).toBe(false)
  }
}
