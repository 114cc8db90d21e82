/** Sorting of many short lists of ids: the built-in sort costs more to call than most take to sort. */

const FEW = 32
const MANY = 256
const BITS = 11
const BUCKETS = 1 << BITS
const counts = new Int32Array(BUCKETS * 2)
let spare = new Int32Array(1024)

/** Sorts `data[from .. to]`, numbers from 0 to 2^22 - 1, in place. */
export function sortSlice(data: Int32Array, from: number, to: number): void {
  if (to - from <= FEW) insertionSort(data, from, to)
  else if (to - from < MANY) data.subarray(from, to).sort()
  else radixSort(data, from, to)
}

function insertionSort(data: Int32Array, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const value = data[i]!
    let k = i - 1
    for (; k >= from && data[k]! > value; k--) data[k + 1] = data[k]!
    data[k + 1] = value
  }
}

function radixSort(data: Int32Array, from: number, to: number): void {
  const [count, low, high] = [counts, BITS, BUCKETS]
  const size = to - from
  if (spare.length < size) spare = new Int32Array(size * 2)
  const between = spare
  count.fill(0)
  for (let i = from; i < to; i++) {
    const value = data[i]!
    count[value & (high - 1)]!++
    count[high + (value >> low)]!++
  }
  for (let b = 0, first = 0, second = 0; b < high; b++) {
    const [lows, highs] = [count[b]!, count[high + b]!]
    count[b] = first
    count[high + b] = second
    first += lows
    second += highs
  }
  for (let i = from; i < to; i++) between[count[data[i]! & (high - 1)]!++] = data[i]!
  for (let i = 0; i < size; i++) {
    const value = between[i]!
    data[from + count[high + (value >> low)]!++] = value
  }
}
