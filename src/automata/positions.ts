/**
 * Positions: how far a match that began at one place has come, and how one letter moves it on.
 *
 * A position is a node of the graph plus what the folds must remember: is this the spelled-out
 * reading, was the last thing a separator, has a real letter been seen yet (`leet`). A match that
 * is complete but for its boundary is *pending*: it waits for the next letter.
 */
import type { Classes, LetterType } from './classes.ts'
import { CLOSED, SPACE, SPELLED, SPLIT, type Graph, type Kit } from './graph.ts'
import { IntList } from './pair-map.ts'

/** Nothing of a letter yet; leet only; a real letter was seen. */
const NEITHER = 0
const LEET_ONLY = 1
const LETTER = 2

const NARROW = 2
const WIDE = 13
const PENDING = 0

/** What one class of text does to positions. Not re-entrant: results live until the next call. */
export class Positions {
  readonly graph: Graph
  readonly classes: Classes
  readonly #base: Int32Array
  readonly #node: Int32Array
  /** Per position: the same for positions that differ only in the letters seen, and how good those are. */
  readonly #place: Int32Array
  readonly #rank: Uint8Array
  readonly #kits: readonly Kit[]
  readonly #types: readonly LetterType[]
  readonly #narrow: readonly boolean[]
  /** Result of `step` and `start`: distinct positions, sorted. */
  readonly out = new IntList(64)
  /** Bans (indexes) that were completed on the way; with repeats. */
  readonly completed = new IntList(8)
  /** True when a pending position was entered (not merely kept). */
  enteredPending = false
  #from = new IntList(64)
  #to = new IntList(64)

  constructor(graph: Graph, classes: Classes) {
    this.graph = graph
    this.classes = classes
    this.#kits = graph.kits
    this.#types = classes.types
    this.#narrow = graph.kits.map((kit) => !kit.leet && kit.gaps === CLOSED)
    this.#base = new Int32Array(graph.nodeCount + 1)
    for (let n = 0; n < graph.nodeCount; n++) {
      this.#base[n + 1] = this.#base[n]! + (this.#narrow[graph.nodeKit.data[n]!] ? NARROW : WIDE)
    }
    this.#node = new Int32Array(this.#base[graph.nodeCount]!)
    this.#place = new Int32Array(this.#node.length)
    this.#rank = new Uint8Array(this.#node.length)
    for (let n = 0; n < graph.nodeCount; n++) {
      const from = this.#base[n]!
      this.#node.fill(n, from, this.#base[n + 1]!)
      for (let p = from; p < this.#base[n + 1]!; p++) {
        const state = p - from - 1
        this.#place[p] = state < 0 ? p : from + 1 + state - (state % 3)
        this.#rank[p] = state % 3 === NEITHER ? LEET_ONLY : state % 3 === LEET_ONLY ? 0 : LETTER
      }
    }
  }

  get count(): number {
    return this.#node.length
  }

  nodeOf(position: number): number {
    return this.#node[position]!
  }

  isPending(position: number): boolean {
    return position === this.#base[this.#node[position]!]
  }

  groupOf(position: number): number {
    return this.#kits[this.graph.nodeKit.data[this.#node[position]!]!]!.group
  }

  /** From a set of positions by one code point of the class. */
  step(set: Int32Array, from: number, to: number, cls: number): void {
    this.#reset()
    for (let i = from; i < to; i++) {
      const position = set[i]!
      const strings = this.classes.readings[this.groupOf(position)]![cls]!
      for (const string of strings) {
        if (string.length === 0) this.out.push(position)
        else if (string.length === 1) this.#letter(position, string[0]!, false, this.out)
        else this.#follow(position, string)
      }
    }
    this.#normalise()
  }

  /** From one position by one code point that is read as this letter and no other way. */
  stepLetter(position: number, type: number): void {
    this.#reset()
    this.#letter(position, type, false, this.out)
    this.#normalise()
  }

  /** Matches that begin inside one code point of the class. `bits`: groups at a boundary. */
  start(bits: number, cls: number): void {
    this.#reset()
    for (const kit of this.#kits) {
      for (const string of this.classes.readings[kit.group]![cls]!) {
        for (let i = 0; i < string.length; i++) {
          const open =
            i === 0 ? ((bits >> kit.group) & 1) === 1 : !this.#types[string[i - 1]!]!.joins
          if (kit.atBoundary && !open) continue
          this.#startAt(kit, string, i)
        }
      }
    }
    this.#normalise()
  }

  /** The union of two sets. */
  join(one: Int32Array, other: Int32Array): void {
    this.#reset()
    for (const position of one) this.out.push(position)
    for (const position of other) this.out.push(position)
    this.#normalise()
  }

  #startAt(kit: Kit, string: readonly number[], at: number): void {
    const base = this.#base[kit.root]!
    const rest = string.slice(at)
    if (this.#narrow[this.graph.nodeKit.data[kit.root]!]) this.#follow(base + 1, rest)
    else {
      this.#follow(base + 1 + NEITHER, rest)
      if (kit.gaps === SPELLED) this.#follow(base + 1 + 6 + NEITHER, rest)
    }
  }

  #reset(): void {
    this.out.length = 0
    this.completed.length = 0
    this.enteredPending = false
  }

  #follow(position: number, string: readonly number[]): void {
    let from = this.#from
    let to = this.#to
    from.length = 0
    from.push(position)
    for (let i = 0; i < string.length; i++) {
      const sink = i === string.length - 1 ? this.out : to
      if (sink === to) to.length = 0
      for (let k = 0; k < from.length; k++) this.#letter(from.data[k]!, string[i]!, i > 0, sink)
      const swap = from
      from = to
      to = swap
    }
  }

  #letter(position: number, t: number, isInside: boolean, sink: IntList): void {
    const node = this.#node[position]!
    const state = position - this.#base[node]! - 1
    const type = this.#types[t]!
    if (state < 0) {
      if (!type.joins) this.#complete(this.graph.endsAtBoundary.data[node]!)
      return
    }
    if (this.#narrow[this.graph.nodeKit.data[node]!] && this.graph.isComplex.data[node] === 0) {
      const kit = this.#kits[this.graph.nodeKit.data[node]!]!
      if (node !== kit.root) {
        if (type.letter < 0) return
        const child = this.graph.children.get(node, type.letter)
        if (child >= 0) this.#arrive(child, 0, LETTER, sink)
        return
      }
    }
    this.#edges(node, state, type, isInside, sink)
  }

  #edges(node: number, state: number, type: LetterType, isInside: boolean, sink: IntList): void {
    const { graph } = this
    const kit = this.#kits[graph.nodeKit.data[node]!]!
    const flag = state % 3
    const isAfter = state % 6 >= 3
    const isSpelled = state >= 6
    const hasGap = kit.gaps !== CLOSED && node !== kit.root && graph.isSpace.data[node] === 0
    const isOpen = !hasGap || isInside || kit.gaps === SPLIT || isSpelled === isAfter
    let hasLetters = false
    for (let e = graph.firstEdge.data[node]!; e >= 0; e = graph.edgeNext.data[e]!) {
      const label = graph.edgeLabel.data[e]!
      const target = graph.edgeTarget.data[e]!
      if (label === SPACE) {
        if (type.isSpace && !isAfter) this.#arrive(target, isSpelled ? 6 : 0, flag, sink)
        continue
      }
      hasLetters = true
      if (!isOpen) continue
      const mode = isSpelled ? 6 : 0
      const isMatch = label >= 0 ? type.letter === label : type.predicates.includes(-2 - label)
      if (isMatch) this.#arrive(target, mode, type.isLetter ? LETTER : flag, sink)
      if (kit.leet && label >= 0 && type.leet.includes(label)) {
        this.#arrive(target, mode, flag === LETTER ? LETTER : LEET_ONLY, sink)
      }
    }
    if (hasLetters && hasGap && !isAfter && type.isSeparator && !isInside) {
      if (kit.gaps === SPLIT || isSpelled) sink.push(this.#base[node]! + 1 + state + 3)
    }
  }

  #arrive(node: number, mode: number, flag: number, sink: IntList): void {
    const { graph } = this
    const kit = graph.nodeKit.data[node]!
    const isNarrow = this.#narrow[kit]!
    if (isNarrow || flag !== LEET_ONLY) {
      const here = graph.endsHere.data[node]!
      if (here >= 0) this.#complete(here)
      if (graph.endsAtBoundary.data[node]! >= 0) {
        sink.push(this.#base[node]! + PENDING)
        this.enteredPending = true
      }
    }
    if (graph.firstEdge.data[node]! < 0) return
    sink.push(this.#base[node]! + 1 + (isNarrow ? 0 : mode + flag))
  }

  #complete(list: number): void {
    for (const ban of this.graph.endings[list]!) this.completed.push(ban)
  }

  /** Sorts; keeps one of each, and none that another of the same place makes superfluous. */
  #normalise(): void {
    const { out } = this
    if (out.length < 2) return
    const view = out.data.subarray(0, out.length)
    if (out.length === 2) {
      if (view[0]! > view[1]!) view.reverse()
    } else view.sort()
    let kept = 1
    for (let i = 1; i < view.length; i++) {
      const position = view[i]!
      if (position === view[kept - 1]) continue
      if (this.#place[position] === this.#place[view[kept - 1]!]) {
        // What can be completed after leet only can be without it, and what can then can be after a
        // real letter: of one place the last in this order stands for the others.
        if (this.#rank[position]! > this.#rank[view[kept - 1]!]!) view[kept - 1] = position
        continue
      }
      view[kept++] = position
    }
    out.length = kept
  }

  /** Bans that are complete when the text ends in this set. */
  endsOf(set: Int32Array, from: number, to: number): number[] {
    const out: number[] = []
    for (let i = from; i < to; i++) {
      const position = set[i]!
      if (!this.isPending(position)) continue
      out.push(...this.graph.endings[this.graph.endsAtBoundary.data[this.#node[position]!]!]!)
    }
    return out
  }

  /** Marks every letter type that could move the position on (a superset). */
  eachMove(position: number, visit: (test: MoveTest) => void): void {
    const node = this.#node[position]!
    if (this.isPending(position)) return
    const kit = this.#kits[this.graph.nodeKit.data[node]!]!
    const { graph } = this
    for (let e = graph.firstEdge.data[node]!; e >= 0; e = graph.edgeNext.data[e]!) {
      visit({ label: graph.edgeLabel.data[e]!, leet: kit.leet, group: kit.group })
    }
    if (kit.gaps !== CLOSED) visit({ label: SEPARATOR, leet: false, group: kit.group })
  }
}

/** A pseudo-label: one of the separators of the folds `spacing` and `split`. */
export const SEPARATOR = -0x40000000
export type MoveTest = { readonly label: number; readonly leet: boolean; readonly group: number }
