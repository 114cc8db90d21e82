/**
 * What states deny: ranges of the token trie while it is walked, then sets of tokens with parents.
 */
import { DEAD } from './heads.ts'
import { IntList, SequenceTable } from './pair-map.ts'
import { sortSlice } from './sort.ts'
import type { TokenTrie } from './token-trie.ts'

const dead = DEAD
/** Above every place in the order of tokens. */
const SPAN = 0x200000

export type DenyTables = {
  /** Set of each state; sets with their parent (-1: none) and own tokens, sorted. */
  readonly denySet: Int32Array
  readonly setParent: Int32Array
  readonly setFrom: Int32Array
  readonly setToken: Int32Array
}

/** Denied ranges of places per state, beyond the reference: pairs (from, to), sorted and disjoint. */
export class TokenRanges {
  readonly #trie: TokenTrie
  readonly #closes: Int32Array
  readonly #table = new SequenceTable()
  readonly #of: Int32Array
  readonly #own = new IntList(256)
  #firstCloses: Int32Array | undefined

  constructor(trie: TokenTrie, closes: Int32Array, states: number) {
    this.#trie = trie
    this.#closes = closes
    this.#of = new Int32Array(states)
    this.#table.intern(new Int32Array(0), 0)
  }

  /** Every token below the node, in the state that is walked now. */
  deny(node: number): void {
    const from = this.#trie.from[node]!
    const to = this.#trie.from[this.#trie.end[node]!]!
    if (from === to) return
    this.#own.push(from)
    this.#own.push(to)
  }

  /** The walk of a state is over: its ranges and those of its tail (-1: none) are its own. */
  close(state: number, tail: number): void {
    this.#of[state] = this.#merge(tail < 0 ? 0 : this.#of[tail]!)
    this.#own.length = 0
  }

  id(state: number): number {
    return this.#of[state]!
  }

  isDenied(state: number, token: number, pending: number): boolean {
    const place = this.#trie.place[token]!
    const id = this.#of[state]!
    const { data } = this.#table
    const from = this.#table.from(id)
    const end = this.#table.to(id)
    let low = from >> 1
    let high = end >> 1
    while (low < high) {
      const mid = (low + high) >>> 1
      if (data[mid * 2 + 1]! <= place) low = mid + 1
      else high = mid
    }
    if (low * 2 < end && data[low * 2]! <= place) return true
    return pending !== 0 && (this.#closesFirst(token) & pending) !== 0
  }

  eachToken(id: number, visit: (token: number) => void): void {
    const { data } = this.#table
    const { order } = this.#trie
    for (let i = this.#table.from(id); i < this.#table.to(id); i += 2) {
      for (let k = data[i]!; k < data[i + 1]!; k++) visit(order[k]!)
    }
  }

  /** Groups that the first code point of a token closes. */
  #closesFirst(token: number): number {
    if (this.#firstCloses === undefined) {
      const table = new Int32Array(this.#trie.extended)
      eachFirst(this.#trie, (cls, tokens) => {
        for (const t of tokens) table[t] = this.#closes[cls]!
      })
      this.#firstCloses = table
    }
    return this.#firstCloses[token]!
  }

  #merge(tail: number): number {
    const own = this.#own
    if (own.length === 0) return tail
    const table = this.#table
    const pairs = new Float64Array((own.length + table.to(tail) - table.from(tail)) >> 1)
    let size = 0
    for (let i = 0; i < own.length; i += 2) pairs[size++] = own.data[i]! * SPAN + own.data[i + 1]!
    for (let i = table.from(tail); i < table.to(tail); i += 2) {
      pairs[size++] = table.data[i]! * SPAN + table.data[i + 1]!
    }
    pairs.sort()
    const out = new Int32Array(size * 2)
    let length = 0
    for (let i = 0; i < size; i++) {
      const from = Math.floor(pairs[i]! / SPAN)
      const to = pairs[i]! - from * SPAN
      if (length > 0 && from <= out[length - 1]!) out[length - 1] = Math.max(out[length - 1]!, to)
      else {
        out[length++] = from
        out[length++] = to
      }
    }
    return table.intern(out, length)
  }
}

/** For every class that begins a token: the tokens that begin with it. */
function eachFirst(trie: TokenTrie, visit: (cls: number, tokens: Int32Array) => void): void {
  for (let k = trie.childFrom[0]!; k < trie.childFrom[1]!; k++) {
    const child = trie.childNode[k]!
    const to = trie.from[trie.end[child]!]!
    visit(trie.cls[child]!, trie.order.subarray(trie.from[child], to))
  }
}

/** Sets of tokens from ranges; what a reference and pending words deny is a parent, kept once. */
export class DenySets {
  readonly #trie: TokenTrie
  readonly #closes: Int32Array
  readonly #base: readonly Int32Array[]
  readonly #token = new IntList(4096)
  readonly #from = new IntList(256)
  readonly #parent = new IntList(256)
  /** By row (-1: none) and pending groups; members of a parent are marked. */
  readonly #parents = new Map<string, number>()
  readonly #marks = new Map<number, Uint8Array>()

  constructor(trie: TokenTrie, closes: Int32Array, base: readonly Int32Array[]) {
    this.#trie = trie
    this.#closes = closes
    this.#base = base
    this.#from.push(0)
  }

  make(ranges: TokenRanges, rowOf: (state: number) => number, pending: Int32Array): DenyTables {
    const sets = new Map<number, number>()
    const denySet = new Int32Array(pending.length)
    const token = this.#token
    for (let s = 0; s < denySet.length; s++) {
      const parent = this.#parentOf(rowOf(s), pending[s]!)
      const id = ranges.id(s)
      const key = id * 0x100000 + parent
      let set = sets.get(key)
      if (set === undefined) {
        const mark = this.#marks.get(parent)!
        const before = token.length
        ranges.eachToken(id, (x) => {
          if (mark[x] === 0) token.push(x)
        })
        set = token.length === before ? parent : this.#close(parent)
        sets.set(key, set)
      }
      denySet[s] = set
    }
    return {
      denySet,
      setParent: this.#parent.toArray(),
      setFrom: this.#from.toArray(),
      setToken: token.toArray(),
    }
  }

  #close(parent: number): number {
    sortSlice(this.#token.data, this.#from.data[this.#from.length - 1]!, this.#token.length)
    this.#from.push(this.#token.length)
    this.#parent.push(parent)
    return this.#parent.length - 1
  }

  #parentOf(row: number, pending: number): number {
    const key = `${row}|${pending}`
    const known = this.#parents.get(key)
    if (known !== undefined) return known
    const mark = new Uint8Array(this.#trie.extended)
    const base = this.#base[row]
    if (base !== undefined) for (let x = 0; x < mark.length; x++) if (base[x] === dead) mark[x] = 1
    eachFirst(this.#trie, (cls, tokens) => {
      if ((this.#closes[cls]! & pending) !== 0) for (const t of tokens) mark[t] = 1
    })
    for (let x = 0; x < mark.length; x++) if (mark[x] === 1) this.#token.push(x)
    const id = this.#close(-1)
    this.#marks.set(id, mark)
    this.#parents.set(key, id)
    return id
  }
}
