/**
 * The key-value cache: for each layer and side one block of memory [rows, heads, slots, dim]. Live
 * rows are always the first ones, so that a batch is a prefix of the block and nothing is gathered.
 *
 * onnxruntime-node copies every input of a run, so the price of a step is the size of the block and
 * not what is used of it: blocks are as short as the longest row needs, in steps of 256 slots.
 */
import { invariant } from '../model/errors.ts'

const STEP = 256

export type CacheShape = {
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  /** Rows at most; past it `open` must not be called. */
  readonly rows: number
  readonly contextLength: number
}

export class Cache {
  readonly #shape: CacheShape
  /** Tokens held by each live row. */
  readonly lengths: number[] = []
  /** Two blocks a layer: keys, values. */
  blocks: Float32Array[]
  slots = STEP

  constructor(shape: CacheShape) {
    this.#shape = shape
    this.blocks = this.#allocate(STEP)
  }

  #allocate(slots: number): Float32Array[] {
    const { layers, rows, kvHeads, headDim } = this.#shape
    const size = rows * kvHeads * slots * headDim
    return Array.from({ length: 2 * layers }, () => new Float32Array(size))
  }

  /** Floats of one row in a block. */
  get rowSize(): number {
    return this.#shape.kvHeads * this.slots * this.#shape.headDim
  }

  /** A new empty row, behind all others. */
  open(): number {
    invariant(this.lengths.length < this.#shape.rows, 'a cache row is opened past the bound')
    return this.lengths.push(0) - 1
  }

  /** The last row takes the closed one's place; gives the row that moved, if one did. */
  close(row: number): number | undefined {
    const last = this.lengths.length - 1
    invariant(row >= 0 && row <= last, `cache row ${row} is closed but is not open`)
    const length = this.lengths.pop() ?? 0
    if (row === last) {
      if (last === 0) this.#shrink()
      return undefined
    }
    this.lengths[row] = length
    const size = this.rowSize
    for (const block of this.blocks) block.copyWithin(row * size, last * size, (last + 1) * size)
    return last
  }

  /** Makes room for rows of `tokens` tokens. */
  reserve(tokens: number): void {
    const wanted = Math.min(this.#shape.contextLength, Math.ceil(tokens / STEP) * STEP)
    if (wanted <= this.slots) return
    const old = { blocks: this.blocks, slots: this.slots }
    this.blocks = this.#allocate(wanted)
    this.slots = wanted
    const { kvHeads, headDim } = this.#shape
    for (const [i, block] of this.blocks.entries()) {
      for (const [row, length] of this.lengths.entries()) {
        for (let head = 0; head < kvHeads; head++) {
          const from = (row * kvHeads + head) * old.slots * headDim
          const part = old.blocks[i]?.subarray(from, from + length * headDim)
          block.set(part ?? [], (row * kvHeads + head) * wanted * headDim)
        }
      }
    }
  }

  /** An idle engine goes back to short blocks. */
  #shrink(): void {
    if (this.slots === STEP) return
    this.slots = STEP
    this.blocks = this.#allocate(STEP)
  }
}
