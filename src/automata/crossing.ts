/**
 * The automaton crossed with a vocabulary: for every state, where it differs from its reference.
 *
 * What a token does in state (h, t) is what it does in t, except along the few paths on which h
 * lives; those are walked, everything else is taken over. A program of matches keeps h and t apart,
 * so there it is only the walk.
 */
import type { Automaton } from './automaton.ts'
import { DEAD } from './heads.ts'
import { IntList, SequenceTable } from './pair-map.ts'
import { DenySets, TokenRanges, type DenyTables } from './deny-sets.ts'
import type { States } from './states.ts'
import type { TokenTrie } from './token-trie.ts'
import { Walk, type Moves } from './walk.ts'

// A local name: an imported one is looked up through its module when run from source.
const dead = DEAD

export type Crossing = DenyTables & {
  /** States, the dead one not counted. */
  readonly count: number
  readonly start: number
  /** Rows of `base`: one per reference; DEAD where denied. */
  readonly base: readonly Int32Array[]
  /** Row of each state; NO_ROW for a match. */
  readonly reference: Uint8Array
  /** CSR over states; tokens sorted within a state. */
  readonly exceptionFrom: Int32Array
  readonly exceptionToken: Int32Array
  readonly exceptionNext: Int32Array
  /** State after U+FFFD; DEAD, or NONE when nothing of a match is left. */
  readonly broken: Int32Array
  /** From here on `base` and exceptions name bundles: count + 1 + bundle. */
  readonly bundles: SequenceTable
}

/** No row of `base`: what is no exception leaves nothing of the match. */
export const NO_ROW = 255

export function cross(automaton: Automaton, trie: TokenTrie): Crossing {
  return automaton.open === 0
    ? new Crosser(automaton, trie, listMoves(automaton.states)).run()
    : new Crosser(automaton, trie, headMoves(automaton.states)).run()
}

function listMoves(states: States): Moves {
  const { count, edgeFrom, edgeTo, edgeClass, edgeNext } = states
  const pending = states.pending.toArray()
  const ownPending = pending.map((bits, s) => {
    const tail = states.tail.data[s]!
    return tail < 0 ? bits : bits & ~pending[tail]!
  })
  const [from, to] = [edgeFrom.toArray(), edgeTo.toArray()]
  const [cls, next] = [edgeClass.toArray(), edgeNext.toArray()]
  return { count, isList: true, from, to, cls, next, ownPending, pending }
}

/** States are the roots, then the heads. */
function headMoves({ heads, roots }: States): Moves {
  const first = roots.length
  const count = first + heads.count
  const shifted = (list: IntList, by: number): Int32Array => {
    const out = new Int32Array(count)
    for (let h = 0; h < heads.count; h++) out[first + h] = list.data[h]! + by
    return out
  }
  const next = heads.moveHead.toArray()
  for (let m = 0; m < next.length; m++) if (next[m] !== dead) next[m]! += first
  const pending = shifted(heads.pending, 0)
  const [from, to] = [shifted(heads.moveFrom, 0), shifted(heads.moveTo, 0)]
  const cls = heads.moveClass.toArray()
  return { count, isList: false, from, to, cls, next, ownPending: pending, pending }
}

class Crosser {
  readonly #states: States
  readonly #closes: Int32Array
  readonly #broken: number
  readonly #trie: TokenTrie
  readonly #moves: Moves
  readonly #base: Int32Array[] = []
  /** List at each node, from each reference. */
  readonly #at: Int32Array[] = []
  readonly #token = new IntList(4096)
  readonly #next = new IntList(4096)
  readonly #from: Int32Array
  readonly #ranges: TokenRanges
  readonly #walk: Walk
  readonly #ownToken = new IntList(256)
  readonly #ownNext = new IntList(256)
  readonly #bundles = new SequenceTable()
  readonly #bundleOf = new Map<number, number>()
  readonly #open: number
  readonly #rootIndex: ReadonlyMap<number, number>

  constructor(automaton: Automaton, trie: TokenTrie, moves: Moves) {
    this.#states = automaton.states
    this.#closes = automaton.states.heads.closes
    this.#broken = automaton.classes.broken
    this.#open = automaton.open
    this.#trie = trie
    this.#moves = moves
    this.#from = new Int32Array(moves.count + 1)
    this.#ranges = new TokenRanges(trie, this.#closes, moves.count)
    this.#walk = new Walk(trie, moves, this.#closes, this.#ranges)
    this.#rootIndex = new Map(automaton.states.roots.map((root, index) => [root, index]))
  }

  run(): Crossing {
    const states = this.#states
    const { count, isList } = this.#moves
    const references =
      states.start === states.inword ? [states.start] : [states.start, states.inword]
    references.forEach((root) => this.#addReference(root))
    const reference = new Uint8Array(count)
    const rowOf = (root: number): number => (root === states.start ? 0 : references.length - 1)
    for (let s = 0; s < count; s++) {
      const root = isList ? states.root.data[s]! : (states.roots[s] ?? -1)
      const isRoot = isList ? states.head.data[s]! < 0 : root >= 0
      reference[s] = root < 0 ? NO_ROW : rowOf(root)
      this.#ownToken.length = 0
      this.#ownNext.length = 0
      if (!isRoot) this.#walkHead(s)
      else if (!references.includes(root)) this.#walkRoot(root, references.length - 1)
      this.#sortOwn()
      this.#merge(s)
    }
    const sets = new DenySets(this.#trie, this.#closes, this.#base)
    return {
      count,
      start: this.#toState(states.start),
      base: this.#base,
      reference,
      exceptionFrom: this.#from,
      exceptionToken: this.#token.toArray(),
      exceptionNext: this.#next.toArray(),
      broken: this.#readBroken(),
      bundles: this.#bundles,
      ...sets.make(
        this.#ranges,
        (s) => (reference[s] === NO_ROW ? -1 : reference[s]!),
        this.#moves.pending,
      ),
    }
  }

  /** A list as a program names it: itself, a root, or a bundle of a root and its matches. */
  #toState(list: number): number {
    if (this.#moves.isList || list === dead) return list
    const states = this.#states
    if (states.head.data[list]! < 0) return this.#rootIndex.get(list)!
    const known = this.#bundleOf.get(list)
    if (known !== undefined) return known
    const first = this.#rootIndex.size
    const members = states.headsOf(list).map((head) => first + head)
    // Past the bound nothing is followed any more: the token is denied.
    if (members.length > this.#open) return dead
    const root = this.#rootIndex.get(states.root.data[list]!)!
    const bundle = Int32Array.of(root, ...members.sort((a, b) => a - b))
    const state = this.#moves.count + 1 + this.#bundles.intern(bundle, bundle.length)
    this.#bundleOf.set(list, state)
    return state
  }

  #addReference(root: number): void {
    const trie = this.#trie
    const states = this.#states
    const first = this.#at[0]
    const at = new Int32Array(trie.count)
    const base = this.#base[0]?.slice() ?? new Int32Array(trie.extended).fill(dead)
    const { count, parent, cls, end, from, order } = trie
    // Most of the text of a vocabulary is in no match: it goes from one of these to the other.
    const { start, inword } = states
    const [startRow, inwordRow] = [states.rootRow(start), states.rootRow(inword)]
    at[0] = root
    for (let n = 0; n < count; n++) {
      let list = root
      if (n > 0) {
        const before = at[parent[n]!]!
        if (before === inword) list = inwordRow[cls[n]!]!
        else if (before === start) list = startRow[cls[n]!]!
        else list = states.next(before, cls[n]!)
      }
      at[n] = list
      if (first !== undefined && n > 0 && list === first[n]) {
        at.set(first.subarray(n, end[n]), n)
        n = end[n]! - 1
        continue
      }
      if (list === dead) {
        at.fill(dead, n, end[n])
        for (let k = from[n]!; k < from[end[n]!]!; k++) base[order[k]!] = dead
        n = end[n]! - 1
        continue
      }
      if (from[n] === from[n + 1]) continue
      const state = this.#toState(list)
      for (let k = from[n]!; k < from[n + 1]!; k++) base[order[k]!] = state
    }
    this.#at.push(at)
    this.#base.push(base)
  }

  #walkHead(s: number): void {
    // Tokens that read as nothing leave the state as it is.
    const trie = this.#trie
    if (trie.reader[0]! >= 0) this.#own(trie.reader[0]!, s)
    this.#walk.from(s, this.#ownToken, this.#ownNext)
  }

  /** A root that is no reference: compared with its reference everywhere. */
  #walkRoot(root: number, reference: number): void {
    const trie = this.#trie
    const other = this.#at[reference]!
    const at = new Int32Array(trie.count)
    at[0] = root
    for (let n = 0; n < trie.count; n++) {
      if (n > 0) at[n] = this.#states.next(at[trie.parent[n]!]!, trie.cls[n]!)
      if (at[n] === other[n]) {
        n = trie.end[n]! - 1
        continue
      }
      if (at[n] === dead) {
        this.#ranges.deny(n)
        n = trie.end[n]! - 1
        continue
      }
      if (trie.reader[n]! >= 0) this.#own(trie.reader[n]!, this.#toState(at[n]!))
    }
  }

  #own(token: number, next: number): void {
    this.#ownToken.push(token)
    this.#ownNext.push(next)
  }

  #sortOwn(): void {
    const n = this.#ownToken.length
    const token = this.#ownToken.data
    const next = this.#ownNext.data
    if (n <= 24) {
      for (let i = 1; i < n; i++) {
        const t = token[i]!
        const x = next[i]!
        let k = i - 1
        for (; k >= 0 && token[k]! > t; k--) {
          token[k + 1] = token[k]!
          next[k + 1] = next[k]!
        }
        token[k + 1] = t
        next[k + 1] = x
      }
      return
    }
    const packed = new Float64Array(n)
    for (let i = 0; i < n; i++) packed[i] = token[i]! * 0x100000000 + next[i]!
    packed.sort()
    for (let i = 0; i < n; i++) {
      token[i] = Math.floor(packed[i]! / 0x100000000)
      next[i] = packed[i]! - token[i]! * 0x100000000
    }
  }

  /** Own exceptions, and those of the state's tail that it does not deny. */
  #merge(s: number): void {
    const tail = this.#moves.isList ? this.#states.tail.data[s]! : -1
    this.#ranges.close(s, tail)
    const own = this.#ownToken
    let i = 0
    let k = tail < 0 ? 0 : this.#from[tail]!
    const to = tail < 0 ? 0 : this.#from[tail + 1]!
    while (i < own.length || k < to) {
      const mine = i < own.length ? own.data[i]! : 0x7fffffff
      const theirs = k < to ? this.#token.data[k]! : 0x7fffffff
      if (mine <= theirs) {
        this.#token.push(mine)
        this.#next.push(this.#ownNext.data[i]!)
        i++
        if (mine === theirs) k++
      } else {
        const next = this.#next.data[k]!
        if (!this.#ranges.isDenied(s, theirs, this.#moves.pending[s]!)) {
          this.#token.push(theirs)
          this.#next.push(next)
        }
        k++
      }
    }
    this.#from[s + 1] = this.#token.length
  }

  #readBroken(): Int32Array {
    const { heads, roots } = this.#states
    const { count, isList, pending } = this.#moves
    const after = new Int32Array(count)
    for (let s = 0; s < count; s++) {
      if (isList) after[s] = this.#states.next(s, this.#broken)
      else if (s < roots.length)
        after[s] = this.#toState(this.#states.next(roots[s]!, this.#broken))
      else if ((pending[s]! & this.#closes[this.#broken]!) !== 0) after[s] = dead
      else {
        const moved = heads.move(s - roots.length, this.#broken)
        after[s] = moved < 0 ? moved : moved + roots.length
      }
    }
    return after
  }
}
