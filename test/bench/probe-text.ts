/**
 * The text path on a probe's labelled texts: probe-text.ts LABELLED.jsonl prints one JSON object.
 * `text_auroc`: of the streaming scorer's highest score in a text, by its best head; `encoder_auroc`
 * likewise. `text_us_p50_64_rows`: a step of 64 rows. test/vllm/probe.py runs it beside the probe.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openEncoder } from '../../src/classifiers/encoder-hub.ts'
import { auc } from '../../src/classifiers/metrics.ts'
import { loadModelFolder } from '../../src/classifiers/models-file.ts'
import { openStreamScorer } from '../../src/classifiers/stream-onnx.ts'
import { stepTime } from './step-time.ts'

type Labelled = { readonly text: string; readonly label: 0 | 1 }

const MODELS = resolve(import.meta.dirname, '../../models')
const encode = new TextEncoder()
const rows = readFileSync(process.argv[2] ?? '', 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Labelled)

/** Area of each head, the best one's name and value. */
function best(labels: readonly string[], scores: readonly (readonly number[])[]): [string, number] {
  const areas = labels.map((label, head): [string, number] => {
    const samples = rows.map((row, n) => ({ label: row.label, score: scores[n]?.[head] ?? 0 }))
    return [label, auc(samples) ?? 0]
  })
  return areas.toSorted(([, a], [, b]) => b - a)[0] ?? ['none', 0]
}

const scorer = await openStreamScorer(loadModelFolder(join(MODELS, 'stream')))
const read = async ({ text }: Labelled): Promise<number[]> => {
  const handle = scorer.open()
  const top = scorer.labels.map(() => 0)
  for (const word of text.split(/(?= )/)) {
    const told = await scorer.score([handle], [encode.encode(word)])
    for (const head of top.keys()) top[head] = Math.max(top[head] ?? 0, told[head] ?? 0)
  }
  scorer.close(handle)
  return top
}
const streamed: number[][] = []
for (const row of rows) streamed.push(await read(row))

let asked = 0
const word = (): string => ` ${rows[asked++ % rows.length]?.text.split(' ')[2]}`
const { p50 } = await stepTime(scorer, 64, word)

const encoder = await openEncoder(loadModelFolder(join(MODELS, 'encoder')), { name: 'encoder' })
const whole: Map<string, number>[] = []
for (const { text } of rows) {
  const told = await encoder.classify(text, { priority: 'prompt', deadlineMs: 10_000 })
  if (told.kind !== 'verdicts') throw new Error(`the encoder was ${told.kind} at: ${text}`)
  whole.push(new Map(told.verdicts.map(({ label, probability }) => [label, probability])))
}
const encoderLabels = [...(whole[0]?.keys() ?? [])]
await encoder.close()
const [head, area] = best(scorer.labels, streamed)
const [encoderHead, encoderArea] = best(
  encoderLabels,
  whole.map((told) => encoderLabels.map((label) => told.get(label) ?? 0)),
)
console.log(
  JSON.stringify({
    text_head: head,
    text_auroc: Number(area.toFixed(4)),
    encoder_head: encoderHead,
    encoder_auroc: Number(encoderArea.toFixed(4)),
    text_us_p50_64_rows: Number(p50.toFixed(1)),
  }),
)
