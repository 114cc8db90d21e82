/**
 * Regular expressions into the graph: one node per place after a character (Glushkov, 1961).
 *
 * A character that is written out is folded like a phrase's; a large set is matched against the
 * folded letters of the text. Places after joining and after other characters are kept apart,
 * because word boundaries need to know.
 */
import type { Ban } from '../model/ban.ts'
import type { Ranges } from './classes.ts'
import { foldMask, readings, type Letters } from './fold.ts'
import { CLOSED, SPACE, SPELLED, predicateLabel, type Gaps, type Graph } from './graph.ts'
import { isSpacing, refuse, type Ids } from './phrase.ts'
import { parseRegex, toRanges, type Regex, type SetItem } from './regex.ts'
import {
  CODE_POINTS,
  IS_DIGIT,
  IS_SPACE,
  IS_WORD,
  REPLACEMENT,
  flags,
  isJoining,
} from './unicode.ts'

/** Places of one expression. */
const MAX_PLACES = 4096
/** Sets up to this size are edges of letters (so `leet` applies); larger ones are predicates. */
const MAX_LETTERS = 32
/** Ranges up to this size are folded member by member. */
const MAX_FOLDED_RANGE = 512

/** Label, and whether the character it matches joins words. */
type Label = { readonly label: number; readonly joins: boolean; readonly isBlank: boolean }

type Place = { readonly node: number; readonly joins: boolean; readonly isBlank: boolean }
/** Stands for the roots of the two kits. */
const ROOT: Place = { node: -1, joins: false, isBlank: true }

export function addRegex(graph: Graph, ids: RegexIds, ban: Ban, index: number): void {
  const { root, isWord } = parseRegex(ban.text, (reason) => refuse(ban, reason))
  const entry: Ban = isWord ? { ...ban, match: 'word' } : ban
  new Builder(graph, ids, entry, index).add(root)
}

export type RegexIds = Ids & { predicate(ranges: Ranges): number }

class Builder {
  readonly #graph: Graph
  readonly #ids: RegexIds
  readonly #ban: Ban
  readonly #index: number
  readonly #mask: number
  readonly #kits: { readonly joining: number; readonly other: number }
  #places = 0

  constructor(graph: Graph, ids: RegexIds, ban: Ban, index: number) {
    this.#graph = graph
    this.#ids = ids
    this.#ban = ban
    this.#index = index
    this.#mask = foldMask(ban.folds)
    const gaps: Gaps = ban.folds.includes('spacing') ? SPELLED : CLOSED
    const options = {
      group: ids.group(this.#mask),
      leet: ban.folds.includes('leet'),
      gaps,
    }
    const other = graph.kit({ ...options, atBoundary: false })
    const joining = ban.match === 'word' ? graph.kit({ ...options, atBoundary: true }) : other
    this.#kits = { joining, other }
  }

  add(root: Regex): void {
    const ends = this.#build(root, [ROOT], this.#ban.text)
    if (ends.includes(ROOT)) throw refuse(this.#ban, 'matches the empty text')
    if (ends.some((end) => end.isBlank)) throw refuse(this.#ban, 'can match white space only')
    const isOpen = this.#ban.match === 'word' && this.#ban.pending === 'allow'
    for (const end of ends) this.#graph.end(end.node, this.#index, isOpen && end.joins)
  }

  #build(part: Regex, from: readonly Place[], source: string): readonly Place[] {
    switch (part.kind) {
      case 'literal':
        return this.#literal(part.codePoint, from, source)
      case 'set':
        return this.#step(from, this.#setLabels(part.items, part.isNegated), source)
      case 'sequence':
        return part.parts.reduce((places, next) => this.#build(next, places, source), from)
      case 'either':
        return unique(part.options.flatMap((option) => this.#build(option, from, source)))
      case 'repeat': {
        let places = from
        const ends: Place[] = part.least === 0 ? [...from] : []
        for (let i = 1; i <= part.most; i++) {
          places = this.#build(part.part, places, part.source)
          if (i >= part.least) ends.push(...places)
        }
        return unique(ends)
      }
    }
  }

  #literal(c: number, from: readonly Place[], source: string): readonly Place[] {
    if (c === REPLACEMENT) throw refuse(this.#ban, 'holds U+FFFD, which stands for broken bytes')
    if (isSpacing(this.#ban.folds) && (flags()[c]! & IS_SPACE) !== 0) {
      const places = this.#step(from, [{ label: SPACE, joins: false, isBlank: true }], source)
      for (const place of places) this.#graph.markSpace(place.node)
      return places
    }
    const words = readings(c, this.#mask).filter((word) => word.length > 0)
    if (words.length === 0) return from
    return unique(words.flatMap((word) => this.#word(word, from, source)))
  }

  #word(word: Letters, from: readonly Place[], source: string): readonly Place[] {
    return word.reduce<readonly Place[]>(
      (places, letter) => this.#step(places, [this.#letterLabel(letter)], source),
      from,
    )
  }

  #letterLabel(letter: number): Label {
    const isBlank = (flags()[letter]! & IS_SPACE) !== 0
    return { label: this.#ids.letter(letter), joins: isJoining(letter), isBlank }
  }

  /** New places behind any of the labels; one for each kind of character. */
  #step(from: readonly Place[], labels: readonly Label[], source: string): readonly Place[] {
    const out: Place[] = []
    const kinds = new Map<string, Label[]>()
    for (const label of labels) {
      for (const isBlankBefore of new Set(from.map((place) => place.isBlank))) {
        const key = `${label.joins}|${label.isBlank && isBlankBefore}|${isBlankBefore}`
        kinds.set(key, [...(kinds.get(key) ?? []), label])
      }
    }
    for (const [key, list] of kinds) {
      if (++this.#places > MAX_PLACES) {
        throw refuse(
          this.#ban,
          `explodes: more than ${MAX_PLACES} places; the part is ${JSON.stringify(source)}`,
        )
      }
      const [joins, isBlank, isBlankBefore] = key.split('|').map((word) => word === 'true')
      const node = this.#graph.addNode(this.#kits.other)
      this.#graph.isComplex.data[node] = 1
      for (const place of from) {
        if (place.isBlank === isBlankBefore) this.#connect(place, list, node)
      }
      out.push({ node, joins: joins === true, isBlank: isBlank === true })
    }
    return out
  }

  #connect(place: Place, labels: readonly Label[], node: number): void {
    for (const { label, joins } of labels) {
      const kit = joins ? this.#kits.joining : this.#kits.other
      const from = place === ROOT ? this.#graph.kits[kit]!.root : place.node
      this.#graph.addEdge(from, label, node)
    }
  }

  readonly #sets = new Map<readonly SetItem[], readonly Label[]>()
  /** Labels of a set; one that is repeated is worked out once. */
  #setLabels(items: readonly SetItem[], isNegated: boolean): readonly Label[] {
    const known = this.#sets.get(items)
    if (known !== undefined) return known
    const made = this.#readSet(items, isNegated)
    this.#sets.set(items, made)
    return made
  }

  #readSet(items: readonly SetItem[], isNegated: boolean): readonly Label[] {
    const ranges = this.#members(items)
    const kept = isNegated ? complement(ranges) : ranges
    const size = kept.reduce((sum, [from, to]) => sum + to - from, 0)
    if (size <= MAX_LETTERS) {
      return kept.flatMap(([from, to]) =>
        Array.from({ length: to - from }, (_, i) => this.#letterLabel(from + i)),
      )
    }
    // By what boundaries and the check for white space need to know.
    const labels: Label[] = []
    for (const [joins, isBlank] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      const part = intersect(kept, (c) => {
        return isJoining(c) === joins && ((flags()[c]! & IS_SPACE) !== 0) === isBlank
      })
      if (part.length === 0) continue
      labels.push({ label: predicateLabel(this.#ids.predicate(part)), joins, isBlank })
    }
    return labels
  }

  #members(items: readonly SetItem[]): Ranges {
    const out: (readonly [number, number])[] = []
    for (const item of items) {
      if (item.kind === 'escape') out.push(...escapeRanges(item.name))
      else if (item.to - item.from > MAX_FOLDED_RANGE) out.push([item.from, item.to])
      else out.push(...foldRange(item.from, item.to, this.#mask))
    }
    return intersect(toRanges(out), (c) => c !== REPLACEMENT && !isSurrogate(c))
  }
}

/** The single letters that the characters of a range are read as. */
function foldRange(from: number, to: number, mask: number): [number, number][] {
  const out: [number, number][] = []
  for (let c = from; c < to; c++) {
    for (const word of readings(c, mask)) {
      if (word.length === 1) out.push([word[0]!, word[0]! + 1])
    }
  }
  return out
}

const isSurrogate = (c: number): boolean => c >= 0xd800 && c < 0xe000

function unique(places: readonly Place[]): readonly Place[] {
  return [...new Set(places)]
}

function complement(ranges: Ranges): Ranges {
  const out: [number, number][] = []
  let at = 0
  for (const [from, to] of [...ranges, [CODE_POINTS, CODE_POINTS] as const]) {
    if (from > at) out.push([at, from])
    at = to
  }
  return intersect(out, (c) => c !== REPLACEMENT && !isSurrogate(c))
}

function intersect(ranges: Ranges, test: (c: number) => boolean): Ranges {
  const out: [number, number][] = []
  for (const [from, to] of ranges) {
    for (let c = from; c < to; c++) {
      if (!test(c)) continue
      const last = out.at(-1)
      if (last?.[1] === c) last[1] = c + 1
      else out.push([c, c + 1])
    }
  }
  return out
}

const escapes = new Map<string, Ranges>()

function escapeRanges(name: string): Ranges {
  const known = escapes.get(name)
  if (known !== undefined) return known
  const bit = { d: IS_DIGIT, w: IS_WORD, s: IS_SPACE }[name.toLowerCase()] ?? 0
  const isOpposite = name !== name.toLowerCase()
  const made = intersect([[0, CODE_POINTS]], (c) => ((flags()[c]! & bit) !== 0) !== isOpposite)
  escapes.set(name, made)
  return made
}
