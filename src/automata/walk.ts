/**
 * The paths of the token trie on which one open match lives: where it goes, and where it completes.
 *
 * The compiler's innermost loop: arrays only, each taken out of its object once.
 */
import type { TokenRanges } from './deny-sets.ts'
import { DEAD } from './heads.ts'
import { IntList } from './pair-map.ts'
import type { TokenTrie } from './token-trie.ts'

/** What a walk follows: lists, or heads behind the roots. */
export type Moves = {
  readonly count: number
  readonly isList: boolean
  readonly from: Int32Array
  readonly to: Int32Array
  readonly cls: Int32Array
  /** A state, or DEAD. */
  readonly next: Int32Array
  /** Groups with a pending match of the state's own, and of all that it stands for. */
  readonly ownPending: Int32Array
  readonly pending: Int32Array
}

export class Walk {
  readonly #trie: TokenTrie
  readonly #moves: Moves
  readonly #closes: Int32Array
  readonly #ranges: TokenRanges
  readonly #node = new IntList(256)
  readonly #state = new IntList(256)

  constructor(trie: TokenTrie, moves: Moves, closes: Int32Array, ranges: TokenRanges) {
    this.#trie = trie
    this.#moves = moves
    this.#closes = closes
    this.#ranges = ranges
  }

  /** Adds the tokens that end while the match is open, with its state then; and denies ranges. */
  from(start: number, token: IntList, after: IntList): void {
    const { reader, childFrom, childNode, childClass } = this.#trie
    const { from, to, cls, next, ownPending } = this.#moves
    const [nodes, states, dead] = [this.#node, this.#state, DEAD]
    nodes.length = 0
    states.length = 0
    nodes.push(0)
    states.push(start)
    while (nodes.length > 0) {
      const node = nodes.data[--nodes.length]!
      const state = states.data[--states.length]!
      if (node !== 0 && ownPending[state] !== 0) this.#close(node, ownPending[state]!)
      const last = childFrom[node + 1]!
      const end = to[state]!
      let k = childFrom[node]!
      let e = from[state]!
      while (k < last && e < end) {
        const there = childClass[k]!
        const here = cls[e]!
        if (there < here) k = seek(childClass, k + 1, last, here)
        else if (there > here) e = seek(cls, e + 1, end, there)
        else {
          const child = childNode[k++]!
          const moved = next[e++]!
          if (moved === dead) {
            this.#ranges.deny(child)
            continue
          }
          if (reader[child]! >= 0) {
            token.push(reader[child]!)
            after.push(moved)
          }
          if (childFrom[child] === childFrom[child + 1]) continue
          nodes.push(child)
          states.push(moved)
        }
      }
    }
  }

  /** Denies what closes a pending word of the match; such classes are none of its moves. */
  #close(node: number, pending: number): void {
    const { childFrom, childNode, childClass } = this.#trie
    for (let k = childFrom[node]!; k < childFrom[node + 1]!; k++) {
      if ((this.#closes[childClass[k]!]! & pending) !== 0) this.#ranges.deny(childNode[k]!)
    }
  }
}

/** The first place from `low` on whose value is not below `wanted`: near ones are found fastest. */
function seek(list: Int32Array, low: number, high: number, wanted: number): number {
  let from = low
  let step = 1
  while (from + step <= high && list[from + step - 1]! < wanted) {
    from += step
    step *= 2
  }
  let to = Math.min(high, from + step)
  while (from < to) {
    const mid = (from + to) >>> 1
    if (list[mid]! < wanted) from = mid + 1
    else to = mid
  }
  return from
}
