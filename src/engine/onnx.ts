/**
 * The network itself: one onnxruntime session, fed with tokens and the cache's memory. The graph
 * (training/demo-lm/graph.py) writes the new keys and values into the same memory that it read.
 */
import '../model/onnx-env.ts'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { GuardError, invariant } from '../model/errors.ts'
import { Cache } from './cache.ts'
import type { ModelFolder } from './model-file.ts'

/** A long prompt is read in pieces of this many tokens, so that other rows go on in between. */
export const PREFILL_TOKENS = 256

export class Network {
  readonly cache: Cache
  readonly #session: InferenceSession
  readonly #folder: ModelFolder

  static async open(folder: ModelFolder, rows: number, threads: number): Promise<Network> {
    try {
      const session = await InferenceSession.create(folder.graph, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      })
      return new Network(session, folder, rows)
    } catch (error) {
      const reason = GuardError.from(error, 'model_invalid').message
      throw new GuardError('model_invalid', `${folder.graph}: cannot be loaded: ${reason}`)
    }
  }

  constructor(session: InferenceSession, folder: ModelFolder, rows: number) {
    this.#session = session
    this.#folder = folder
    this.cache = new Cache({ ...folder.shape, rows })
  }

  /** Reads tokens into one row; gives the logits after the last of them. */
  async prefill(row: number, tokens: readonly number[]): Promise<Float32Array> {
    const length = (this.cache.lengths[row] ?? 0) + tokens.length
    this.cache.reserve(length)
    const logits = await this.#run(row, 1, tokens, [length])
    this.cache.lengths[row] = length
    return logits
  }

  /** One token for each of the first rows; gives their logits, one behind the other. */
  async decode(tokens: readonly number[]): Promise<Float32Array> {
    const lengths = tokens.map((_, row) => (this.cache.lengths[row] ?? 0) + 1)
    this.cache.reserve(Math.max(...lengths))
    const logits = await this.#run(0, tokens.length, tokens, lengths)
    for (const [row, length] of lengths.entries()) this.cache.lengths[row] = length
    return logits
  }

  async #run(
    first: number,
    rows: number,
    tokens: readonly number[],
    lengths: readonly number[],
  ): Promise<Float32Array> {
    const { kvHeads, headDim } = this.#folder.shape
    const ids = BigInt64Array.from(tokens, BigInt)
    const ends = Int32Array.from(lengths, (length) => length - 1)
    const feeds: Record<string, Tensor> = {
      input_ids: new Tensor('int64', ids, [rows, tokens.length / rows]),
      seqlens_k: new Tensor('int32', ends, [rows]),
      total_sequence_length: new Tensor('int32', Int32Array.of(Math.max(...lengths)), []),
    }
    const fetches: Record<string, Tensor | null> = { logits: null }
    const size = this.cache.rowSize
    const dims = [rows, kvHeads, this.cache.slots, headDim]
    for (const [i, block] of this.cache.blocks.entries()) {
      const name = `${i % 2 === 0 ? 'key' : 'value'}_${i >> 1}`
      const part = block.subarray(first * size, (first + rows) * size)
      const tensor = new Tensor('float32', part, dims)
      feeds[`past_${name}`] = tensor
      fetches[`present_${name}`] = tensor
    }
    const logits = (await this.#session.run(feeds, fetches))['logits']?.data
    invariant(logits instanceof Float32Array, 'the graph gives no logits')
    return logits
  }
}
