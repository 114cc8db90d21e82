/**
 * Scores whole texts with any model, for `eval` and `calibrate`: the stream model word by word, an
 * encoder window by window, or the cascade, where the encoder confirms what the stream suspects.
 */
import { GuardError } from '../model/errors.ts'
import type { StreamScorer } from '../model/verdict.ts'
import { openEncoder, type Encoder } from './encoder-hub.ts'
import { loadModelFolder, type ModelFolder } from './models-file.ts'
import { openStreamScorer } from './stream-onnx.ts'

export type TextScore = {
  /** Highest probability by label. */
  readonly best: ReadonlyMap<string, number>
  /** By label: where (UTF-16 offset) the score first passed its threshold; stream models only. */
  readonly alarmAt: ReadonlyMap<string, number>
  readonly ms: number
}

export type TextScorer = {
  readonly folder: ModelFolder
  score(text: string): Promise<TextScore>
  close(): Promise<void>
}

const WORD = /\s*\S+|\s+$/gu

async function readAlong(
  scorer: StreamScorer,
  text: string,
  thresholds: ReadonlyMap<string, number>,
): Promise<TextScore> {
  const begin = performance.now()
  const best = new Map(scorer.labels.map((label) => [label, 0]))
  const alarmAt = new Map<string, number>()
  const handle = scorer.open()
  const encoder = new TextEncoder()
  try {
    for (const match of text.matchAll(WORD)) {
      const scores = await scorer.score([handle], [encoder.encode(match[0])])
      for (const [k, label] of scorer.labels.entries()) {
        const p = scores[k] ?? 0
        if (p > (best.get(label) ?? 0)) best.set(label, p)
        if (p >= (thresholds.get(label) ?? 0.5) && !alarmAt.has(label)) {
          alarmAt.set(label, match.index + match[0].length)
        }
      }
    }
  } finally {
    scorer.close(handle)
  }
  return { best, alarmAt, ms: performance.now() - begin }
}

async function ask(encoder: Encoder, text: string): Promise<TextScore> {
  const begin = performance.now()
  const result = await encoder.classify(text, { priority: 'prompt', deadlineMs: 60_000 })
  if (result.kind !== 'verdicts') {
    const why = result.kind === 'failed' ? result.reason : 'late'
    throw new GuardError('model_invalid', `a text was not judged: ${why}`)
  }
  const best = new Map<string, number>()
  for (const { label, probability } of result.verdicts) {
    best.set(label, Math.max(probability, best.get(label) ?? 0))
  }
  return { best, alarmAt: new Map(), ms: performance.now() - begin }
}

function thresholdsOf(folder: ModelFolder): ReadonlyMap<string, number> {
  const heads = Object.entries(folder.calibration?.heads ?? {})
  return new Map(heads.map(([label, head]) => [label, head.threshold]))
}

/** Opens the model in `path`, whichever kind it is. */
export async function openScorer(path: string): Promise<TextScorer> {
  const folder = loadModelFolder(path)
  if (folder.config.kind === 'stream') {
    const scorer = await openStreamScorer(folder)
    const thresholds = thresholdsOf(folder)
    return {
      folder,
      score: (text) => readAlong(scorer, text, thresholds),
      close: () => Promise.resolve(),
    }
  }
  const encoder = await openEncoder(folder, { name: path })
  return { folder, score: (text) => ask(encoder, text), close: () => encoder.close() }
}

/**
 * The cascade: the stream's score counts only when the encoder agrees, so a text has the lower of
 * both, each on its own model's scale with the threshold at one half.
 */
export async function openCascade(streamPath: string, encoderPath: string): Promise<TextScorer> {
  const [stream, encoder] = [await openScorer(streamPath), await openScorer(encoderPath)]
  const scaled = (scorer: TextScorer, label: string, p: number): number => {
    const bar = scorer.folder.calibration?.heads[label]?.threshold ?? 0.5
    return p < bar ? (0.5 * p) / bar : 0.5 + (0.5 * (p - bar)) / Math.max(1e-6, 1 - bar)
  }
  return {
    folder: encoder.folder,
    async score(text) {
      const [first, second] = [await stream.score(text), await encoder.score(text)]
      const best = new Map<string, number>()
      for (const [label, p] of first.best) {
        const q = second.best.get(label)
        if (q !== undefined) {
          best.set(label, Math.min(scaled(stream, label, p), scaled(encoder, label, q)))
        }
      }
      return { best, alarmAt: first.alarmAt, ms: first.ms + second.ms }
    },
    async close() {
      await stream.close()
      await encoder.close()
    },
  }
}
