/**
 * The streaming scorer over onnxruntime: one batched run for all rows of a step.
 *
 * A row owns two states: before its open unit and after it. New bytes that continue the unit run it
 * again from the first; a closed unit makes the second the first. So the score of a text does not
 * depend on where tokens were cut. `run` blocks the event loop for as long as it takes, which this
 * model is small enough for; the encoder is not (encoder-hub.ts).
 */
import '../model/onnx-env.ts'
import { join } from 'node:path'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { GuardError, invariant } from '../model/errors.ts'
import type { StreamScorer } from '../model/verdict.ts'
import type { ModelFolder } from './models-file.ts'
import { openSession } from './session-onnx.ts'
import { clearUnit, endsUnit, MAX_UNIT, openUnit, pushByte, SLOTS, writeFeatures } from './units.ts'
import type { OpenUnit } from './units.ts'

type Row = {
  readonly before: Float32Array
  readonly after: Float32Array
  readonly last: Float32Array
  readonly unit: OpenUnit
  /** `after` includes every byte of the open unit. */
  fresh: boolean
}

/** One row's share of a step: which bytes are still to be read. */
type Job = { readonly row: Row; readonly bytes: Uint8Array; at: number; readonly out: number }

type Shape = { readonly state: number; readonly labels: number; readonly start: Float32Array }

class OnnxStreamScorer implements StreamScorer {
  readonly labels: readonly string[]
  readonly digest: string
  readonly #session: InferenceSession
  readonly #shape: Shape
  readonly #rows: (Row | undefined)[] = []
  readonly #free: number[] = []
  #tail: Promise<unknown> = Promise.resolve()

  constructor(session: InferenceSession, shape: Shape, labels: readonly string[], digest: string) {
    this.#session = session
    this.#shape = shape
    this.labels = labels
    this.digest = digest
  }

  open(): number {
    const handle = this.#free.pop() ?? this.#rows.length
    const { start, labels } = this.#shape
    this.#rows[handle] = {
      before: start.slice(),
      after: start.slice(),
      last: new Float32Array(labels),
      unit: openUnit(),
      fresh: true,
    }
    return handle
  }

  close(handle: number): void {
    this.#row(handle)
    this.#rows[handle] = undefined
    this.#free.push(handle)
  }

  snapshot(handle: number): Float32Array {
    const { before, after, last, unit, fresh } = this.#row(handle)
    const tail = [unit.length, unit.kind, fresh ? 1 : 0, ...unit.bytes]
    return Float32Array.from([...before, ...after, ...last, ...tail])
  }

  restore(handle: number, state: Float32Array): void {
    const row = this.#row(handle)
    const { state: size, labels } = this.#shape
    const wanted = 2 * size + labels + 3 + MAX_UNIT
    invariant(state.length === wanted, `snapshot: expected ${wanted} numbers, got ${state.length}`)
    row.before.set(state.subarray(0, size))
    row.after.set(state.subarray(size, 2 * size))
    row.last.set(state.subarray(2 * size, 2 * size + labels))
    const [length = 0, kind = 0, fresh = 0] = state.subarray(2 * size + labels)
    row.unit.length = length
    row.unit.kind = kind
    row.fresh = fresh === 1
    row.unit.bytes.set(state.subarray(wanted - MAX_UNIT))
  }

  /** The highest probability of each label among the positions that the new bytes bring. */
  score(handles: readonly number[], bytes: readonly Uint8Array[]): Promise<Float32Array> {
    const run = this.#tail.then(() => this.#score(handles, bytes))
    // The next call waits for this one whether or not it failed; the failure goes to this caller.
    this.#tail = run.catch(() => undefined)
    return run
  }

  async #score(handles: readonly number[], bytes: readonly Uint8Array[]): Promise<Float32Array> {
    const { labels } = this.#shape
    const out = new Float32Array(handles.length * labels)
    let jobs: Job[] = []
    for (const [i, handle] of handles.entries()) {
      const row = this.#row(handle)
      const data = bytes[i] ?? new Uint8Array(0)
      if (data.length === 0) out.set(row.last, i * labels)
      else jobs.push({ row, bytes: data, at: 0, out: i * labels })
    }
    while (jobs.length > 0) {
      for (const job of jobs) readUnit(job)
      await this.#run(jobs, out)
      jobs = jobs.filter((job) => job.at < job.bytes.length)
    }
    return out
  }

  async #run(jobs: readonly Job[], out: Float32Array): Promise<void> {
    const { state: size, labels } = this.#shape
    const wide = new Int32Array(jobs.length * SLOTS)
    const states = new Float32Array(jobs.length * size)
    let width = 1
    for (const [i, { row }] of jobs.entries()) {
      width = Math.max(width, writeFeatures(row.unit.bytes, row.unit.length, wide, i * SLOTS))
      states.set(row.before, i * size)
    }
    const features = narrow(wide, jobs.length, width)
    const found = await this.#session.run({
      features: new Tensor('int32', features, [jobs.length, width]),
      state: new Tensor('float32', states, [jobs.length, size]),
    })
    const probabilities = floats(found['probabilities'], jobs.length * labels)
    const next = floats(found['next_state'], jobs.length * size)
    for (const [i, { row, out: at }] of jobs.entries()) {
      row.after.set(next.subarray(i * size, (i + 1) * size))
      row.fresh = true
      for (let k = 0; k < labels; k++) {
        const p = probabilities[i * labels + k] ?? 0
        row.last[k] = p
        // NaN fails the comparison and is passed on, so that the caller sees a failed model.
        if (!(p <= (out[at + k] ?? 0))) out[at + k] = p
      }
    }
  }

  #row(handle: number): Row {
    const row = this.#rows[handle]
    invariant(row !== undefined, `stream scorer: no open row ${handle}`)
    return row
  }
}

/** Reads bytes into the open unit until it is complete or the bytes end; commits a closed unit. */
function readUnit(job: Job): void {
  const { row, bytes } = job
  const { unit } = row
  while (job.at < bytes.length) {
    const byte = bytes[job.at] ?? 0
    if (endsUnit(unit, byte)) {
      if (!row.fresh) return
      row.before.set(row.after)
      clearUnit(unit)
    }
    pushByte(unit, byte)
    row.fresh = false
    job.at++
  }
}

/** The first `width` of every SLOTS columns: padding costs as much in the model as a feature. */
function narrow(wide: Int32Array, rows: number, width: number): Int32Array {
  const out = new Int32Array(rows * width)
  for (let i = 0; i < rows; i++) out.set(wide.subarray(i * SLOTS, i * SLOTS + width), i * width)
  return out
}

function floats(tensor: Tensor | undefined, length: number): Float32Array {
  if (tensor === undefined || !(tensor.data instanceof Float32Array)) {
    throw new GuardError('model_invalid', 'stream model: expected float outputs')
  }
  if (tensor.data.length !== length) {
    throw new GuardError(
      'model_invalid',
      `stream model: expected ${length} outputs, got ${tensor.data.length}`,
    )
  }
  return tensor.data
}

/** Loads a stream model and proves on one empty row that inputs, outputs and heads fit. */
export async function openStreamScorer(folder: ModelFolder): Promise<StreamScorer> {
  const { config } = folder
  if (config.kind !== 'stream') {
    throw new GuardError(
      'model_invalid',
      `${folder.path}: expected a stream model, got ${config.kind}`,
    )
  }
  const session = await openSession(join(folder.path, 'model.onnx'))
  for (const name of ['features', 'state']) {
    if (!session.inputNames.includes(name)) {
      throw new GuardError('model_invalid', `${folder.path}/model.onnx: no input named ${name}`)
    }
  }
  for (const name of ['probabilities', 'next_state']) {
    if (!session.outputNames.includes(name)) {
      throw new GuardError('model_invalid', `${folder.path}/model.onnx: no output named ${name}`)
    }
  }
  const shape = {
    state: config.state,
    labels: config.labels.length,
    start: Float32Array.from(config.start),
  }
  const scorer = new OnnxStreamScorer(session, shape, config.labels, folder.digest)
  await prove(scorer, folder.path)
  return scorer
}

async function prove(scorer: OnnxStreamScorer, path: string): Promise<void> {
  const handle = scorer.open()
  try {
    const probe = await scorer.score([handle], [new TextEncoder().encode(' probe')])
    if (probe.some((p) => !(p >= 0 && p <= 1))) {
      throw new GuardError('model_invalid', `${path}/model.onnx: scores are not probabilities`)
    }
  } catch (error) {
    throw GuardError.from(error, 'model_invalid')
  } finally {
    scorer.close(handle)
  }
}
