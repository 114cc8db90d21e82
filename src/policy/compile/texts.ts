/**
 * Phrases and patterns of all rules as one list of texts with ids, for one automaton. The same text
 * with the same settings is scanned once, whichever rules ask for it.
 */
import { FOLDS } from '../../model/ban.ts'
import type { Ban, Fold } from '../../model/ban.ts'
import { GuardError } from '../../model/errors.ts'
import { compileLinear, MAX_PROGRAM } from './linear.ts'
import type { LinearPattern } from './linear.ts'
import { parseRegex } from './regex.ts'
import type { RegexNode } from './regex.ts'
import { MAX } from '../schema/schema-words.ts'
import { apostrophes, inflections, plainWords } from './words.ts'

export type Matching = {
  readonly match: 'word' | 'substring' | undefined
  readonly folds: readonly Fold[]
  readonly pending: 'allow' | 'deny'
  readonly place: string
}

/** What disguises are seen through unless the author says otherwise. */
export const STANDARD_FOLDS: readonly Fold[] = [
  'case',
  'width',
  'marks',
  'confusables',
  'zero_width',
]

export class Texts {
  readonly bans = new Map<string, Ban>()
  readonly linear = new Map<string, LinearPattern>()
  readonly ruleOf = new Map<string, string>()
  readonly #idOf = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #settings = new Map<string, number>()
  #patternCharacters = 0
  #linearSteps = 0

  phrase(rule: string, text: string, how: Matching): readonly string[] {
    return apostrophes(text).map((form) => this.#add(rule, 'phrase', form, how))
  }

  /**
   * A pattern: words that are meant as words become phrases, a bounded expression becomes part of the
   * automaton, anything else is scanned in linear time. Throws GuardError for what is no pattern.
   */
  pattern(rule: string, source: string, how: Matching): readonly string[] {
    const words = plainWords(source)
    if (words !== undefined) {
      const forms =
        how.match === undefined ? words.flatMap(inflections) : words.flatMap(apostrophes)
      const match = how.match ?? 'word'
      return [...new Set(forms)].map((form) => this.#add(rule, 'phrase', form, { ...how, match }))
    }
    this.#patternCharacters += source.length
    refuseAbove(this.#patternCharacters, 'patternCharacters', 'characters in patterns')
    const regex = parseRegex(source)
    const body = bounded(source, regex.root)
    if (body === undefined) return [this.#addLinear(rule, source, how)]
    const folds = regex.isCaseInsensitive ? sorted([...how.folds, 'case']) : how.folds
    const match = how.match ?? body.match
    return [this.#add(rule, 'regex', body.source, { ...how, match, folds })]
  }

  #add(rule: string, kind: Ban['kind'], text: string, how: Matching): string {
    const match = how.match ?? 'word'
    const settings = `${kind} ${match} ${how.folds.join(' ')} ${how.pending}`
    const number = this.#settings.get(settings) ?? this.#settings.size
    this.#settings.set(settings, number)
    const key = `${number} ${text}`
    const known = this.#idOf.get(key)
    if (known !== undefined) return known
    refuseAbove(this.#idOf.size + 1, 'texts', 'phrases and forms of words')
    const id = this.#nextId(rule)
    const { folds, pending, place } = how
    this.bans.set(id, { id, kind, text, match, folds, pending, place })
    this.#idOf.set(key, id)
    return id
  }

  #addLinear(rule: string, source: string, how: Matching): string {
    const isFolded = how.folds.includes('case')
    const key = JSON.stringify(['linear', source, how.match, isFolded])
    const known = this.#idOf.get(key)
    if (known !== undefined) return known
    const id = this.#nextId(rule)
    const whole = how.match === 'word' ? `\\b(?:${source})\\b` : source
    refuseAbove(this.#linearSteps, 'linearSteps', 'steps in patterns that have no bound')
    this.#linearSteps += MAX_PROGRAM
    const compiled = compileLinear(id, whole, parseRegex(whole), isFolded)
    // One that is refused has cost as much as the largest.
    this.#linearSteps += compiled.program.length - MAX_PROGRAM
    this.linear.set(id, compiled)
    this.#idOf.set(key, id)
    return id
  }

  #nextId(rule: string): string {
    const n = this.#counts.get(rule) ?? 0
    this.#counts.set(rule, n + 1)
    const id = `${rule}#${n}`
    this.ruleOf.set(id, rule)
    return id
  }
}

/** A policy asks for more than may be compiled and scanned: the rest of it is not looked at. */
export class TooMuch extends GuardError {
  override readonly name = 'TooMuch'
}

function refuseAbove(
  count: number,
  what: 'texts' | 'linearSteps' | 'patternCharacters',
  words: string,
): void {
  if (count <= MAX[what]) return
  throw new TooMuch('policy_invalid', `a policy has at most ${MAX[what]} ${words}`)
}

export const sorted = (folds: readonly Fold[]): readonly Fold[] =>
  FOLDS.filter((fold) => folds.includes(fold))

type Body = { readonly source: string; readonly match: 'word' | 'substring' }

/** Repetitions above this are scanned in linear time and do not enter the automaton. */
const MAX_REPEAT = 64
/** A bounded gap of any characters multiplies states: only short ones enter the automaton. */
const MAX_STEPS = 400

/**
 * The expression as the automaton takes it: bounded, with \b at both ends or nowhere, no other
 * assertion, and no larger than what stays small as a table. undefined otherwise.
 */
function bounded(source: string, root: RegexNode): Body | undefined {
  const isWord = /^(?:\(\?i\))?\\b/.test(source) && /(?:^|[^\\])\\b$/.test(source)
  const plain = source.replace(/^\(\?i\)/, '')
  const body = isWord ? plain.slice(2, -2) : plain
  // The alternatives of `\ba|b\b` are not bounded by both: only a single sequence is.
  if (isWord && root.kind === 'alt') return undefined
  let size: number
  try {
    size = steps(parseRegex(body).root)
  } catch (error) {
    if (error instanceof GuardError) return undefined
    throw error
  }
  if (size > MAX_STEPS || /\(\?[a-z]*[is]/.test(body)) return undefined
  return { source: body, match: isWord ? 'word' : 'substring' }
}

/** Characters that the longest match can have; Infinity when there is no longest one. */
function steps(node: RegexNode): number {
  switch (node.kind) {
    case 'empty':
      return 0
    case 'set':
      return 1
    case 'assert':
      return Infinity
    case 'seq':
      return node.parts.reduce((sum, part) => sum + steps(part), 0)
    case 'alt':
      return node.parts.reduce((sum, part) => sum + steps(part), 0)
    case 'repeat':
      return node.max > MAX_REPEAT ? Infinity : node.max * steps(node.of)
  }
}
