/**
 * What a pattern's author meant. `(bond|fund|ISA)` is a list of words, so it must find `bonds` and not
 * `vagabond`, and `isa` only where it stands alone: such patterns become phrases, bounded at words,
 * with the endings of English. Everything else is taken as the regular expression that it is.
 */

const PLAIN = /^[\p{L}\p{M}\p{N}_'’\- ]+$/u
const GROUP = /^\((?:\?:)?([^()]*)\)$/

/** The alternatives of a pattern that is nothing but words; undefined when it is more than that. */
export function plainWords(pattern: string): readonly string[] | undefined {
  const inner = GROUP.exec(pattern)?.[1] ?? pattern
  const words = inner.split('|').map((word) => word.trim())
  return words.every((word) => PLAIN.test(word) && /[\p{L}\p{N}]/u.test(word)) ? words : undefined
}

const ENDINGS = ['s', 'es', "'s", '’s', 'd', 'ed', 'ing', 'ings', 'er', 'ers']
const LATIN = ['or', 'ors', 'ment', 'ments', 'al']
/** Words shorter than this take no ending but the plural: `fee`, `tax`. */
const SHORT = 4

/** A word as it stands and with the endings that keep its meaning; both apostrophes. */
export function inflections(phrase: string): readonly string[] {
  const forms = new Set<string>([phrase])
  const last = /\p{L}+$/u.exec(phrase)?.[0] ?? ''
  if (last.length >= 2 && /^\p{Script=Latin}+$/u.test(last)) {
    const isAcronym = last.length <= 5 && last === last.toUpperCase()
    const endings = isAcronym || last.length < SHORT ? ['s', "'s", '’s'] : [...ENDINGS, ...LATIN]
    for (const ending of endings) forms.add(phrase + ending)
    if (!isAcronym && last.length >= SHORT && last.endsWith('e')) {
      const stem = phrase.slice(0, -1)
      for (const ending of ['ing', 'ings', 'ed', 'er', 'ers', 'or', 'ors']) forms.add(stem + ending)
    }
    if (!isAcronym && /[^aeiou]y$/u.test(last)) forms.add(`${phrase.slice(0, -1)}ies`)
  }
  return [...forms].flatMap(apostrophes)
}

/** People write `can't` with either apostrophe. */
export function apostrophes(phrase: string): readonly string[] {
  const straight = phrase.replaceAll('’', "'")
  return straight.includes("'") ? [straight, straight.replaceAll("'", '’')] : [phrase]
}
