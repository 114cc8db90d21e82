/**
 * The automaton over classes: every open match of a text at once, as one state.
 *
 * A state is a list: the match that began first (its set of positions), then the state of all that
 * began later. So δ((h, t), c) = (δ(h, c), δ(t, c)), and a dead h leaves δ(t, c): the failure link
 * of Aho and Corasick (1975) in general form. The list ends in a root, which knows only what stands
 * before the next letter: a boundary, or not.
 *
 * A ban completed leads to DEAD and nothing leaves it: these are the states of a mask, which never
 * lets it come so far. Text is scanned by `scan.ts`, which goes on after a match.
 */
import { GuardError } from '../model/errors.ts'
import type { Classes } from './classes.ts'
import { predicateLabel, SPACE } from './graph.ts'
import { IntList, PairMap, SequenceTable } from './pair-map.ts'
import { SEPARATOR, type Positions } from './positions.ts'

export const DEAD = -1
const NONE = -2

/** Groups whose bans may not begin inside a word. */
export const wordGroupsOf = (positions: Positions): number =>
  positions.graph.kits.reduce((bits, kit) => (kit.atBoundary ? bits | (1 << kit.group) : bits), 0)

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
  readonly classes: Classes
  readonly #positions: Positions
  readonly #maxStates: number
  readonly #sets = new SequenceTable()
  /** Set id → its moves in #moveClass and #moveSet (DEAD: completes a ban); -1 = not known yet. */
  readonly #moveFrom = new IntList(256)
  readonly #moveTo = new IntList(256)
  readonly #moveClass = new IntList(1024)
  readonly #moveSet = new IntList(1024)
  readonly #setPending = new IntList(256)

  /** Per state: set of the oldest match, state of the newer ones; -1 for roots. */
  readonly head = new IntList(256)
  readonly tail = new IntList(256)
  readonly root = new IntList(256)
  /** Groups with a pending match. */
  readonly pending = new IntList(256)
  /** Where the head moves: CSR over states, sorted by class. */
  readonly edgeFrom = new IntList(256)
  readonly edgeTo = new IntList(256)
  readonly edgeClass = new IntList(1024)
  readonly edgeNext = new IntList(1024)
  readonly #pairs = new PairMap(1024)
  readonly #roots = new Map<number, number>()
  /** Groups whose words may or may not start, by what stood before. */
  readonly wordGroups: number
  /** Per class: groups in which it closes a pending word. */
  readonly closes: Int32Array
  readonly #rootRows: (Int32Array | undefined)[] = []
  readonly #startSets: PairMap = new PairMap(256)
  readonly #candidates: (readonly number[])[][]
  readonly #typesByLetter = new Map<number, number[]>()
  readonly #seen: Int32Array
  #stamp = 0

  /** Before any text, and after a joining letter: the two references of a token program. */
  readonly start: number
  readonly inword: number

  constructor(positions: Positions, maxStates: number) {
    this.#positions = positions
    this.classes = positions.classes
    this.#maxStates = maxStates
    this.#seen = new Int32Array(this.classes.count).fill(-1)
    this.wordGroups = wordGroupsOf(positions)
    this.closes = this.#closingGroups()
    this.#candidates = this.#indexClasses()
    this.inword = this.#rootState(0)
    this.start = this.#rootState(this.wordGroups)
    for (let s = 0; s < this.count; s++) this.#expand(s)
  }

  get count(): number {
    return this.head.length
  }

  /** The state after a code point of the class, or DEAD. */
  next(state: number, cls: number): number {
    if ((this.pending.data[state]! & this.closes[cls]!) !== 0) return DEAD
    let s = state
    while (this.head.data[s]! >= 0) {
      const to = this.edgeTo.data[s]!
      let low = this.edgeFrom.data[s]!
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

  /** δ of a root, for every class. */
  rootRow(root: number): Int32Array {
    const known = this.#rootRows[root]
    if (known !== undefined) return known
    const row = new Int32Array(this.classes.count)
    this.#rootRows[root] = row
    const bits = this.#bitsOf(root)
    for (let c = 0; c < row.length; c++) {
      if (c === this.classes.control) {
        row[c] = this.#rootState(this.wordGroups)
        continue
      }
      const after = this.#rootState(this.bitsAfter(bits, c))
      const set = this.#startSet(bits, c)
      row[c] = set === DEAD ? DEAD : set === NONE ? after : this.#cons(set, after)
    }
    return row
  }

  #bitsOf(root: number): number {
    for (const [bits, state] of this.#roots) if (state === root) return bits
    return 0
  }

  #rootState(bits: number): number {
    const known = this.#roots.get(bits)
    if (known !== undefined) return known
    const state = this.#add(-1, -1)
    this.root.data[state] = state
    this.#roots.set(bits, state)
    return state
  }

  /** Groups at a boundary after a code point of the class, given those before it. */
  bitsAfter(bits: number, cls: number): number {
    return bitsAfter(this.classes, this.wordGroups, bits, cls)
  }

  #startSet(bits: number, cls: number): number {
    const known = this.#startSets.get(bits, cls)
    if (known >= 0) return known - 2
    this.#positions.start(bits, cls)
    const set = this.#internOut()
    this.#startSets.add(bits, cls, set + 2)
    return set
  }

  /** The set in `positions.out`: its id, NONE when empty, DEAD when a ban was completed. */
  #internOut(): number {
    const { out, completed } = this.#positions
    if (completed.length > 0) return DEAD
    if (out.length === 0) return NONE
    const id = this.#sets.intern(out.data, out.length)
    if (id === this.#moveFrom.length) {
      this.#moveFrom.push(-1)
      this.#moveTo.push(-1)
      let pending = 0
      for (let i = 0; i < out.length; i++) {
        const p = out.data[i]!
        if (this.#positions.isPending(p)) pending |= 1 << this.#positions.groupOf(p)
      }
      this.#setPending.push(pending)
    }
    return id
  }

  #closingGroups(): Int32Array {
    const closes = new Int32Array(this.classes.count)
    this.classes.readings.forEach((group, g) => {
      group.forEach((strings, c) => {
        const closing = strings.some((s) => s.length > 0 && !this.classes.types[s[0]!]!.joins)
        if (closing) closes[c]! |= 1 << g
      })
    })
    closes[this.classes.control] = -1
    return closes
  }

  /** Per group and letter type: the classes with a reading that begins so; last entry: may vanish. */
  #indexClasses(): (readonly number[])[][] {
    const { classes } = this
    classes.types.forEach((type, t) => {
      const known = this.#typesByLetter.get(type.letter)
      if (known === undefined) this.#typesByLetter.set(type.letter, [t])
      else known.push(t)
    })
    return classes.readings.map((group) => {
      const lists: number[][] = Array.from({ length: classes.types.length + 1 }, () => [])
      group.forEach((strings, c) => {
        for (const string of strings) lists[string[0] ?? classes.types.length]!.push(c)
      })
      return lists
    })
  }

  #add(head: number, tail: number): number {
    const state = this.head.length
    if (state >= this.#maxStates) {
      throw new GuardError(
        'policy_invalid',
        `bans: expected at most ${this.#maxStates} automaton states, got more; use fewer or simpler regular expressions, or fewer folds`,
      )
    }
    this.head.push(head)
    this.tail.push(tail)
    this.root.push(tail < 0 ? -1 : this.root.data[tail]!)
    const own = head < 0 ? 0 : this.#setPending.data[head]!
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
    this.#findMoves(head)
    this.edgeFrom.data[state] = this.edgeClass.length
    const to = this.#moveTo.data[head]!
    for (let m = this.#moveFrom.data[head]!; m < to; m++) {
      const cls = this.#moveClass.data[m]!
      const set = this.#moveSet.data[m]!
      const rest = this.next(tail, cls)
      const next = set === DEAD || rest === DEAD ? DEAD : this.#cons(set, rest)
      // Edges tell only where a state differs from its tail.
      if (next === rest) continue
      this.edgeClass.push(cls)
      this.edgeNext.push(next)
    }
    this.edgeTo.data[state] = this.edgeClass.length
  }

  #findMoves(set: number): void {
    if (this.#moveFrom.data[set]! >= 0) return
    const from = this.#sets.from(set)
    const to = this.#sets.to(set)
    const found = this.#candidatesOf(from, to)
    found.push(this.classes.control)
    this.#moveFrom.data[set] = this.#moveClass.length
    for (const cls of found) {
      if ((this.closes[cls]! & this.#setPending.data[set]!) !== 0) continue
      this.#positions.step(this.#sets.data, from, to, cls)
      const next = this.#internOut()
      if (next === NONE) continue
      this.#moveClass.push(cls)
      this.#moveSet.push(next)
    }
    this.#moveTo.data[set] = this.#moveClass.length
  }

  #candidatesOf(from: number, to: number): number[] {
    const stamp = ++this.#stamp
    const found: number[] = []
    const { types } = this.classes
    const addAll = (list: readonly number[]): void => {
      for (const c of list) {
        if (this.#seen[c] === stamp || c === this.classes.control) continue
        this.#seen[c] = stamp
        found.push(c)
      }
    }
    for (let i = from; i < to; i++) {
      const position = this.#sets.data[i]!
      const lists = this.#candidates[this.#positions.groupOf(position)]!
      addAll(lists[types.length]!)
      this.#positions.eachMove(position, ({ label, leet }) => {
        if (label >= 0) for (const t of this.#typesByLetter.get(label) ?? []) addAll(lists[t]!)
        if (label >= 0 && !leet) return
        types.forEach((type, t) => {
          const fits =
            label >= 0
              ? type.leet.includes(label)
              : label === SPACE
                ? type.isSpace
                : label === SEPARATOR
                  ? type.isSeparator
                  : type.predicates.some((p) => predicateLabel(p) === label)
          if (fits) addAll(lists[t]!)
        })
      })
    }
    return found.sort((a, b) => a - b)
  }
}
