/**
 * The automaton crossed with a vocabulary: for every state, where it differs from its reference.
 *
 * A state's list structure carries over. What a token does in state (h, t) is what it does in t,
 * except along the few paths on which h lives; those are walked, everything else is taken over.
 */
import { IntList, SequenceTable } from './pair-map.ts'
import { DEAD, type States } from './states.ts'
import type { TokenTrie } from './token-trie.ts'

export type Crossing = {
  /** Rows of `base`: one per reference; DEAD where denied. */
  readonly base: readonly Int32Array[]
  /** Row of each state. */
  readonly reference: Uint8Array
  /** CSR over states; tokens sorted within a state. */
  readonly exceptionFrom: Int32Array
  readonly exceptionToken: Int32Array
  readonly exceptionNext: Int32Array
  /** Set of each state; sets with their parent (-1: none) and own tokens, sorted. */
  readonly denySet: Int32Array
  readonly setParent: Int32Array
  readonly setFrom: Int32Array
  readonly setToken: Int32Array
}

export function cross(states: States, trie: TokenTrie): Crossing {
  const crosser = new Crosser(states, trie)
  return crosser.run()
}

class Crosser {
  readonly #states: States
  readonly #trie: TokenTrie
  readonly #base: Int32Array[] = []
  /** State at each node, from each reference. */
  readonly #at: Int32Array[] = []
  readonly #token = new IntList(4096)
  readonly #next = new IntList(4096)
  readonly #from: Int32Array
  /** Denied ranges of places, beyond the reference: pairs (from, to), sorted and disjoint. */
  readonly #ranges = new SequenceTable()
  readonly #rangesOf: Int32Array
  readonly #ownToken = new IntList(256)
  readonly #ownNext = new IntList(256)
  readonly #ownRange = new IntList(256)

  constructor(states: States, trie: TokenTrie) {
    this.#states = states
    this.#trie = trie
    this.#from = new Int32Array(states.count + 1)
    this.#rangesOf = new Int32Array(states.count)
  }

  run(): Crossing {
    const { states } = { states: this.#states }
    const references =
      states.start === states.inword ? [states.start] : [states.start, states.inword]
    references.forEach((root) => this.#addReference(root))
    this.#ranges.intern(new Int32Array(0), 0)
    const reference = new Uint8Array(states.count)
    for (let s = 0; s < states.count; s++) {
      const root = states.root.data[s]!
      reference[s] = root === states.start ? 0 : references.length - 1
      this.#ownToken.length = 0
      this.#ownNext.length = 0
      this.#ownRange.length = 0
      if (states.head.data[s]! >= 0) this.#walkHead(s)
      else if (!references.includes(s)) this.#walkRoot(s, references.length - 1)
      this.#sortOwn()
      this.#merge(s)
    }
    return {
      base: this.#base,
      reference,
      exceptionFrom: this.#from,
      exceptionToken: this.#token.toArray(),
      exceptionNext: this.#next.toArray(),
      ...this.#denySets(reference),
    }
  }

  #addReference(root: number): void {
    const trie = this.#trie
    const first = this.#at[0]
    const at = new Int32Array(trie.count)
    const base = this.#base[0]?.slice() ?? new Int32Array(trie.extended).fill(DEAD)
    at[0] = root
    for (let n = 0; n < trie.count; n++) {
      if (n > 0) at[n] = this.#states.next(at[trie.parent[n]!]!, trie.cls[n]!)
      if (first !== undefined && n > 0 && at[n] === first[n]) {
        at.set(first.subarray(n, trie.end[n]), n)
        n = trie.end[n]! - 1
        continue
      }
      if (at[n] === DEAD) {
        at.fill(DEAD, n, trie.end[n])
        for (let k = trie.from[n]!; k < trie.from[trie.end[n]!]!; k++) base[trie.order[k]!] = DEAD
        n = trie.end[n]! - 1
        continue
      }
      for (let k = trie.from[n]!; k < trie.from[n + 1]!; k++) base[trie.order[k]!] = at[n]!
    }
    this.#at.push(at)
    this.#base.push(base)
  }

  #walkHead(s: number): void {
    const { edgeFrom, edgeTo, edgeClass, edgeNext } = this.#states
    const trie = this.#trie
    // Tokens that read as nothing leave the state as it is.
    if (trie.reader[0]! >= 0) this.#own(trie.reader[0]!, s)
    for (let e = edgeFrom.data[s]!; e < edgeTo.data[s]!; e++) {
      const child = trie.children.get(0, edgeClass.data[e]!)
      if (child >= 0) this.#descend(child, edgeNext.data[e]!)
    }
  }

  #descend(node: number, state: number): void {
    const trie = this.#trie
    if (state === DEAD) {
      this.#deny(node)
      return
    }
    if (trie.reader[node]! >= 0) this.#own(trie.reader[node]!, state)
    if (trie.end[node] === node + 1) return
    const { edgeFrom, edgeTo, edgeClass, edgeNext, pending, tail, closes } = this.#states
    const to = edgeTo.data[state]!
    for (let e = edgeFrom.data[state]!; e < to; e++) {
      const child = trie.children.get(node, edgeClass.data[e]!)
      if (child >= 0) this.#descend(child, edgeNext.data[e]!)
    }
    const own = pending.data[state]! & ~pending.data[tail.data[state]!]!
    if (own === 0) return
    for (let k = trie.childFrom[node]!; k < trie.childFrom[node + 1]!; k++) {
      const child = trie.childNode[k]!
      if ((closes[trie.cls[child]!]! & own) !== 0) this.#deny(child)
    }
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
      if (at[n] === DEAD) {
        this.#deny(n)
        n = trie.end[n]! - 1
        continue
      }
      if (trie.reader[n]! >= 0) this.#own(trie.reader[n]!, at[n]!)
    }
  }

  #own(token: number, next: number): void {
    this.#ownToken.push(token)
    this.#ownNext.push(next)
  }

  #deny(node: number): void {
    const from = this.#trie.from[node]!
    const to = this.#trie.from[this.#trie.end[node]!]!
    if (from === to) return
    this.#ownRange.push(from)
    this.#ownRange.push(to)
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

  #merge(s: number): void {
    const tail = this.#states.tail.data[s]!
    this.#rangesOf[s] = this.#mergeRanges(tail < 0 ? 0 : this.#rangesOf[tail]!)
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
        if (!this.#isDenied(s, theirs)) {
          this.#token.push(theirs)
          this.#next.push(next)
        }
        k++
      }
    }
    this.#from[s + 1] = this.#token.length
  }

  #isDenied(s: number, token: number): boolean {
    const place = this.#trie.place[token]!
    const id = this.#rangesOf[s]!
    const { data } = this.#ranges
    const from = this.#ranges.from(id)
    let low = from >> 1
    let high = this.#ranges.to(id) >> 1
    while (low < high) {
      const mid = (low + high) >>> 1
      if (data[mid * 2 + 1]! <= place) low = mid + 1
      else high = mid
    }
    if (low * 2 < this.#ranges.to(id) && data[low * 2]! <= place) return true
    const pending = this.#states.pending.data[s]!
    return pending !== 0 && (this.#closesFirst(token) & pending) !== 0
  }

  #firstCloses: Int32Array | undefined
  /** Groups that the first code point of a token closes. */
  #closesFirst(token: number): number {
    if (this.#firstCloses === undefined) {
      const table = new Int32Array(this.#trie.extended)
      this.#eachChildOfRoot((child, closes) => {
        const to = this.#trie.from[this.#trie.end[child]!]!
        for (let k = this.#trie.from[child]!; k < to; k++) table[this.#trie.order[k]!] = closes
      })
      this.#firstCloses = table
    }
    return this.#firstCloses[token]!
  }

  #eachChildOfRoot(visit: (child: number, closes: number) => void): void {
    const trie = this.#trie
    for (let k = trie.childFrom[0]!; k < trie.childFrom[1]!; k++) {
      const child = trie.childNode[k]!
      const closes = this.#states.closes[trie.cls[child]!]!
      if (closes !== 0) visit(child, closes)
    }
  }

  #mergeRanges(tail: number): number {
    const own = this.#ownRange
    if (own.length === 0) return tail
    const pairs: number[] = []
    for (let i = 0; i < own.length; i += 2) pairs.push(own.data[i]! * 0x200000 + own.data[i + 1]!)
    for (let i = this.#ranges.from(tail); i < this.#ranges.to(tail); i += 2) {
      pairs.push(this.#ranges.data[i]! * 0x200000 + this.#ranges.data[i + 1]!)
    }
    const sorted = Float64Array.from(pairs).sort()
    const out = new Int32Array(sorted.length * 2)
    let length = 0
    for (const pair of sorted) {
      const from = Math.floor(pair / 0x200000)
      const to = pair - from * 0x200000
      if (length > 0 && from <= out[length - 1]!) out[length - 1] = Math.max(out[length - 1]!, to)
      else {
        out[length++] = from
        out[length++] = to
      }
    }
    return this.#ranges.intern(out, length)
  }

  #eachToken(ranges: number, visit: (token: number) => void): void {
    const { data } = this.#ranges
    for (let i = this.#ranges.from(ranges); i < this.#ranges.to(ranges); i += 2) {
      for (let k = data[i]!; k < data[i + 1]!; k++) visit(this.#trie.order[k]!)
    }
  }

  #denySets(
    reference: Uint8Array,
  ): Pick<Crossing, 'denySet' | 'setParent' | 'setFrom' | 'setToken'> {
    const trie = this.#trie
    const states = this.#states
    const token = new IntList(4096)
    const from = new IntList(256)
    const parent = new IntList(256)
    from.push(0)
    const close = (parentId: number): number => {
      token.data.subarray(from.data[from.length - 1]!, token.length).sort()
      from.push(token.length)
      parent.push(parentId)
      return parent.length - 1
    }
    const marks: Uint8Array[] = []
    const parents = new Map<string, number>()
    const parentOf = (ref: number, pending: number): number => {
      const key = `${ref}|${pending}`
      const known = parents.get(key)
      if (known !== undefined) return known
      const mark = new Uint8Array(trie.extended)
      const base = this.#base[ref]!
      for (let x = 0; x < mark.length; x++) if (base[x] === DEAD) mark[x] = 1
      this.#eachChildOfRoot((child, closes) => {
        if ((closes & pending) === 0) return
        for (let k = trie.from[child]!; k < trie.from[trie.end[child]!]!; k++)
          mark[trie.order[k]!] = 1
      })
      for (let x = 0; x < mark.length; x++) if (mark[x] === 1) token.push(x)
      const id = close(-1)
      marks[id] = mark
      parents.set(key, id)
      return id
    }
    const sets = new Map<number, number>()
    const denySet = new Int32Array(states.count)
    for (let s = 0; s < states.count; s++) {
      const parentId = parentOf(reference[s]!, states.pending.data[s]!)
      const ranges = this.#rangesOf[s]!
      const key = ranges * 0x100000 + parentId
      let id = sets.get(key)
      if (id === undefined) {
        const mark = marks[parentId]!
        const before = token.length
        this.#eachToken(ranges, (x) => {
          if (mark[x] === 0) token.push(x)
        })
        id = token.length === before ? parentId : close(parentId)
        sets.set(key, id)
      }
      denySet[s] = id
    }
    return {
      denySet,
      setParent: parent.toArray(),
      setFrom: from.toArray(),
      setToken: token.toArray(),
    }
  }
}
