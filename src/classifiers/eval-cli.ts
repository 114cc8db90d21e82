/**
 * `checkstream eval --model FOLDER --head LABEL FILE...`: a model, or the cascade, against labelled
 * files. Prints a table; `--json FILE` and `--page FILE` write the report.
 */
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { GuardError } from '../model/errors.ts'
import { quantile } from './calibration.ts'
import { readLabelled, type LabelledRow } from './labelled-file.ts'
import { report, type Report, type Sample } from './metrics.ts'
import { page, type FileReport } from './report-page.ts'
import { openCascade, openScorer, type TextScore, type TextScorer } from './scoring-process.ts'

const USAGE =
  'checkstream eval --head LABEL (--model FOLDER | --stream FOLDER --encoder FOLDER) [--threshold P] [--json FILE] [--page FILE] FILE...'

type Options = {
  readonly scorer: TextScorer
  readonly head: string
  readonly threshold: number
}

const words = (text: string): number => text.split(/\s+/u).filter((w) => w !== '').length

function sampleOf(row: LabelledRow, score: TextScore, { head, threshold }: Options): Sample {
  const p = score.best.get(head) ?? 0
  const at = p >= threshold ? score.alarmAt.get(head) : undefined
  const after =
    at === undefined || row.evidenceEnd === undefined
      ? undefined
      : Math.max(0, words(row.text.slice(row.evidenceEnd, at)))
  return {
    score: p,
    label: row.label,
    ...(row.group === undefined ? {} : { group: row.group }),
    ...(at === undefined ? {} : { readAtAlarm: at / Math.max(1, row.text.length) }),
    ...(after === undefined ? {} : { tokensAfterEvidence: after }),
  }
}

async function evaluate(path: string, options: Options): Promise<FileReport> {
  const { rows } = readLabelled(path)
  const samples: Sample[] = []
  const times: number[] = []
  for (const row of rows) {
    const score = await options.scorer.score(row.text)
    times.push(score.ms)
    samples.push(sampleOf(row, score, options))
  }
  const sorted = times.toSorted((a, b) => a - b)
  const latencyMs = {
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
  }
  return { ...report(samples, options.threshold), latencyMs }
}

/** Two files may have one name. */
const nameIn = (reports: Readonly<Record<string, unknown>>, path: string): string =>
  Object.hasOwn(reports, basename(path)) ? path : basename(path)

const rate = (x: { value: number; low: number; high: number } | undefined): string =>
  x === undefined ? '-' : `${x.value.toFixed(4)} [${x.low.toFixed(3)}, ${x.high.toFixed(3)}]`

function line(name: string, r: Report): string {
  return [
    name.padEnd(32),
    `rows ${r.rows}`,
    `auc ${r.auc?.toFixed(4) ?? '-'}`,
    `recall ${rate(r.recall)}`,
    `fpr ${rate(r.falsePositives)}`,
  ].join('  ')
}

/** Runs the command; gives the exit code. */
export async function runEval(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      stream: { type: 'string' },
      encoder: { type: 'string' },
      head: { type: 'string' },
      threshold: { type: 'string' },
      json: { type: 'string' },
      page: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const { model, stream, encoder, head } = values
  const both = stream !== undefined && encoder !== undefined
  if (head === undefined || positionals.length === 0 || (model === undefined && !both)) {
    process.stderr.write(`usage: ${USAGE}\n`)
    return 2
  }
  const scorer = both ? await openCascade(stream, encoder) : await openScorer(model ?? '')
  try {
    const { labels } = scorer.folder.config
    if (!labels.includes(head)) {
      throw new GuardError(
        'request_invalid',
        `--head ${head}: expected one of ${labels.join(', ')}`,
      )
    }
    const calibrated = scorer.folder.calibration?.heads[head]?.threshold ?? 0.5
    const threshold = Number(values.threshold ?? (both ? 0.5 : calibrated))
    if (!(threshold >= 0 && threshold <= 1)) {
      const message = `--threshold ${values.threshold}: expected a number from 0 to 1`
      throw new GuardError('request_invalid', message)
    }
    const reports: Record<string, FileReport> = {}
    for (const path of positionals) {
      const found = await evaluate(path, { scorer, head, threshold })
      reports[nameIn(reports, path)] = found
      process.stdout.write(`${line(basename(path), found)}\n`)
    }
    const { digest } = scorer.folder
    const result = { model: digest, head, threshold, files: reports }
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify(result, null, 1)}\n`)
    if (values.page !== undefined) {
      const title = `${head}: ${both ? 'cascade' : basename(model ?? '')}`
      writeFileSync(values.page, page({ title, model: digest, threshold }, reports))
    }
    return 0
  } finally {
    await scorer.close()
  }
}
