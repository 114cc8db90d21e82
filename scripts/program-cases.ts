/**
 * Writes test/data/automata/program-*.json: small token programs with walks, for every executor.
 *
 * `npx tsx scripts/program-cases.ts`. Expected denied sets come from the definition of a ban
 * (test/automata/reference.ts), not from the program; packed states from the reference executor.
 */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { compileAutomaton } from '../src/automata/automaton.ts'
import { compileTokenProgram } from '../src/automata/program.ts'
import type { Ban, Fold } from '../src/model/ban.ts'
import type { ProgramState } from '../src/model/engine.ts'
import { createVocabulary } from '../src/vocabulary/vocabulary.ts'
import { isDenied } from '../test/automata/reference.ts'

type Case = {
  readonly name: string
  readonly about: string
  readonly tokens: readonly string[]
  readonly width: number
  readonly bans: readonly (Pick<Ban, 'text' | 'match'> & { folds?: readonly Fold[] })[]
  readonly walks: readonly (readonly string[])[]
  /** 0: a program of matches, however few the lists are. */
  readonly maxLists?: number
}

type Step = {
  readonly token: number
  readonly state: ProgramState
  readonly denied: readonly number[]
}

/** Letters and what stands for them under some fold; pieces of words. */
const DISGUISES = [
  'a',
  's',
  '@',
  '$',
  '5',
  '4',
  ' ',
  '.',
  's s',
  'a.s',
  'е',
  'ａ',
  'ß',
  '\u200b',
  '\u0301',
]
const SYLLABLES = ['in', 'as', 'x', '<end>']
const EVERY_FOLD: Case['bans'] = [
  {
    text: 'ass',
    match: 'word',
    folds: ['case', 'width', 'marks', 'confusables', 'zero_width', 'leet', 'spacing'],
  },
  { text: 'assassin', match: 'substring', folds: ['case', 'leet', 'split'] },
]

/** Tokens are text, `\xNN` for single bytes, `<control>`, `<end>` or `<unused>`. */
const CASES: readonly Case[] = [
  {
    name: 'substring',
    about: 'one substring, folded by case, and its segmentations',
    tokens: ['a', 's', 'as', 'ss', 'ass', 'A', 'S', 'et', ' ', 'cl', 'x', '<end>'],
    width: 12,
    bans: [{ text: 'ass', match: 'substring', folds: ['case'] }],
    walks: [['a', 's', 'x'], ['as', 'et'], ['A', 'S', ' ', 'a'], ['cl', 'as', 'et', '<end>'], []],
  },
  {
    name: 'word',
    about: 'word boundaries: pending, what closes it, padding beyond the tokenizer',
    tokens: ['a', 's', 'as', 'ass', ' as', 'et', ' ', '.', 'cl', 'ing', '_', '<end>', '<control>'],
    width: 16,
    bans: [
      { text: 'ass', match: 'word', folds: ['case'] },
      { text: 'bad day', match: 'word', folds: ['case'] },
    ],
    walks: [
      ['as', 's', 'et', ' '],
      [' as', 's', 'ing'],
      ['cl', 'as', 's', '.'],
      ['_', 'ass', '<end>'],
      ['a', '<control>', 's'],
      ['et', ' ', 'ass'],
    ],
  },
  {
    name: 'carries',
    about: 'byte tokens: characters cut between tokens, broken ones, joints and tails',
    tokens: [
      'a',
      'b',
      'caf',
      'é',
      'e',
      ' ',
      '\\xc3',
      '\\xa9',
      '\\xe2',
      '\\x80',
      '\\x8b',
      '\\xc3\\xa9x',
      '\\xa9s',
      '\\x80\\x8b',
      'f\\xc3',
      '\\x8ba\\xe2',
      '\\xf0',
      '\\x9f',
      '<end>',
      '<control>',
      '<unused>',
    ],
    width: 24,
    bans: [
      { text: 'café', match: 'word', folds: ['case', 'zero_width'] },
      { text: 'ab', match: 'substring', folds: ['case', 'zero_width'] },
    ],
    walks: [
      ['caf', '\\xc3', 'e', ' '],
      ['caf', '\\xc3', '\\xa9s'],
      ['a', '\\xe2', '\\x80', '\\x8b'],
      ['a', '\\xe2', '\\x80\\x8b', 'e'],
      ['a', '\\x8ba\\xe2', '\\x80', 'b'],
      ['\\xf0', '\\x9f', '\\x80', '\\x8b', 'a'],
      ['\\xf0', 'a', '\\x80'],
    ],
  },
  {
    name: 'folds',
    about: 'every fold at once: look-alikes, leet, spelled-out and split letters',
    tokens: [...DISGUISES, ...SYLLABLES],
    width: 20,
    bans: EVERY_FOLD,
    walks: [
      ['a', '.', 's', ' ', 's', 'x'],
      ['@', '$', '\u200b'],
      ['ａ', '\u0301', 's'],
      ['4', '5', '5', '.'],
      ['x', 'a', 's s', ' ', 'as'],
      ['as', 's', 'as', '5'],
    ],
  },
  {
    name: 'matches',
    about:
      'a program of matches, every fold at once: look-alikes, leet, spelled-out and split letters',
    tokens: [...DISGUISES, '\u0d02', '\\xe2', '\\x80', '\\x8b', ...SYLLABLES],
    width: 24,
    bans: EVERY_FOLD,
    walks: [
      ['a', '.', 's', ' ', 's', 'x'],
      ['@', '$', '\u200b'],
      ['ａ', '\u0301', '\u0d02', '\\xe2', '\\x80', '\\x8b', 's'],
      ['4', '5', '5', '.'],
      ['x', 'a', 's s', ' ', 'as'],
      ['as', 's', 'as', '5'],
      ['a', '\u0d02', 's', '\\xe2', '\\x80', '\\x8b', 'x'],
      ['as', 'as', '\\xe2', 's', 'in'],
    ],
    maxLists: 0,
  },
]

const encoder = new TextEncoder()

function toBytes(token: string): Uint8Array | 'control' | 'unused' | 'end' {
  if (token === '<control>') return 'control'
  if (token === '<end>') return 'end'
  if (token === '<unused>') return 'unused'
  const parts = token.split(/(\\x[0-9a-f]{2})/).filter((part) => part !== '')
  return Uint8Array.from(
    parts.flatMap((p) =>
      p.startsWith('\\x') ? [parseInt(p.slice(2), 16)] : [...encoder.encode(p)],
    ),
  )
}

for (const entry of CASES) {
  const vocabulary = createVocabulary(entry.tokens.map(toBytes), entry.width)
  const bans = entry.bans.map((ban, i): Ban => ({
    id: `ban-${i}`,
    kind: 'phrase',
    folds: [],
    pending: 'allow',
    ...ban,
  }))
  const limits = entry.maxLists === undefined ? {} : { maxLists: entry.maxLists }
  const program = compileTokenProgram(compileAutomaton(bans, limits), vocabulary)
  const walks = entry.walks.map((names) => {
    const tokens = names.map((name) => entry.tokens.indexOf(name))
    let state: ProgramState = program.start
    const steps: Step[] = [{ token: -1, state, denied: denied([]) }]
    tokens.forEach((token, i) => {
      if (token < 0) throw new Error(`${entry.name}: unknown token ${names[i]}`)
      if (program.isDenied(state, token)) throw new Error(`${entry.name}: ${names[i]} is denied`)
      state = program.next(state, token)
      steps.push({ token, state, denied: denied(tokens.slice(0, i + 1)) })
    })
    return steps
  })
  function denied(history: readonly number[]): number[] {
    const all = Array.from({ length: vocabulary.size }, (_, t) => t)
    return all.filter((t) => isDenied(bans, vocabulary, history, t))
  }
  const kinds = [...vocabulary.kinds]
  const hex = Array.from({ length: vocabulary.size }, (_, id) =>
    Buffer.from(
      vocabulary.data.subarray(vocabulary.offsets[id], vocabulary.offsets[id + 1]),
    ).toString('hex'),
  )
  const out = {
    about: `${entry.about}. Written by scripts/program-cases.ts. A walk's first step is the start; each later one is an allowed token, the packed state after it, and the ids denied next.`,
    vocabulary: { size: vocabulary.size, kinds, hex, digest: vocabulary.digest },
    bans,
    ...limits,
    digest: program.digest,
    blob: Buffer.from(program.blob).toString('base64'),
    walks,
  }
  const file = resolve(import.meta.dirname, `../test/data/automata/program-${entry.name}.json`)
  writeFileSync(file, `${JSON.stringify(out)}\n`)
}
