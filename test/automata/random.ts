/** Seeded choices for property tests: a failing case is found again by its seed. */
import { FOLDS, type Ban, type Fold } from '../../src/model/ban.ts'

export type Random = {
  below(n: number): number
  pick<T>(list: readonly T[]): T
}

/** Mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n) | 0
  }
  return { below, pick: (list) => list[below(list.length)] as (typeof list)[number] }
}

const PHRASES = [
  'ass',
  'as',
  'fi',
  'modem',
  'bank',
  'a s',
  'assassin',
  'é',
  'ss',
  '455',
  'a.s',
  '漢字',
  'i',
  'ба',
  'classing',
  'asset m',
  'm',
  'ﬁ',
  "ma'am",
  'е',
  'a5s',
  'ssa',
  'as as',
]

export function randomFolds(random: Random): Fold[] {
  const mode = random.below(4)
  if (mode === 0) return []
  if (mode === 1) return [...FOLDS]
  return mode === 2 ? FOLDS.filter(() => random.below(2) === 1) : [random.pick(FOLDS)]
}

export function randomBans(random: Random, most = 4): Ban[] {
  return Array.from({ length: 1 + random.below(most) }, (_, i) => ({
    id: `ban-${i}`,
    kind: 'phrase' as const,
    text: random.pick(PHRASES),
    match: random.below(2) === 1 ? ('word' as const) : ('substring' as const),
    folds: randomFolds(random),
    pending: random.below(5) === 0 ? ('deny' as const) : ('allow' as const),
  }))
}

const encoder = new TextEncoder()
const TEXTS = [
  'as',
  'ass',
  's',
  'a',
  'sa',
  ' as',
  'asset',
  'et',
  ' ',
  '.',
  '-',
  'a.s',
  's s',
  'ss',
  'ing',
  'class',
  'Ass',
  'A',
  'S',
  'é',
  'ß',
  '\u200b',
  'ﬁ',
  'fi',
  'f',
  'i',
  'm',
  'rn',
  'modem',
  'ｍ',
  '4',
  '5',
  '$',
  '@ss',
  '@',
  'ⅿ',
  'o',
  '0',
  '1',
  'l',
  '\u0301',
  'е',
  '漢',
  '字',
  '\n',
  '_',
  '_as',
  'b',
  'B',
  'ba',
  'n',
  'nk',
  'b n',
  '\u0d02',
]
const BYTES = [
  [0xe2],
  [0x80],
  [0x8b],
  [0xc3],
  [0xa9],
  [0x9f],
  [0xef],
  [0xbd],
  [0x8d],
  [0xf0],
  [0x9d],
  [0x9a],
  [0x8a],
  [0x8b, 0x61, 0x73],
  [0x80, 0x8b],
  [0x73, 0xe2],
  [0xa9, 0xe2, 0x80],
]

/** Tokens that folds, boundaries and cut characters meet in; then control, end, unused and padding. */
export const TRICKY_TOKENS: readonly (Uint8Array | 'control' | 'unused' | 'end')[] = [
  ...TEXTS.map((text) => encoder.encode(text)),
  ...BYTES.map((bytes) => Uint8Array.from(bytes)),
  'control',
  'end',
  'unused',
]
