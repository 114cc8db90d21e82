/**
 * A tagger over units: hashed byte n-grams in, one label a unit out; names and addresses come from it.
 * It needs no tokenizer. Windows overlap, and a unit is judged in the window that shows most around it.
 */
import '../model/onnx-env.ts'
import { join } from 'node:path'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { GuardError } from '../model/errors.ts'
import type { ModelConfig } from './model-config.ts'
import { probabilities, type Score } from './scores.ts'
import { openSession } from './session-onnx.ts'
import { cutUnits, SLOTS, writeFeatures } from './units.ts'

export type TaggerConfig = Extract<ModelConfig, { kind: 'tagger' }>

/** A unit's place in the text, without the white space before it. UTF-16, end exclusive. */
type Place = { readonly start: number; readonly end: number }

export type Tagged = { readonly scores: readonly Score[]; readonly windows: number }

const MAX_WINDOWS = 64
const NONE = 'O'

export class Tagger {
  readonly #config: TaggerConfig
  readonly #session: InferenceSession

  constructor(config: TaggerConfig, session: InferenceSession) {
    this.#config = config
    this.#session = session
  }

  /** Every span of a label; undefined when a score is not a number. Too long a text is an error. */
  async tag(text: string): Promise<Tagged | undefined> {
    const units = cutUnits(new TextEncoder().encode(text))
    const { windowUnits, overlapUnits, labels } = this.#config
    const stride = windowUnits - overlapUnits
    const windows = Math.max(1, Math.ceil((units.length - overlapUnits) / stride))
    if (windows > MAX_WINDOWS) {
      const reason = `text of ${windows} windows; at most ${MAX_WINDOWS} are judged`
      throw new GuardError('request_invalid', reason)
    }
    const values: Float32Array[] = []
    for (let from = 0; values.length < units.length; from += stride) {
      const part = units.slice(from, from + windowUnits)
      const logits = await this.#run(part)
      for (let i = values.length - from; i < part.length; i++) {
        const own = logits.slice(i * labels.length, (i + 1) * labels.length)
        const found = probabilities(own, 'softmax')
        if (found === undefined) return undefined
        values.push(found)
      }
      // The last half of the overlap is judged again by the next window, which sees what follows.
      if (from + part.length < units.length) values.length -= Math.floor(overlapUnits / 2)
    }
    return { scores: spans(labels, values, placesOf(text, units)), windows }
  }

  async #run(units: readonly Uint8Array[]): Promise<Float32Array> {
    const features = new Int32Array(units.length * SLOTS)
    for (const [i, unit] of units.entries()) writeFeatures(unit, unit.length, features, i * SLOTS)
    const input = new Tensor('int32', features, [units.length, SLOTS])
    const output = (await this.#session.run({ features: input }))['logits']
    const wanted = units.length * this.#config.labels.length
    if (!(output?.data instanceof Float32Array) || output.data.length !== wanted) {
      const got = output === undefined ? 'no output named logits' : `[${output.dims.join(', ')}]`
      throw new GuardError(
        'model_invalid',
        `model.onnx: expected logits for ${this.#config.labels.length} labels, got ${got}`,
      )
    }
    return output.data
  }
}

const decoder = new TextDecoder()

/** Units are bytes and may be cut inside a character: such a character belongs to the later unit. */
function placesOf(text: string, units: readonly Uint8Array[]): Place[] {
  const ends = new Map<number, number>()
  let bytes = 0
  let at = 0
  for (const c of text) {
    const code = c.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    at += c.length
    ends.set(bytes, at)
  }
  let done = 0
  let start = 0
  return units.map((unit) => {
    done += unit.length
    const end = ends.get(done) ?? start
    const space = decoder.decode(unit).search(/\S|$/u)
    const place = { start: Math.min(end, start + space), end }
    start = end
    return place
  })
}

/** Neighbouring units with the same best label are one span; its score is their mean. */
function spans(
  labels: readonly string[],
  values: readonly Float32Array[],
  places: readonly Place[],
): Score[] {
  const found: Score[] = []
  for (let i = 0; i < values.length;) {
    const best = bestIn(values[i])
    let end = i
    let sum = 0
    while (end < values.length && bestIn(values[end]) === best) sum += values[end++]?.[best] ?? 0
    const label = labels[best] ?? NONE
    const [first, last] = [places[i], places[end - 1]]
    if (label !== NONE && first !== undefined && last !== undefined && last.end > first.start) {
      found.push({ label, probability: sum / (end - i), start: first.start, end: last.end })
    }
    i = end
  }
  return found
}

const bestIn = (values: Float32Array | undefined): number =>
  values === undefined ? -1 : values.indexOf(Math.max(...values))

/** Opens the model in `path` and proves on one text that inputs, outputs and labels fit. */
export async function openTagger(path: string, config: TaggerConfig): Promise<Tagger> {
  const session = await openSession(join(path, 'model.onnx'))
  if (!session.inputNames.includes('features')) {
    throw new GuardError('model_invalid', `${path}/model.onnx: no input named features`)
  }
  const tagger = new Tagger(config, session)
  if ((await tagger.tag('A first text proves that inputs and outputs fit.')) === undefined) {
    throw new GuardError('model_invalid', `${path}/model.onnx: scores are not numbers`)
  }
  return tagger
}
