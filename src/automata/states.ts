/**
 * The automaton over classes: every open match of a text at once, as one state.
 *
 * A state is a list: the match that began first (its head), then the state of all that began later.
 * So δ((h, t), c) = (δ(h, c), δ(t, c)), and a dead h leaves δ(t, c): the failure link of Aho and
 * Corasick (1975) in general form. The list ends in a root, which knows only what stands before the
 * next letter: a boundary, or not.
 *
 * A ban completed leads to DEAD and nothing leaves it: these are the states of a mask, which never
 * lets it come so far. Text is scanned by `scan.ts`, which goes on after a match.
 */
import type { Classes } from './classes.ts'
import { DEAD, NONE, type Heads } from './heads.ts'
import { IntList, PairMap } from './pair-map.ts'
import type { Positions } from './positions.ts'

const dead = DEAD
const none = NONE

/** Groups whose words may or may not start, by what stood before. */
export function wordGroupsOf({ graph }: Positions): number {
  return graph.kits.reduce((bits, kit) => (kit.atBoundary ? bits | (1 << kit.group) : bits), 0)
}

/** Groups at a boundary after a code point of the class, given those before it. */
export function bitsAfter(classes: Classes, wordGroups: number, bits: number, cls: number): number {
  let after = 0
  classes.readings.forEach((group, g) => {
    const bit = 1 << g
    if ((wordGroups & bit) === 0) return
    for (const string of group[cls]!) {
      const last = string.at(-1)
      if (last === undefined ? (bits & bit) !== 0 : !classes.types[last]!.joins) after |= bit
    }
  })
  return after
}

export class States {
  readonly heads: Heads
  readonly classes: Classes
  /** Per state: head of the oldest match, state of the newer ones; -1 for roots. */
  readonly head = new IntList(256)
  readonly tail = new IntList(256)
  readonly root = new IntList(256)
  /** Groups with a pending match. */
  readonly pending = new IntList(256)
  /** Where the head moves, for states that were expanded: CSR, sorted by class. */
  readonly edgeFrom = new IntList(256)
  readonly edgeTo = new IntList(256)
  readonly edgeClass = new IntList(1024)
  readonly edgeNext = new IntList(1024)
  readonly #pairs = new PairMap(1024)
  /** Boundary bits → root, and back. */
  readonly #roots = new Map<number, number>()
  readonly #bits = new Map<number, number>()
  readonly #rootRows: (Int32Array | undefined)[] = []
  readonly wordGroups: number
  readonly #maxStates: number
  /** Before any text, and after a joining letter: the two references of a token program. */
  readonly start: number
  readonly inword: number

  constructor(heads: Heads, maxStates: number) {
    this.heads = heads
    this.classes = heads.classes
    this.#maxStates = maxStates
    this.wordGroups = wordGroupsOf(heads.positions)
    this.inword = this.#rootState(0)
    this.start = this.#rootState(this.wordGroups)
  }

  get count(): number {
    return this.head.length
  }

  /** Finds every state; false when there are more than `maxStates`. */
  explore(): boolean {
    for (let s = 0; s < this.count; s++) {
      if (this.count > this.#maxStates) return false
      this.#expand(s)
    }
    return this.count <= this.#maxStates
  }

  /** Roots, in order of discovery: complete only after `explore` or `exploreHeads`. */
  get roots(): readonly number[] {
    return [...this.#roots.values()]
  }

  /** Finds every root and every head, but not the lists of them. */
  exploreHeads(): void {
    for (let known = 0; known < this.#roots.size; known++) this.rootRow(this.roots[known]!)
    for (let h = 0; h < this.heads.count; h++) this.heads.expand(h)
  }

  /** Matches that are open in a state, the oldest first. */
  headsOf(state: number): number[] {
    const out: number[] = []
    for (let s = state; this.head.data[s]! >= 0; s = this.tail.data[s]!) {
      out.push(this.head.data[s]!)
    }
    return out
  }

  /** The state after a code point of the class (one that does not vanish), or DEAD. */
  next(state: number, cls: number): number {
    if ((this.pending.data[state]! & this.heads.closes[cls]!) !== 0) return dead
    let s = state
    while (this.head.data[s]! >= 0) {
      const from = this.edgeFrom.data[s]!
      if (from < 0)
        return this.#consAfter(this.heads.move(this.head.data[s]!, cls), this.tail.data[s]!, cls)
      const to = this.edgeTo.data[s]!
      let low = from
      let high = to
      while (low < high) {
        const mid = (low + high) >>> 1
        if (this.edgeClass.data[mid]! < cls) low = mid + 1
        else high = mid
      }
      if (low < to && this.edgeClass.data[low] === cls) return this.edgeNext.data[low]!
      s = this.tail.data[s]!
    }
    return this.rootRow(s)[cls]!
  }

  #consAfter(moved: number, tail: number, cls: number): number {
    if (moved === dead) return dead
    const rest = this.next(tail, cls)
    return moved === none || rest === dead ? rest : this.#cons(moved, rest)
  }

  /** δ of a root, for every class. */
  rootRow(root: number): Int32Array {
    const known = this.#rootRows[root]
    if (known !== undefined) return known
    const row = new Int32Array(this.classes.count)
    this.#rootRows[root] = row
    const bits = this.#bits.get(root)!
    for (let c = 0; c < row.length; c++) {
      if (c === this.classes.control) {
        row[c] = this.#rootState(this.wordGroups)
        continue
      }
      const after = this.#rootState(this.bitsAfter(bits, c))
      const head = this.heads.start(bits, c)
      row[c] = head === dead ? dead : head === none ? after : this.#cons(head, after)
    }
    return row
  }

  #rootState(bits: number): number {
    const known = this.#roots.get(bits)
    if (known !== undefined) return known
    const state = this.#add(-1, -1)
    this.root.data[state] = state
    this.#roots.set(bits, state)
    this.#bits.set(state, bits)
    return state
  }

  bitsAfter(bits: number, cls: number): number {
    return bitsAfter(this.classes, this.wordGroups, bits, cls)
  }

  #add(head: number, tail: number): number {
    const state = this.head.length
    this.head.push(head)
    this.tail.push(tail)
    this.root.push(tail < 0 ? -1 : this.root.data[tail]!)
    const own = head < 0 ? 0 : this.heads.pending.data[head]!
    this.pending.push(own | (tail < 0 ? 0 : this.pending.data[tail]!))
    this.edgeFrom.push(-1)
    this.edgeTo.push(-1)
    return state
  }

  #cons(head: number, tail: number): number {
    for (let s = tail; this.head.data[s]! >= 0; s = this.tail.data[s]!) {
      if (this.head.data[s] === head) return tail
    }
    const known = this.#pairs.get(head, tail)
    if (known >= 0) return known
    const state = this.#add(head, tail)
    this.#pairs.add(head, tail, state)
    return state
  }

  #expand(state: number): void {
    if (this.edgeFrom.data[state]! >= 0) return
    const head = this.head.data[state]!
    if (head < 0) {
      this.rootRow(state)
      this.edgeFrom.data[state] = this.edgeClass.length
      this.edgeTo.data[state] = this.edgeClass.length
      return
    }
    const tail = this.tail.data[state]!
    this.#expand(tail)
    this.heads.expand(head)
    const { moveFrom, moveTo, moveClass, moveHead } = this.heads
    this.edgeFrom.data[state] = this.edgeClass.length
    const to = moveTo.data[head]!
    for (let m = moveFrom.data[head]!; m < to; m++) {
      const cls = moveClass.data[m]!
      const moved = moveHead.data[m]!
      const rest = this.next(tail, cls)
      const next = moved === dead || rest === dead ? dead : this.#cons(moved, rest)
      // Edges tell only where a state differs from its tail.
      if (next === rest) continue
      this.edgeClass.push(cls)
      this.edgeNext.push(next)
    }
    this.edgeTo.data[state] = this.edgeClass.length
  }
}
