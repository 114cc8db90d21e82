/**
 * Growing arrays and a map from pairs of small integers to an integer, on typed arrays.
 *
 * The compiler's inner loops use nothing else: no string keys, no objects per entry.
 */

/** An Int32Array that grows by doubling. Read `data` only below `length`. */
export class IntList {
  data: Int32Array
  length = 0

  constructor(capacity = 16) {
    this.data = new Int32Array(capacity)
  }

  push(value: number): void {
    if (this.length === this.data.length) {
      const grown = new Int32Array(this.data.length * 2)
      grown.set(this.data)
      this.data = grown
    }
    this.data[this.length++] = value
  }

  toArray(): Int32Array {
    return this.data.slice(0, this.length)
  }
}

/** Mixes two integers into a table index; the constants are those of Murmur3's finaliser. */
function mix(a: number, b: number): number {
  let h = Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  return h ^ (h >>> 13)
}

export type PairMapData = {
  readonly keyA: Int32Array
  readonly keyB: Int32Array
  readonly value: Int32Array
  readonly size: number
}

/** Open addressing; keys are pairs of integers, the first not negative. */
export class PairMap {
  #keyA: Int32Array
  #keyB: Int32Array
  #value: Int32Array
  #size = 0
  #mask: number

  constructor(capacity = 64) {
    let size = 16
    while (size < capacity * 2) size *= 2
    this.#mask = size - 1
    this.#keyA = new Int32Array(size).fill(-1)
    this.#keyB = new Int32Array(size)
    this.#value = new Int32Array(size)
  }

  get size(): number {
    return this.#size
  }

  /** The tables themselves, for another thread; `fromData` makes the same map of them. */
  toData(): PairMapData {
    return { keyA: this.#keyA, keyB: this.#keyB, value: this.#value, size: this.#size }
  }

  static fromData({ keyA, keyB, value, size }: PairMapData): PairMap {
    const map = new PairMap(0)
    map.#keyA = keyA
    map.#keyB = keyB
    map.#value = value
    map.#size = size
    map.#mask = keyA.length - 1
    return map
  }

  /** The value, or -1. */
  get(a: number, b: number): number {
    let i = mix(a, b) & this.#mask
    for (;;) {
      const key = this.#keyA[i]!
      if (key === -1) return -1
      if (key === a && this.#keyB[i] === b) return this.#value[i]!
      i = (i + 1) & this.#mask
    }
  }

  /** Adds a pair that is not there yet. */
  add(a: number, b: number, value: number): void {
    if (this.#size * 2 > this.#mask) this.#grow()
    let i = mix(a, b) & this.#mask
    while (this.#keyA[i] !== -1) i = (i + 1) & this.#mask
    this.#keyA[i] = a
    this.#keyB[i] = b
    this.#value[i] = value
    this.#size++
  }

  #grow(): void {
    const oldA = this.#keyA
    const oldB = this.#keyB
    const oldValue = this.#value
    const size = oldA.length * 2
    this.#mask = size - 1
    this.#keyA = new Int32Array(size).fill(-1)
    this.#keyB = new Int32Array(size)
    this.#value = new Int32Array(size)
    this.#size = 0
    for (let i = 0; i < oldA.length; i++) {
      if (oldA[i] !== -1) this.add(oldA[i]!, oldB[i]!, oldValue[i]!)
    }
  }
}

/** Gives equal integer sequences the same id, in order of first sight. */
export class SequenceTable {
  readonly #data = new IntList(256)
  readonly #start = new IntList(64)
  #table = new Int32Array(128).fill(-1)

  constructor() {
    this.#start.push(0)
  }

  get count(): number {
    return this.#start.length - 1
  }

  from(id: number): number {
    return this.#start.data[id]!
  }

  to(id: number): number {
    return this.#start.data[id + 1]!
  }

  /** Backing store; changes when the table grows, so read it anew after `intern`. */
  get data(): Int32Array {
    return this.#data.data
  }

  intern(values: Int32Array, length: number): number {
    let i = this.#hash(values, 0, length) & (this.#table.length - 1)
    for (;;) {
      const id = this.#table[i]!
      if (id === -1) break
      if (this.#equals(id, values, length)) return id
      i = (i + 1) & (this.#table.length - 1)
    }
    const id = this.count
    for (let k = 0; k < length; k++) this.#data.push(values[k]!)
    this.#start.push(this.#data.length)
    this.#table[i] = id
    if (this.count * 2 > this.#table.length) this.#grow()
    return id
  }

  #equals(id: number, values: Int32Array, length: number): boolean {
    const from = this.#start.data[id]!
    if (this.#start.data[id + 1]! - from !== length) return false
    for (let k = 0; k < length; k++) if (this.#data.data[from + k] !== values[k]) return false
    return true
  }

  #hash(values: Int32Array, from: number, to: number): number {
    let h = to - from
    for (let k = from; k < to; k++) h = mix(h, values[k]!)
    return h
  }

  #grow(): void {
    const table = new Int32Array(this.#table.length * 2).fill(-1)
    for (let id = 0; id < this.count; id++) {
      let i = this.#hash(this.#data.data, this.from(id), this.to(id)) & (table.length - 1)
      while (table[i] !== -1) i = (i + 1) & (table.length - 1)
      table[i] = id
    }
    this.#table = table
  }
}
