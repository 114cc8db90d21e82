/**
 * What the calibrations of the configured models know, for `false_positive_rate` in policies: the
 * threshold that was chosen, and the quantiles of benign scores. Bound to the models by digest when
 * those are opened, so a calibration of another model never starts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { QUANTILES, parseCalibration } from '../../classifiers/calibration.ts'
import type { HeadCalibration } from '../../classifiers/calibration.ts'
import { readRegistry } from '../../classifiers/models-file.ts'
import { GuardError } from '../../model/errors.ts'
import type { Calibration } from '../../policy/compile/calibrated.ts'

/** Of the classifiers of these names; others and uncalibrated ones are left out. */
export function readCalibrations(folder: string, names: readonly string[]): Calibration {
  const registry = readRegistry(folder)
  const asked = Object.entries(registry.names).filter(([name]) => names.includes(name))
  return Object.fromEntries(
    asked.map(([name, { label, models }]) => [
      name,
      models.flatMap((model) => {
        const head = readHeads(join(folder, registry.models[model]?.folder ?? model))[label]
        return head === undefined ? [] : [{ model, label, points: pointsOf(head) }]
      }),
    ]),
  )
}

/** Of every label of a model in a folder of its own. */
export function readOwnCalibration(folder: string): Calibration[string] {
  const model = basename(folder)
  return Object.entries(readHeads(folder)).flatMap(([label, head]) =>
    head === undefined ? [] : [{ model, label, points: pointsOf(head) }],
  )
}

function readHeads(folder: string): Readonly<Record<string, HeadCalibration | undefined>> {
  const place = join(folder, 'calibration.json')
  if (!existsSync(place)) return {}
  try {
    return parseCalibration(JSON.parse(readFileSync(place, 'utf8')), place).heads
  } catch (error) {
    throw GuardError.from(error, 'model_invalid')
  }
}

type Point = Calibration[string][number]['points'][number]

/** The points as they were measured; of an artefact that has none, the chosen one and the quantiles. */
function pointsOf(head: HeadCalibration): readonly Point[] {
  if (head.points !== undefined) {
    return head.points.map(({ rate, threshold, upper }) => ({ rate, threshold, upper }))
  }
  const chosen = { rate: head.target_fpr, threshold: head.threshold, upper: head.upper_fpr }
  // Of a quantile q of benign scores, a share of 1 - q lies above it.
  const known = QUANTILES.flatMap((q, i) => {
    const threshold = head.quantiles[i]
    return threshold === undefined ? [] : [{ rate: Number((1 - q).toFixed(6)), threshold }]
  })
  // They may be of other texts than the chosen one: a lower rate has no lower threshold.
  const all = [chosen, ...known]
  return all.map((point) => {
    const above = all.filter(({ rate }) => rate >= point.rate).map(({ threshold }) => threshold)
    return { ...point, threshold: Math.max(...above) }
  })
}
