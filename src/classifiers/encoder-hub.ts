/**
 * The encoder as the rest sees it: a TextClassifier over worker threads, with a bounded queue,
 * priorities, deadlines and batches of several requests.
 *
 * Never rejects and never waits past a deadline: what is not answered in time is `late`, what a
 * worker could not judge is `failed`, and the rule's `on_failure` decides what that means.
 */
import '../model/onnx-env.ts'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { GuardError } from '../model/errors.ts'
import type { ClassifyResult, TextClassifier, Verdict } from '../model/verdict.ts'
import type { WorkerAnswer, WorkerData, WorkerReply } from './encoder-worker.ts'
import type { ModelFolder } from './models-file.ts'
import { PriorityQueue, type Priority } from './queue.ts'
import { BudgetGate, type OverBudget } from './registry.ts'

export type EncoderOptions = {
  /** Name in verdicts. */
  readonly name: string
  readonly workers?: number
  /** Texts that may wait; past it the newest of the lowest priority fails. */
  readonly queueBound?: number
  /** Texts that one worker takes at a time. */
  readonly batchTexts?: number
  /** What being past the tier's budget means; `report` unless given. */
  readonly overBudget?: OverBudget
}

export type EncoderStats = {
  readonly queued: number
  readonly answered: number
  readonly late: number
  readonly failed: number
  /** Milliseconds per window, 95th percentile over the last runs. */
  readonly windowMsP95: number
  /** The tier's budget is exceeded; what that means is `EncoderOptions.overBudget`. */
  readonly overBudget: boolean
  /** Requests that were late because of it. */
  readonly refused: number
}

export type Encoder = TextClassifier & {
  readonly labels: readonly string[]
  readonly digest: string
  stats(): EncoderStats
  close(): Promise<void>
}

type Job = {
  readonly text: string
  readonly settle: (result: ClassifyResult) => void
  settled: boolean
}
type Seat = { readonly worker: Worker; jobs: readonly Job[]; dead: boolean }

const READY_MS = 60_000

class EncoderHub implements Encoder {
  readonly labels: readonly string[]
  readonly digest: string
  readonly #folder: ModelFolder
  readonly #name: string
  readonly #queue: PriorityQueue<Job>
  readonly #batchTexts: number
  readonly #seats: Seat[] = []
  readonly #gate: BudgetGate
  #answered = 0
  #late = 0
  #failed = 0

  constructor(folder: ModelFolder, options: EncoderOptions) {
    this.labels = folder.config.labels
    this.digest = folder.digest
    this.#folder = folder
    this.#name = options.name
    this.#gate = new BudgetGate('B', options.overBudget ?? 'report')
    this.#queue = new PriorityQueue(options.queueBound ?? 512)
    this.#batchTexts = options.batchTexts ?? 8
  }

  async start(workers: number): Promise<void> {
    for (let i = 0; i < workers; i++) this.#seats.push(await this.#seat())
  }

  classify(
    text: string,
    options: { readonly priority: Priority; readonly deadlineMs: number },
  ): Promise<ClassifyResult> {
    return new Promise((resolve) => {
      const job: Job = {
        text,
        settled: false,
        settle: (result) => {
          if (job.settled) return
          job.settled = true
          clearTimeout(timer)
          if (result.kind === 'verdicts') this.#answered++
          else if (result.kind === 'late') this.#late++
          else this.#failed++
          resolve(result)
        },
      }
      const timer = setTimeout(() => {
        this.#queue.remove(job)
        job.settle({ kind: 'late' })
      }, options.deadlineMs)
      if (!this.#gate.admits()) {
        job.settle({ kind: 'late' })
        return
      }
      if (this.#seats.every((seat) => seat.dead)) {
        job.settle({ kind: 'failed', reason: 'no worker is left' })
        return
      }
      const dropped = this.#queue.push(job, options.priority)
      dropped?.settle({ kind: 'failed', reason: 'the queue is full' })
      this.#dispatch()
    })
  }

  stats(): EncoderStats {
    return {
      queued: this.#queue.size,
      answered: this.#answered,
      late: this.#late,
      failed: this.#failed,
      windowMsP95: this.#gate.meter.p95,
      overBudget: this.#gate.meter.over,
      refused: this.#gate.refused,
    }
  }

  async close(): Promise<void> {
    for (const seat of this.#seats) seat.dead = true
    // A worker is never killed inside a run: onnxruntime would take the whole process with it.
    await Promise.all(this.#seats.map((seat) => ended(seat.worker)))
    for (const job of this.#queue.take(Number.MAX_SAFE_INTEGER)) {
      job.settle({ kind: 'failed', reason: 'closed' })
    }
  }

  #dispatch(): void {
    for (const seat of this.#seats) {
      if (seat.dead || seat.jobs.length > 0) continue
      const jobs = this.#queue.take(this.#batchTexts)
      if (jobs.length === 0) return
      seat.jobs = jobs
      seat.worker.postMessage({ id: 0, texts: jobs.map((job) => job.text) }, [])
    }
  }

  async #seat(): Promise<Seat> {
    const data: WorkerData = {
      path: this.#folder.path,
      config: this.#folder.config as WorkerData['config'],
    }
    const worker = startWorker(data)
    const seat: Seat = { worker, jobs: [], dead: false }
    await ready(worker, this.#folder.path)
    worker.on('message', (reply: WorkerReply) => this.#take(seat, reply))
    worker.on('error', (error) => this.#lose(seat, error.message))
    worker.on('exit', () => this.#lose(seat, 'the worker ended'))
    worker.unref()
    return seat
  }

  #take(seat: Seat, reply: WorkerReply): void {
    if (reply.kind !== 'answers') return
    const { jobs } = seat
    seat.jobs = []
    if (reply.windows > 0) this.#gate.meter.record(reply.ms / reply.windows)
    for (const [i, job] of jobs.entries()) job.settle(this.#result(reply.answers[i]))
    this.#dispatch()
  }

  /** A worker that died fails its texts; the others go on. */
  #lose(seat: Seat, reason: string): void {
    if (seat.dead) return
    seat.dead = true
    for (const job of seat.jobs) job.settle({ kind: 'failed', reason })
    seat.jobs = []
    if (this.#seats.some((other) => !other.dead)) return
    for (const job of this.#queue.take(Number.MAX_SAFE_INTEGER)) {
      job.settle({ kind: 'failed', reason })
    }
  }

  #result(answer: WorkerAnswer | undefined): ClassifyResult {
    if (answer === undefined) return { kind: 'failed', reason: 'no answer' }
    if (answer.kind === 'failed') return answer
    const heads = this.#folder.calibration?.heads
    const verdicts = answer.scores.map(({ label, probability, start, end }): Verdict => {
      const head = heads?.[label]
      const base = { model: this.#name, label, probability, digest: this.digest }
      const span = [start, end] as const
      if (head === undefined) return { ...base, span }
      return { ...base, span, threshold: head.threshold, thresholdSource: head.source }
    })
    return { kind: 'verdicts', verdicts }
  }
}

/** Under tsx and vitest the worker is TypeScript and needs the same loader; built, it is not. */
function startWorker(data: WorkerData): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./encoder-worker.js', import.meta.url), { workerData: data })
  }
  const target = new URL('./encoder-worker.ts', import.meta.url).href
  const loader = createRequire(import.meta.url)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs')
  const code = `import { register } from ${JSON.stringify(pathToFileURL(loader).href)}; register(); await import(${JSON.stringify(target)})`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: data,
  })
}

function ready(worker: Worker, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer)
      worker.postMessage('close', [])
      reject(new GuardError('model_invalid', reason))
    }
    const timer = setTimeout(() => fail(`${path}: not ready after ${READY_MS} ms`), READY_MS)
    worker.once('error', (error) => fail(`${path}: ${error.message}`))
    worker.once('message', (reply: WorkerReply) => {
      if (reply.kind !== 'ready') {
        fail(reply.kind === 'broken' ? reply.reason : `${path}: spoke before it was ready`)
        return
      }
      clearTimeout(timer)
      worker.removeAllListeners('error')
      resolve()
    })
  })
}

function ended(worker: Worker): Promise<void> {
  // One that ended by itself says so no second time.
  if (worker.threadId < 0) return Promise.resolve()
  return new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.ref()
    worker.postMessage('close', [])
  })
}

/** Starts the workers; rejects with `model_invalid` when the folder cannot be served. */
export async function openEncoder(folder: ModelFolder, options: EncoderOptions): Promise<Encoder> {
  if (folder.config.kind === 'stream') {
    throw new GuardError('model_invalid', `${folder.path}: expected an encoder, got a stream model`)
  }
  const hub = new EncoderHub(folder, options)
  await hub.start(options.workers ?? 1)
  return hub
}
