/**
 * The evasion suite: disguises of banned phrases, in random segmentations, against the mask and
 * against vLLM's own `bad_words`.
 *
 * Run: npm run bench:evasion [-- --json] [-- --record]. A variant is a violation when every token of
 * some segmentation of it was allowed. docs/token-programs.md says how to run it on another mask:
 * `createWalk` is all that a mask has to give.
 */
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { confusablePrototypes } from '../../src/automata/unicode.ts'
import { compileTokenProgram, type TokenProgram } from '../../src/automata/program.ts'
import { FOLDS, type Ban, type Fold } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { createRandom } from '../automata/random.ts'
import { benchPhrases, benchVocabulary, tokenIds } from './vocabularies.ts'
import { report } from './report.ts'

const VARIANTS = 100_000
/** Variants for each fold by itself. */
const ALONE = 5_000
const CLEAN_WORDS = 100_000
const PHRASES = 24
const random = createRandom(11)
const { name, vocabulary } = benchVocabulary()
const ids = tokenIds(vocabulary)

const phrases = benchPhrases()
  .filter((p) => /^[a-z ]{4,14}$/.test(p))
  .slice(0, PHRASES)
const compile = (folds: readonly Fold[]): TokenProgram =>
  compileTokenProgram(
    compileAutomaton(
      phrases.map((text, i): Ban => ({
        id: `b${i}`,
        kind: 'phrase',
        text,
        match: 'word',
        folds,
        pending: 'allow',
      })),
    ),
    vocabulary,
  )
const program = compile(FOLDS)

/** What a mask gives to the suite: is this token denied now; else take it. */
type Walk = { take(token: number): boolean }
const createWalk = (mask = program): Walk => {
  let state: ProgramState = mask.start
  return {
    take(token) {
      if (mask.isDenied(state, token)) return false
      state = mask.next(state, token)
      return true
    },
  }
}

/** Byte pair encoding by rank, which is the id in tiktoken's files. */
function encode(text: string): number[] {
  let parts = [...Buffer.from(text, 'utf8').toString('latin1')]
  for (;;) {
    let best = -1
    let rank = Infinity
    for (let i = 0; i + 1 < parts.length; i++) {
      const id = ids.get(`${parts[i]}${parts[i + 1]}`) ?? Infinity
      if (id < rank) {
        rank = id
        best = i
      }
    }
    if (best < 0) return parts.map((part) => ids.get(part) ?? 0)
    parts = [...parts.slice(0, best), `${parts[best]}${parts[best + 1]}`, ...parts.slice(best + 2)]
  }
}

/** vLLM SamplingParams.update_from_tokenizer and apply_bad_words: token sequences of each word with and without a leading space; the last token is denied after the others. */
const badWords = phrases.flatMap((word) => {
  const plain = encode(word)
  const spaced = encode(` ${word}`)
  const keeps = spaced[0] !== plain[0] && spaced.length === plain.length
  return keeps ? [plain, spaced] : [plain]
})
const createBaseline = (): Walk => {
  const past: number[] = []
  return {
    take(token) {
      const isBad = badWords.some((word) => {
        const prefix = word.slice(0, -1)
        if (word.at(-1) !== token || prefix.length > past.length) return false
        return prefix.every((t, i) => past[past.length - prefix.length + i] === t)
      })
      if (!isBad) past.push(token)
      return !isBad
    },
  }
}

function segment(text: string): number[] {
  let left = Buffer.from(text, 'utf8').toString('latin1')
  const out: number[] = []
  while (left !== '') {
    const fitting: number[] = []
    for (let n = 1; n <= Math.min(12, left.length); n++)
      if (ids.has(left.slice(0, n))) fitting.push(n)
    const n = fitting.length === 0 ? 1 : random.pick(fitting)
    out.push(ids.get(left.slice(0, n)) ?? 0)
    left = left.slice(n)
  }
  return out
}

const alike = new Map<string, string[]>()
for (const [c, proto] of confusablePrototypes()) {
  if (c < 0x80 || proto.length !== 1 || c > 0xffff) continue
  const letter = String.fromCodePoint(proto[0] ?? 0)
  if (/[a-z]/.test(letter))
    alike.set(letter, [...(alike.get(letter) ?? []), String.fromCodePoint(c)])
}
const LEET: Record<string, string> = { o: '0', l: '1', i: '1', e: '3', a: '4@', s: '5$', t: '7' }
const DISGUISES: Record<string, (ch: string) => string> = {
  plain: (ch) => ch,
  case: (ch) => (random.below(2) === 0 ? ch.toUpperCase() : ch),
  width: (ch) => (ch === ' ' ? ch : String.fromCodePoint(ch.charCodeAt(0) + 0xfee0)),
  marks: (ch) => (random.below(2) === 0 ? `${ch}\u0301` : ch),
  confusables: (ch) => random.pick(alike.get(ch) ?? [ch]),
  zero_width: (ch) => `${ch}${random.pick(['\u200b', '\u200d', '\u2060', '\u00ad', ''])}`,
}
const kinds = Object.keys(DISGUISES)

/** Leet leaves at least one letter as it is. */
function toLeet(phrase: string, letters: string[]): void {
  const keep = random.below(phrase.length)
  if (!/[a-z]/.test(phrase.charAt(keep))) return
  phrase.split('').forEach((ch, i) => {
    if (i !== keep && LEET[ch] !== undefined && random.below(2) === 0)
      letters[i] = random.pick([...LEET[ch]])
  })
}

/** A separator in every gap, or, as `split` takes it in long phrases, in any. */
function spaceOut(phrase: string, letters: readonly string[], isSplit: boolean): string {
  return letters
    .map((letter, i) => {
      const isGap = i > 0 && phrase[i] !== ' ' && phrase[i - 1] !== ' '
      const isWanted = isGap && (!isSplit || random.below(2) === 0)
      return isWanted ? `${random.pick([' ', '.', '-', '_'])}${letter}` : letter
    })
    .join('')
}

const isLong = (phrase: string): boolean => phrase.replaceAll(' ', '').length >= 8

function disguise(phrase: string): string {
  const chosen = kinds.filter(() => random.below(2) === 0)
  const letters = [...phrase].map(
    (ch) => DISGUISES[random.pick(chosen.length > 0 ? chosen : kinds)]?.(ch) ?? ch,
  )
  if (random.below(3) === 0) toLeet(phrase, letters)
  if (random.below(4) > 0) return letters.join('')
  return spaceOut(phrase, letters, isLong(phrase) && random.below(2) === 0)
}

/** The phrase disguised in what one fold sees through and nothing else. */
function disguiseBy(fold: Fold, phrase: string): string {
  const letters = [...phrase].map((ch) => DISGUISES[fold]?.(ch) ?? ch)
  if (fold === 'leet') toLeet(phrase, letters)
  if (fold === 'spacing') return spaceOut(phrase, letters, false)
  return fold === 'split' && isLong(phrase) ? spaceOut(phrase, letters, true) : letters.join('')
}

let violations = 0
let baseline = 0
const leaks: string[] = []
for (let i = 0; i < VARIANTS; i++) {
  const phrase = phrases[i % phrases.length] ?? ''
  const text = `${random.pick(['', ' ', 'so ', '("'])}${disguise(phrase)}${random.pick([' ', '.', ', ', '\n', '!'])}`
  const tokens = segment(text)
  const passes = (walk: Walk): boolean => tokens.every((token) => walk.take(token))
  if (passes(createWalk())) {
    violations++
    if (leaks.length < 5) leaks.push(JSON.stringify(text))
  }
  if (passes(createBaseline())) baseline++
}

const alone: Record<string, number> = {}
for (const fold of FOLDS) {
  const mask = compile([fold])
  alone[fold] = 0
  for (let i = 0; i < ALONE; i++) {
    const text = `${random.pick(['', ' ', '("'])}${disguiseBy(fold, phrases[i % phrases.length] ?? '')}! `
    const walk = createWalk(mask)
    if (segment(text).every((token) => walk.take(token))) {
      alone[fold]++
      if (leaks.length < 5) leaks.push(`${fold}: ${JSON.stringify(text)}`)
    }
  }
}
violations += Object.values(alone).reduce((a, b) => a + b, 0)

const CLEAN =
  'the class will assess assets and pass a bass classic document on scunthorpe analysis cocktail titles therapist grape basement mass shuttle hello essex sussex dickens cumulative circumstance arsenal accumulate button rapeseed peacock hancock matsushita penistone lightwater swank assistant compass embarrass saturday sextant account interest rate fund bank is 455 euro 1 5'.split(
    ' ',
  )
const banned = new Set(phrases.flatMap((p) => p.split(' ')))
const pool = CLEAN.filter((word) => !banned.has(word))
let falseDenials = 0
for (let i = 0; i < CLEAN_WORDS; i += 20) {
  const walk = createWalk()
  for (let k = 0; k < 20; k++) {
    for (const token of encode(` ${random.pick(pool)}`)) if (!walk.take(token)) falseDenials++
  }
}

const out = {
  vocabulary: name,
  variants: VARIANTS + ALONE * FOLDS.length,
  violations,
  violations_alone: alone,
  false_denials: falseDenials,
  clean_words: CLEAN_WORDS,
  baseline_violations: baseline,
  leaks,
}
report('evasion', out)
