/**
 * What a ban means, written from docs/token-programs.md and not from the automaton: slow, obvious
 * search over every reading of every character. Shares nothing with src/automata but the Unicode
 * tables of prototypes and case folding.
 */
import type { Ban, Fold } from '../../src/model/ban.ts'
import { caseFolding, confusablePrototypes } from '../../src/automata/unicode.ts'
import type { Vocabulary } from '../../src/vocabulary/vocabulary.ts'

/** A character of the text, or a control token. */
export type Item = number | 'control'

const JOINS = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u
const UNSPACED =
  /^[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]$/u
const memoJoins = new Map<number, boolean>()
export function joins(c: number): boolean {
  let known = memoJoins.get(c)
  if (known === undefined) {
    const s = String.fromCodePoint(c)
    memoJoins.set(c, (known = JOINS.test(s) && !UNSPACED.test(s)))
  }
  return known
}

const points = (s: string): number[] => [...s].map((ch) => ch.codePointAt(0) ?? 0)
const str = (w: readonly number[]): string => String.fromCodePoint(...w)

/** All ASCII-or-other strings with this skeleton. */
function backwards(skeleton: string): string[] {
  if (skeleton === '') return ['']
  const out: string[] = []
  const first = [...skeleton][0] ?? ''
  for (const rest of backwards(skeleton.slice(first.length))) out.push(first + rest)
  for (const [c, proto] of confusablePrototypes()) {
    if (c >= 0x80 || !skeleton.startsWith(str(proto))) continue
    for (const rest of backwards(skeleton.slice(str(proto).length))) {
      out.push(String.fromCodePoint(c) + rest)
    }
  }
  return out
}

/** The reading of one code point without look-alikes, one round. */
function plainly(c: number, folds: readonly Fold[]): string {
  const s = String.fromCodePoint(c)
  if (folds.includes('zero_width') && /\p{Default_Ignorable_Code_Point}/u.test(s)) return ''
  if (folds.includes('marks') && (/\p{M}/u.test(s) || c === 0x640)) return ''
  const form = folds.includes('width') ? 'NFKD' : folds.includes('marks') ? 'NFD' : undefined
  const whole = form === undefined ? s : s.normalize(form)
  if (!folds.includes('case')) return whole
  return points(whole)
    .map((x) => str(caseFolding().get(x) ?? [x]))
    .join('')
}

const isDroppedMark = (c: number, folds: readonly Fold[]): boolean =>
  folds.includes('marks') && (/\p{M}/u.test(String.fromCodePoint(c)) || c === 0x640)

/** One round for one code point. */
const oneRound = (c: number, folds: readonly Fold[]): string[] => [
  plainly(c, folds),
  ...lookalikes(c, folds),
]

function lookalikes(c: number, folds: readonly Fold[]): string[] {
  if (c < 0x80 || !folds.includes('confusables')) return []
  const s = String.fromCodePoint(c)
  if (folds.includes('zero_width') && /\p{Default_Ignorable_Code_Point}/u.test(s)) return []
  const isVaried = folds.includes('case') && !isDroppedMark(c, folds)
  const variants = isVaried ? [s, s.toLowerCase(), s.toUpperCase()] : [s]
  return variants.flatMap((v) => {
    const only = points(v)
    if (only.length !== 1 || (only[0] ?? 0) < 0x80) return []
    const proto = confusablePrototypes().get(only[0] ?? 0)
    return proto === undefined ? [] : backwards(str(proto))
  })
}

const memoReadings = new Map<string, readonly string[]>()
/** Every settled string that a code point may be read as. */
export function readingsOf(c: number, folds: readonly Fold[]): readonly string[] {
  const key = `${c}|${folds.join()}`
  const known = memoReadings.get(key)
  if (known !== undefined) return known
  const seen = new Set([String.fromCodePoint(c)])
  const settled: string[] = []
  for (const s of seen) {
    const options = points(s).map((x) => oneRound(x, folds))
    if (
      points(s)
        .map((x) => plainly(x, folds))
        .join('') === s
    )
      settled.push(s)
    let all = ['']
    for (const part of options) all = all.flatMap((head) => part.map((p) => head + p))
    for (const next of all) seen.add(next)
  }
  memoReadings.set(key, settled)
  return settled
}

const LEET: Record<string, string> = {
  '0': 'o',
  '1': 'li',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
}
const isSeparator = (c: number): boolean => [0x20, 0x2e, 0x2d, 0x5f].includes(c)
const isSpace = (c: number): boolean =>
  isSeparator(c) || /^\p{White_Space}$/u.test(String.fromCodePoint(c))
const isLetter = (c: number): boolean => /^\p{L}$/u.test(String.fromCodePoint(c))

const SPACE = -1

/** Every folded spelling of the phrase; SPACE is a space of its own. */
function variantsOf(ban: Ban): number[][] {
  const spacing = ban.folds.includes('spacing') || ban.folds.includes('split')
  let out: number[][] = [[]]
  for (const c of points(ban.text)) {
    if (spacing && /\p{White_Space}/u.test(String.fromCodePoint(c))) {
      out = out.map((w) => (w.at(-1) === SPACE ? w : [...w, SPACE]))
      continue
    }
    const kept = readingsOf(c, ban.folds).filter((r) => r !== '')
    if (kept.length > 0) out = out.flatMap((w) => kept.map((r) => [...w, ...points(r)]))
  }
  return out
}

type Mode = 'closed' | 'spelled' | 'split'
/** Length of a phrase in its own characters, as `split` counts them. */
function lettersOf(ban: Ban): number {
  return points(ban.text).filter((c) => {
    if (/\p{White_Space}/u.test(String.fromCodePoint(c))) return false
    return readingsOf(c, ban.folds).some((r) => r !== '')
  }).length
}

function modesOf(ban: Ban): Mode[] {
  if (ban.folds.includes('split') && lettersOf(ban) >= 8) return ['split']
  return ban.folds.includes('spacing') ? ['closed', 'spelled'] : ['closed']
}

const memoVariants = new WeakMap<Ban, number[][]>()

/** Is a ban complete in the text so far, whatever comes next? `isEnd`: nothing comes. */
export function isComplete(ban: Ban, items: readonly Item[], isEnd: boolean): boolean {
  let variants = memoVariants.get(ban)
  if (variants === undefined) memoVariants.set(ban, (variants = variantsOf(ban)))
  return variants.some((w) => modesOf(ban).some((mode) => find(ban, items, isEnd, w, mode)))
}

function find(
  ban: Ban,
  items: readonly Item[],
  isEnd: boolean,
  w: readonly number[],
  mode: Mode,
): boolean {
  const word = ban.match === 'word'
  const readings = (i: number): number[][] => {
    const item = items[i]
    if (item === undefined || item === 'control') return [[]]
    return readingsOf(item, ban.folds).map(points)
  }
  const boundaryBefore = (i: number): boolean => {
    if (i === 0 || items[i - 1] === 'control') return true
    return readings(i - 1).some((r) => {
      const last = r.at(-1)
      return last === undefined ? boundaryBefore(i - 1) : !joins(last)
    })
  }
  const boundaryAt = (i: number): boolean => {
    if (i >= items.length) return isEnd
    if (items[i] === 'control') return true
    return readings(i).some((r) => (r[0] === undefined ? boundaryAt(i + 1) : !joins(r[0])))
  }
  const done = (i: number, reading: readonly number[], j: number): boolean => {
    const last = w.at(-1) ?? SPACE
    if (!word || ban.pending === 'deny' || last === SPACE || !joins(last)) return true
    const next = reading[j]
    return next === undefined ? boundaryAt(i + 1) : !joins(next)
  }
  /** Letter j of the reading of item i is next; k letters of w are matched. */
  const walk = (
    i: number,
    reading: readonly number[],
    j: number,
    k: number,
    seen: { sep: boolean; leet: boolean; letter: boolean },
  ): boolean => {
    if (j >= reading.length) {
      if (i + 1 >= items.length) return false
      return readings(i + 1).some((r) => walk(i + 1, r, 0, k, seen))
    }
    const x = reading[j] ?? 0
    const step = (nextK: number, nextSeen: typeof seen): boolean => {
      if (nextK === w.length && (!nextSeen.leet || nextSeen.letter) && done(i, reading, j + 1)) {
        return true
      }
      return walk(i, reading, j + 1, nextK, nextSeen)
    }
    const wanted = w[k]
    const before = w[k - 1]
    const inSpace = before === SPACE
    if (inSpace && isSpace(x) && step(k, { ...seen, sep: false })) return true
    if (wanted === undefined) return false
    if (wanted === SPACE) return !seen.sep && isSpace(x) && step(k + 1, { ...seen, sep: false })
    const isGap = k > 0 && !inSpace
    if (isGap && !seen.sep && mode !== 'closed' && j === 0 && isSeparator(x)) {
      if (step(k, { ...seen, sep: true })) return true
    }
    if (isGap && j === 0 && mode === 'spelled' && !seen.sep) return false
    if (isGap && mode === 'closed' && seen.sep) return false
    if (x === wanted) {
      if (step(k + 1, { ...seen, sep: false, letter: seen.letter || isLetter(x) })) return true
    }
    if (ban.folds.includes('leet') && x < 0x80 && wanted < 0x80) {
      const stands = (LEET[String.fromCodePoint(x)] ?? '').includes(String.fromCodePoint(wanted))
      if (stands && step(k + 1, { ...seen, sep: false, leet: true })) return true
    }
    return false
  }
  const first = w[0] ?? SPACE
  const bound = word && first !== SPACE && joins(first)
  for (let i = 0; i < items.length; i++) {
    for (const reading of readings(i)) {
      for (let j = 0; j < reading.length; j++) {
        const previous = reading[j - 1]
        const open = previous === undefined ? boundaryBefore(i) : !joins(previous)
        if (bound && !open) continue
        if (walk(i, reading, j, 0, { sep: false, leet: false, letter: false })) return true
      }
    }
  }
  return false
}

/** A byte order mark is a character like any other. */
const decoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })

/** The text of a row of tokens: items, and the bytes of a character that is not complete yet. */
export function toItems(
  v: Vocabulary,
  tokens: readonly number[],
): { items: Item[]; open: boolean } {
  const items: Item[] = []
  let bytes: number[] = []
  const flush = (isLast: boolean): boolean => {
    let text = decoder().decode(Uint8Array.from(bytes))
    let open = false
    if (isLast) {
      const whole = decoder().decode(Uint8Array.from(bytes), { stream: true })
      open = whole !== text
      text = whole
    }
    items.push(...points(text))
    bytes = []
    return open
  }
  for (const t of tokens) {
    if (v.kinds[t] === 0) bytes.push(...v.data.subarray(v.offsets[t], v.offsets[t + 1]))
    else {
      flush(false)
      items.push('control')
    }
  }
  return { items, open: flush(true) }
}

/** May `token` not follow `tokens`? From the definition: unused ids, control inside a character, or a ban would be complete. */
export function isDenied(
  bans: readonly Ban[],
  v: Vocabulary,
  tokens: readonly number[],
  token: number,
): boolean {
  if (v.kinds[token] === 2) return true
  const before = toItems(v, tokens)
  if (v.kinds[token] !== 0 && before.open) return true
  const { items } = toItems(v, [...tokens, token])
  return bans.some((ban) => isComplete(ban, items, false))
}
