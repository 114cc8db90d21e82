/**
 * Classifiers: what a step costs, what a window costs, and what scoring does to the event loop.
 *
 * Run: npm run bench:score [-- --json] [-- --record] [-- --seconds 10]. Texts are made from a fixed
 * word list with a counter, so no window is ever answered from the cache. The load part plays 64
 * streams at 20 tokens a second, every token scored in the step, a window to the encoder every 10.
 */
import { existsSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { quantile } from '../../src/classifiers/calibration.ts'
import { openEncoder, type Encoder } from '../../src/classifiers/encoder-hub.ts'
import { loadModelFolder } from '../../src/classifiers/models-file.ts'
import { auc, type Sample } from '../../src/classifiers/metrics.ts'
import { openStreamScorer } from '../../src/classifiers/stream-onnx.ts'
import type { StreamScorer } from '../../src/model/verdict.ts'
import { dataFolder, readData } from './data-folder.ts'
import { report } from './report.ts'
import { STEPS, stepTime } from './step-time.ts'

const MODELS = resolve(import.meta.dirname, '../../models')
const WORDS =
  'the bank sends a letter about your account because the balance was low last month and fees apply when payments are late so please check the details with care before you call us again'.split(
    ' ',
  )
const seconds = Number(process.argv[process.argv.indexOf('--seconds') + 1] ?? 10) || 10
const encode = new TextEncoder()
let counter = 0
const word = (): string => ` ${WORDS[(counter * 7 + (counter++ % 13)) % WORDS.length] ?? ''}`
const round = (x: number): number => Number(x.toFixed(2))

/** Windows of 126 one-token words and two marks: 128 tokens exactly. */
async function encoderTime(encoder: Encoder): Promise<{ p50: number; p95: number; p99: number }> {
  const times: number[] = []
  for (let i = 0; i < 220; i++) {
    const text = Array.from({ length: 126 }, word).join('').trim()
    const begin = performance.now()
    await encoder.classify(text, { priority: 'prompt', deadlineMs: 10_000 })
    if (i >= 20) times.push(performance.now() - begin)
  }
  const sorted = times.toSorted((a, b) => a - b)
  return {
    p50: round(quantile(sorted, 0.5)),
    p95: round(quantile(sorted, 0.95)),
    p99: round(quantile(sorted, 0.99)),
  }
}

/** CPU time of the main thread, ms (Linux, proc_pid_schedstat: nanoseconds on a processor). */
const threadMs = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6

/**
 * What the main thread computes between two ticks of 1 ms, ascending: nothing can block its loop for
 * longer. A clock would also count what other processes of a busy machine take.
 */
function watchTurns(): { readonly end: () => number[] } {
  const found: number[] = []
  let last = threadMs()
  const timer = setInterval(() => {
    const now = threadMs()
    found.push(now - last)
    last = now
  }, 1)
  return {
    end: () => {
      clearInterval(timer)
      return found.toSorted((a, b) => a - b)
    },
  }
}

async function load(scorer: StreamScorer, encoder: Encoder): Promise<Record<string, number>> {
  const rows = 64
  const handles = Array.from({ length: rows }, () => scorer.open())
  const texts = handles.map(() => '')
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const busy = watchTurns()
  const before = encoder.stats()
  const pending: Promise<unknown>[] = []
  let queueMax = 0
  delay.enable()
  const begin = performance.now()
  for (let step = 0; performance.now() - begin < seconds * 1000; step++) {
    const next = handles.map(word)
    await scorer.score(
      handles,
      next.map((w) => encode.encode(w)),
    )
    for (const [i, w] of next.entries()) {
      texts[i] = (texts[i] + w).slice(-240)
      // Streams are spread over the ten tokens, as real ones are.
      if ((step + i) % 10 === 0) {
        pending.push(encoder.classify(texts[i] ?? '', { priority: 'stream', deadlineMs: 2000 }))
      }
    }
    queueMax = Math.max(queueMax, encoder.stats().queued)
    const wait = (step + 1) * 50 - (performance.now() - begin)
    if (wait > 0) await new Promise((go) => setTimeout(go, wait))
  }
  delay.disable()
  const block = busy.end()
  const queueEnd = encoder.stats().queued
  await Promise.all(pending)
  for (const handle of handles) scorer.close(handle)
  const after = encoder.stats()
  return {
    loop_block_ms_max: round(quantile(block, 1)),
    loop_block_ms_p99: round(quantile(block, 0.99)),
    loop_delay_ms_max: round(delay.max / 1e6 - 1),
    loop_delay_ms_p99: round(delay.percentile(99) / 1e6 - 1),
    load_windows: pending.length,
    load_late: after.late - before.late,
    load_failed: after.failed - before.failed,
    load_queue_max: queueMax,
    load_queue_end: queueEnd,
  }
}

/** AUC of a labelled set read in whole words, and read in random cuts of 1 to 9 bytes. */
async function segmentation(scorer: StreamScorer): Promise<Record<string, number>> {
  const folder = dataFolder()
  if (folder === undefined) return {}
  const rows = readData(folder, 'dev/openai_guardrails_demo/demo_data.jsonl')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { data: string; expected_triggers: { Jailbreak: boolean } })
  const head = scorer.labels.indexOf('prompt_injection')
  const read = async (cut: (data: Uint8Array) => Uint8Array[]): Promise<number> => {
    const samples: Sample[] = []
    for (const row of rows) {
      const handle = scorer.open()
      let top = 0
      for (const part of cut(encode.encode(row.data.slice(0, 1500)))) {
        top = Math.max(top, (await scorer.score([handle], [part]))[head] ?? 0)
      }
      scorer.close(handle)
      samples.push({ score: top, label: row.expected_triggers.Jailbreak ? 1 : 0 })
    }
    return auc(samples) ?? 0
  }
  const sliced = (data: Uint8Array, size: () => number): Uint8Array[] => {
    const out: Uint8Array[] = []
    for (let at = 0; at < data.length;) {
      const end = at + size()
      out.push(data.subarray(at, end))
      at = end
    }
    return out
  }
  const whole = await read((data) => [data])
  const cut = await read((data) => sliced(data, () => 1 + (counter++ % 9)))
  return {
    auc_whole: Number(whole.toFixed(4)),
    auc_random_cuts: Number(cut.toFixed(4)),
    segmentation_auc_change: Number(Math.abs(whole - cut).toFixed(4)),
  }
}

/** CPU time of the whole process for `runs` runs: what a busy machine's wall clock cannot tell. */
const cpuMs = (before: NodeJS.CpuUsage, runs: number): number => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / runs
}

const scorer = await openStreamScorer(loadModelFolder(join(MODELS, 'stream')))
let mark = process.cpuUsage()
const one = await stepTime(scorer, 1, word)
const oneCpu = cpuMs(mark, STEPS) * 1000
mark = process.cpuUsage()
const many = await stepTime(scorer, 64, word)
const manyCpu = cpuMs(mark, STEPS) * 1000
const result: Record<string, number> = {
  stream_us_1: round(one.p50),
  stream_us_1_p99: round(one.p99),
  stream_us_64: round(many.p50),
  stream_us_64_p99: round(many.p99),
  stream_cpu_us_1: round(oneCpu),
  stream_cpu_us_64: round(manyCpu),
  ...(await segmentation(scorer)),
}
if (existsSync(join(MODELS, 'encoder/model.onnx'))) {
  const encoder = await openEncoder(loadModelFolder(join(MODELS, 'encoder')), { name: 'encoder' })
  mark = process.cpuUsage()
  const window = await encoderTime(encoder)
  result['encoder_cpu_ms_128'] = round(cpuMs(mark, 220))
  result['encoder_ms_p50_128'] = window.p50
  result['encoder_ms_p95_128'] = window.p95
  Object.assign(result, await load(scorer, encoder))
  await encoder.close()
}
result['load_average'] = round(loadavg()[0] ?? 0)
report('score', result)
