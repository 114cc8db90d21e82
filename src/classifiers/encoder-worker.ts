/**
 * The worker thread of an encoder: tokenizes, cuts windows, runs them in batches, answers.
 *
 * onnxruntime blocks the thread that runs it, which is why this is a thread of its own. Windows that
 * were seen are answered from a cache by digest; at its bound the oldest entry goes.
 */
import '../model/onnx-env.ts'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { AutoTokenizer, env } from '@xenova/transformers'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { GuardError, invariant } from '../model/errors.ts'
import type { ModelConfig } from './model-config.ts'
import { bestOf, probabilities, spansOf, type Score } from './scores.ts'
import { openSession } from './session-onnx.ts'
import { openTagger, type Tagger, type TaggerConfig } from './tagger-onnx.ts'
import type { EmojiNames } from './text.ts'
import { batchesOf, windowsOf, type TokenWord, type Window } from './windows.ts'
import { WordIds } from './word-ids.ts'

export type EncoderConfig = Extract<ModelConfig, { kind: 'sequence' | 'token' }>
export type WorkerData = { readonly path: string; readonly config: EncoderConfig | TaggerConfig }
export type WorkerRequest = { readonly id: number; readonly texts: readonly string[] }
export type WorkerAnswer =
  | { readonly kind: 'scores'; readonly scores: readonly Score[] }
  | { readonly kind: 'failed'; readonly reason: string }
export type WorkerReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'broken'; readonly reason: string }
  | {
      readonly kind: 'answers'
      readonly id: number
      readonly answers: readonly WorkerAnswer[]
      readonly windows: number
      readonly ms: number
    }

const CACHE_WINDOWS = 4096
const MAX_WINDOWS = 64
const BATCH_ROWS = 8
const NICE = 5
const BATCH_CELLS = 1024

type Job = { readonly words: readonly TokenWord[]; readonly windows: readonly Window[] }

class Encoder {
  readonly #config: EncoderConfig
  readonly #session: InferenceSession
  readonly #words: WordIds
  readonly #seen = new Map<string, Float32Array>()

  constructor(config: EncoderConfig, session: InferenceSession, words: WordIds) {
    this.#config = config
    this.#session = session
    this.#words = words
  }

  async answer(texts: readonly string[]): Promise<{ answers: WorkerAnswer[]; windows: number }> {
    const jobs = texts.map((text) => this.#job(text))
    const short = jobs.flatMap(({ windows }) => (windows.length > MAX_WINDOWS ? [] : windows))
    const values = await this.#judge(short)
    const answers = jobs.map((job): WorkerAnswer => {
      if (job.windows.length > MAX_WINDOWS) {
        const reason = `text of ${job.windows.length} windows; at most ${MAX_WINDOWS} are judged`
        return { kind: 'failed', reason }
      }
      return this.#scores(job, values)
    })
    return { answers, windows: short.length }
  }

  #job(text: string): Job {
    const words = this.#words.of(text)
    const { prefix, suffix } = this.#words
    const size = this.#config.windowTokens - prefix.length - suffix.length
    return { words, windows: windowsOf(words, size, this.#config.overlapTokens) }
  }

  /** Logits of every window, by its digest. */
  async #judge(windows: readonly Window[]): Promise<Map<Window, Float32Array>> {
    const out = new Map<Window, Float32Array>()
    const open: Window[] = []
    for (const window of windows) {
      const known = this.#seen.get(digestOf(window))
      if (known === undefined) open.push(window)
      else out.set(window, known)
    }
    for (const batch of batchesOf(open, BATCH_ROWS, BATCH_CELLS)) {
      const found = await this.#run(batch)
      for (const [i, window] of batch.entries()) {
        const logits = found[i] ?? new Float32Array(0)
        out.set(window, logits)
        if (this.#seen.size >= CACHE_WINDOWS) {
          const oldest = this.#seen.keys().next()
          if (oldest.done !== true) this.#seen.delete(oldest.value)
        }
        this.#seen.set(digestOf(window), logits)
      }
    }
    return out
  }

  async #run(batch: readonly Window[]): Promise<Float32Array[]> {
    const { prefix, suffix } = this.#words
    const rows = batch.map((w) => [...prefix, ...w.ids, ...suffix])
    const width = Math.max(...rows.map((row) => row.length))
    const ids = new BigInt64Array(rows.length * width)
    const mask = new BigInt64Array(rows.length * width)
    for (const [r, row] of rows.entries()) {
      for (const [i, id] of row.entries()) {
        ids[r * width + i] = BigInt(id)
        mask[r * width + i] = 1n
      }
    }
    const shape = [rows.length, width]
    const feeds: Record<string, Tensor> = {
      input_ids: new Tensor('int64', ids, shape),
      attention_mask: new Tensor('int64', mask, shape),
    }
    if (this.#session.inputNames.includes('token_type_ids')) {
      feeds['token_type_ids'] = new Tensor('int64', new BigInt64Array(ids.length), shape)
    }
    const output = (await this.#session.run(feeds))['logits']
    const labels = this.#config.labels.length
    const each = this.#config.kind === 'token' ? width * labels : labels
    if (!(output?.data instanceof Float32Array) || output.data.length !== rows.length * each) {
      const got = output === undefined ? 'no output named logits' : `[${output.dims.join(', ')}]`
      throw new GuardError(
        'model_invalid',
        `model.onnx: expected logits for ${labels} labels, got ${got}`,
      )
    }
    const { data } = output
    return rows.map((_, r) => data.slice(r * each, (r + 1) * each))
  }

  #scores({ words, windows }: Job, values: ReadonlyMap<Window, Float32Array>): WorkerAnswer {
    const { labels, activation, kind, sharesOdds } = this.#config
    const judged: { start: number; end: number; values: Float32Array }[] = []
    for (const window of windows) {
      const logits = values.get(window) ?? new Float32Array(0)
      const parts =
        kind === 'token' ? this.#wordLogits(words, window, logits) : [{ ...window, logits }]
      for (const { start, end, logits: own } of parts) {
        const found = probabilities(own, activation)
        if (found === undefined) return NOT_NUMBERS
        judged.push({ start, end, values: found })
      }
    }
    invariant(words.length > 0 || windows.length === 0, 'windows without words')
    const scores = kind === 'token' ? spansOf(labels, judged) : bestOf(labels, judged, sharesOdds)
    return { kind: 'scores', scores }
  }

  /** The first token of a word speaks for it, as Hugging Face's "first" aggregation does. */
  #wordLogits(
    words: readonly TokenWord[],
    window: Window,
    logits: Float32Array,
  ): { start: number; end: number; logits: Float32Array }[] {
    const count = this.#config.labels.length
    return window.ids.flatMap((_, i) => {
      if (i > 0 && window.words[i] === window.words[i - 1]) return []
      const at = (this.#words.prefix.length + i) * count
      const { start, end } = words[window.words[i] ?? 0] ?? window
      return [{ start, end, logits: logits.slice(at, at + count) }]
    })
  }
}

const digestOf = (window: Window): string =>
  createHash('sha256').update(Int32Array.from(window.ids)).digest('base64')

/** The vocabulary must be the model's: a tokenizer of another model gives numbers, all wrong. */
function checkVocabulary(path: string): void {
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as {
    vocab_size?: number
  }
  const tokenizer = JSON.parse(readFileSync(join(path, 'tokenizer.json'), 'utf8')) as {
    model?: { vocab?: object }
  }
  const wanted = config.vocab_size
  const got = Object.keys(tokenizer.model?.vocab ?? {}).length
  if (wanted !== undefined && got > 0 && (got > wanted || got < wanted * 0.9)) {
    throw new GuardError(
      'model_invalid',
      `${path}/tokenizer.json: tokenizer of another model: expected ${wanted} entries, got ${got}`,
    )
  }
}

/** A model that runs here, whichever kind it is. */
type Runner = Pick<Encoder, 'answer'>

async function load({ path, config }: WorkerData): Promise<Runner> {
  return config.kind === 'tagger'
    ? taggerRunner(await openTagger(path, config))
    : loadEncoder(path, config)
}

/** Texts are tagged one by one: a text that cannot be fails alone. */
function taggerRunner(tagger: Tagger): Runner {
  return {
    async answer(texts) {
      const answers: WorkerAnswer[] = []
      let windows = 0
      for (const text of texts) {
        try {
          const found = await tagger.tag(text)
          windows += found?.windows ?? 0
          answers.push(found === undefined ? NOT_NUMBERS : { kind: 'scores', scores: found.scores })
        } catch (error) {
          answers.push({ kind: 'failed', reason: messageOf(error) })
        }
      }
      return { answers, windows }
    },
  }
}

const NOT_NUMBERS: WorkerAnswer = { kind: 'failed', reason: 'scores are not numbers' }
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

async function loadEncoder(path: string, config: EncoderConfig): Promise<Encoder> {
  checkVocabulary(path)
  env.allowRemoteModels = false
  env.localModelPath = dirname(path)
  const tokenizer = await AutoTokenizer.from_pretrained(basename(path), { local_files_only: true })
  const session = await openSession(join(path, 'model.onnx'))
  for (const name of ['input_ids', 'attention_mask']) {
    if (!session.inputNames.includes(name)) {
      throw new GuardError('model_invalid', `${path}/model.onnx: no input named ${name}`)
    }
  }
  const names =
    config.emoji === undefined
      ? {}
      : (JSON.parse(readFileSync(join(path, config.emoji), 'utf8')) as EmojiNames)
  const words = new WordIds((text, special) => {
    return tokenizer.encode(text, { add_special_tokens: special })
  }, names)
  const encoder = new Encoder(config, session, words)
  const [probe] = (await encoder.answer(['A first window proves that inputs and outputs fit.']))
    .answers
  if (probe?.kind !== 'scores') {
    throw new GuardError('model_invalid', `${path}: ${probe?.reason ?? 'no answer'}`)
  }
  return encoder
}

/** On Linux a priority is a thread's own: where cores are short, the event loop and its steps go first. */
function standBack(): void {
  if (process.platform === 'linux') setPriority(0, Math.min(19, getPriority(0) + NICE))
}

async function serve(): Promise<void> {
  const port = parentPort
  invariant(port !== null, 'encoder-worker runs in a worker thread')
  standBack()
  const reply = (message: WorkerReply): void => port.postMessage(message)
  let encoder: Runner
  try {
    encoder = await load(workerData as WorkerData)
  } catch (error) {
    reply({ kind: 'broken', reason: GuardError.from(error, 'model_invalid').message })
    return
  }
  let tail = Promise.resolve()
  port.on('message', (message: WorkerRequest | 'close') => {
    if (message === 'close') {
      void tail.then(() => port.close())
      return
    }
    const { id, texts } = message
    tail = tail.then(async () => {
      const begin = performance.now()
      try {
        const { answers, windows } = await encoder.answer(texts)
        reply({ kind: 'answers', id, answers, windows, ms: performance.now() - begin })
      } catch (error) {
        const reason = messageOf(error)
        const answers = texts.map((): WorkerAnswer => ({ kind: 'failed', reason }))
        reply({ kind: 'answers', id, answers, windows: 0, ms: performance.now() - begin })
      }
    })
  })
  reply({ kind: 'ready' })
}

if (parentPort !== null) await serve()
