/**
 * Phrases into the graph: folded as the text is, letter by letter.
 *
 * A phrase whose characters have one reading each is a path in a trie. One with several (a Cyrillic
 * word under `confusables`) becomes a chain of its own, with an edge for every reading.
 */
import { GuardError } from '../model/errors.ts'
import type { Ban, Fold } from '../model/ban.ts'
import { foldMask, readings, type Letters } from './fold.ts'
import { CLOSED, SPACE, SPELLED, SPLIT, type Gaps, type Graph } from './graph.ts'
import { IS_SPACE, REPLACEMENT, flags, isJoining } from './unicode.ts'

/** Characters of a phrase, as written. */
export const MAX_PHRASE = 1024
/** `split` needs this many letters. */
export const MIN_SPLIT = 8

/** One character of a ban: its readings, or a space of its own. */
export type Element = 'space' | readonly Letters[]

/** Where the graph's builder finds ids. */
export type Ids = {
  letter(codePoint: number): number
  group(mask: number): number
}

export function refuse(ban: Ban, reason: string): GuardError {
  const place = ban.place === undefined ? '' : `${ban.place}: `
  return new GuardError('policy_invalid', `${place}ban ${JSON.stringify(ban.id)}: ${reason}`)
}

export function isSpacing(folds: readonly Fold[]): boolean {
  return folds.includes('spacing') || folds.includes('split')
}

/** The phrase as elements: what folds away is gone, runs of spaces are one. */
export function toElements(ban: Ban): Element[] {
  const mask = foldMask(ban.folds)
  const spacing = isSpacing(ban.folds)
  const out: Element[] = []
  for (const ch of ban.text) {
    const c = ch.codePointAt(0)!
    if (c === REPLACEMENT) throw refuse(ban, 'holds U+FFFD, which stands for broken bytes')
    if (spacing && (flags()[c]! & IS_SPACE) !== 0) {
      if (out.at(-1) !== 'space') out.push('space')
      continue
    }
    const kept = readings(c, mask).filter((word) => word.length > 0)
    if (kept.length > 0) out.push(kept)
  }
  return out
}

export function gapsOf(ban: Ban, elements: readonly Element[]): Gaps {
  const letters = elements.filter((e) => e !== 'space').length
  if (ban.folds.includes('split') && letters >= MIN_SPLIT) return SPLIT
  return ban.folds.includes('spacing') ? SPELLED : CLOSED
}

function isBlank(e: Element): boolean {
  return e === 'space' || e.every((w) => w.every((c) => (flags()[c]! & IS_SPACE) !== 0))
}

export function addPhrase(graph: Graph, ids: Ids, ban: Ban, index: number): void {
  if (ban.text === '') throw refuse(ban, 'expected a phrase, got an empty one')
  if (ban.text.length > MAX_PHRASE * 2 || [...ban.text].length > MAX_PHRASE) {
    throw refuse(ban, `expected at most ${MAX_PHRASE} characters, got ${[...ban.text].length}`)
  }
  const elements = toElements(ban)
  if (elements.length === 0) {
    throw refuse(ban, `nothing is left of ${JSON.stringify(ban.text)} after its folds`)
  }
  if ([...ban.text].every((ch) => (flags()[ch.codePointAt(0)!]! & IS_SPACE) !== 0)) {
    throw refuse(ban, 'bans white space only')
  }
  if (elements.every(isBlank)) throw refuse(ban, 'bans white space only')
  const first = elements[0]!
  const options = {
    group: ids.group(foldMask(ban.folds)),
    leet: ban.folds.includes('leet'),
    gaps: gapsOf(ban, elements),
  }
  const isWord = ban.match === 'word'
  const starts = (word: Letters): boolean => isWord && isJoining(word[0]!)
  if (elements.every((e) => e === 'space' || e.length === 1)) {
    const atBoundary = first !== 'space' && starts(first[0]!)
    const kit = graph.kit({ ...options, atBoundary })
    addPath(graph, ids, graph.kits[kit]!.root, { elements, ban, index })
    return
  }
  for (const atBoundary of [false, true]) {
    const kept =
      first === 'space' ? (atBoundary ? [] : first) : first.filter((w) => starts(w) === atBoundary)
    if (kept.length === 0) continue
    const kit = graph.kit({ ...options, atBoundary })
    const rest = elements.slice(1)
    addChain(graph, ids, graph.kits[kit]!.root, { elements: [kept, ...rest], ban, index })
  }
}

type Entry = { readonly elements: readonly Element[]; readonly ban: Ban; readonly index: number }

/** Must the text after this last letter be judged before the ban is complete? */
function needsBoundary(ban: Ban, last: number): boolean {
  return ban.match === 'word' && ban.pending === 'allow' && isJoining(last)
}

function addPath(graph: Graph, ids: Ids, root: number, entry: Entry): void {
  let node = root
  let last = 0x20
  for (const element of entry.elements) {
    if (element === 'space') {
      node = graph.child(node, SPACE)
      last = 0x20
      continue
    }
    for (const c of element[0]!) {
      node = graph.child(node, ids.letter(c))
      last = c
    }
  }
  graph.end(node, entry.index, needsBoundary(entry.ban, last))
}

function addChain(graph: Graph, ids: Ids, root: number, entry: Entry): void {
  const kit = graph.nodeKit.data[root]!
  let node = root
  entry.elements.forEach((element, i) => {
    const isLast = i === entry.elements.length - 1
    if (element === 'space') {
      const next = graph.addNode(kit)
      graph.addEdge(node, SPACE, next)
      graph.markSpace(next)
      node = next
      if (isLast) graph.end(node, entry.index, false)
      return
    }
    const open = graph.addNode(kit)
    const atBoundary = isLast ? graph.addNode(kit) : open
    graph.isComplex.data[open] = 1
    for (const word of element) {
      const last = word.at(-1)!
      const target = isLast && needsBoundary(entry.ban, last) ? atBoundary : open
      let at = node
      word.forEach((c, k) => {
        const to = k === word.length - 1 ? target : graph.addNode(kit)
        graph.isComplex.data[to] = 1
        graph.addEdge(at, ids.letter(c), to)
        at = to
      })
    }
    if (isLast) {
      graph.end(open, entry.index, false)
      graph.end(atBoundary, entry.index, true)
    }
    node = open
  })
}
