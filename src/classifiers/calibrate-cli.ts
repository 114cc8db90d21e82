/**
 * `checkstream calibrate --model FOLDER --traffic FILE --fpr 0.005 [--out FILE]`: thresholds from the
 * site's own traffic. Every row that is not labelled 1 counts as benign. The artefact names the
 * digests of model and data and the version of this program; beside a model as `calibration.json` it
 * is loaded with it, gives policies their `false_positive_rate`, and is what drift is measured against.
 */
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { GuardError } from '../model/errors.ts'
import { binomialUpper, calibrateHead, type Calibration } from './calibration.ts'
import { readLabelled } from './labelled-file.ts'
import { openScorer } from './scoring-process.ts'

const USAGE =
  'checkstream calibrate --model FOLDER --traffic FILE [--fpr 0.005] [--head LABEL]... [--out FILE]'

/** Runs the command of this `version` of the program; gives the exit code. */
export async function runCalibrate(argv: readonly string[], version: string): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      model: { type: 'string' },
      traffic: { type: 'string' },
      fpr: { type: 'string', default: '0.005' },
      head: { type: 'string', multiple: true },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const target = Number(values.fpr)
  if (values.model === undefined || values.traffic === undefined || !(target > 0 && target < 1)) {
    process.stderr.write(`usage: ${USAGE}\n`)
    return 2
  }
  const { rows, digest } = readLabelled(values.traffic)
  const benign = rows.filter((row) => row.label === 0)
  const scorer = await openScorer(values.model)
  try {
    const { folder } = scorer
    const { labels } = folder.config
    const heads = values.head ?? labels
    const lost = heads.find((head) => !labels.includes(head))
    if (lost !== undefined) {
      const message = `--head ${lost}: expected one of ${labels.join(', ')}`
      throw new GuardError('request_invalid', message)
    }
    const scores = new Map(heads.map((head) => [head, [] as number[]]))
    for (const row of benign) {
      const { best } = await scorer.score(row.text)
      for (const head of heads) scores.get(head)?.push(best.get(head) ?? 0)
    }
    const source = `${basename(values.traffic)}, ${benign.length} benign texts, target ${target}`
    const artefact: Calibration = {
      format: 1,
      model_digest: folder.digest,
      data_digest: digest,
      made: new Date().toISOString(),
      tool: `checkstream calibrate ${version}`,
      heads: Object.fromEntries(
        [...scores].map(([head, own]) => [head, calibrateHead(own, target, source)]),
      ),
    }
    const out = values.out ?? join(values.model, 'calibration.json')
    writeFileSync(out, `${JSON.stringify(artefact, null, 1)}\n`)
    for (const [head, found] of Object.entries(artefact.heads)) {
      process.stdout.write(
        `${head.padEnd(20)} threshold ${found.threshold.toFixed(4)}  false positives ${found.observed_fpr.toFixed(5)}, at most ${found.upper_fpr.toFixed(5)} (95 %)\n`,
      )
    }
    const floor = binomialUpper(0, benign.length)
    if (floor > target) {
      process.stdout.write(
        `${benign.length} texts cannot show a rate of ${target}: without one false positive it may be up to ${floor.toFixed(4)}\n`,
      )
    }
    const lowest = Object.values(artefact.heads)[0]?.points?.[0]?.rate
    process.stdout.write(
      lowest === undefined
        ? `${benign.length} texts are too few for any false_positive_rate of a policy\n`
        : `policies may ask for a false_positive_rate from ${lowest} on\n`,
    )
    return 0
  } finally {
    await scorer.close()
  }
}
