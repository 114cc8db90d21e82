/**
 * What the calibrations of the configured models know, for `false_positive_rate` in policies: the
 * threshold that was chosen, and the quantiles of benign scores. Bound to the models by digest when
 * those are opened, so a calibration of another model never starts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { QUANTILES, parseCalibration } from '../../classifiers/calibration.ts'
import type { HeadCalibration } from '../../classifiers/calibration.ts'
import { readRegistry } from '../../classifiers/models-file.ts'
import { GuardError } from '../../model/errors.ts'
import type { Calibration } from '../../policy/compile/compile-trigger.ts'

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

function readHeads(folder: string): Readonly<Record<string, HeadCalibration | undefined>> {
  const place = join(folder, 'calibration.json')
  if (!existsSync(place)) return {}
  try {
    return parseCalibration(JSON.parse(readFileSync(place, 'utf8')), place).heads
  } catch (error) {
    throw GuardError.from(error, 'model_invalid')
  }
}

/** Of a quantile q of benign scores, a share of 1 - q lies above it. */
function pointsOf(head: HeadCalibration): { rate: number; threshold: number }[] {
  const chosen = { rate: head.target_fpr, threshold: head.threshold }
  const known = QUANTILES.flatMap((q, i) => {
    const threshold = head.quantiles[i]
    return threshold === undefined ? [] : [{ rate: 1 - q, threshold }]
  })
  const exact = (head.points ?? []).map(({ rate, threshold }) => ({ rate, threshold }))
  return [chosen, ...exact, ...known]
}
