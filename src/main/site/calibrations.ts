/**
 * What the calibrations of the configured models know, for `false_positive_rate` in policies: the
 * threshold that was chosen, and the quantiles of benign scores. Bound to the models by digest when
 * those are opened, so a calibration of another model never starts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { QUANTILES, parseCalibration } from '../../classifiers/calibration.ts'
import type {
  Calibration as ModelCalibration,
  HeadCalibration,
} from '../../classifiers/calibration.ts'
import { digestFolder, readRegistry } from '../../classifiers/models-file.ts'
import type { Artefacts } from '../../classifiers/models-file.ts'
import { GuardError } from '../../model/errors.ts'
import type { Calibration } from '../../policy/compile/calibrated.ts'

const NONE: Artefacts = new Map()

/** Of the classifiers of these names; others and uncalibrated ones are left out. */
export function readCalibrations(
  folder: string,
  names: readonly string[],
  artefacts: Artefacts = NONE,
): Calibration {
  const registry = readRegistry(folder)
  const asked = Object.entries(registry.names).filter(([name]) => names.includes(name))
  return Object.fromEntries(
    asked.map(([name, { label, models }]) => [
      name,
      models.flatMap((model) => {
        const { folder: own = model, tier } = registry.models[model] ?? {}
        const known = calibrationOf(join(folder, own), artefacts)
        const head = known?.heads[label]
        if (known === undefined || head === undefined) return []
        const digest = known.model_digest
        return [{ model, digest, inStep: tier === 'A', label, points: pointsOf(head) }]
      }),
    ]),
  )
}

/** Folders of the models that answer for these names. */
export function foldersOf(folder: string, names: readonly string[]): readonly string[] {
  const { models, names: known } = readRegistry(folder)
  const asked = names.flatMap((name) => known[name]?.models ?? [])
  return [...new Set(asked)].map((model) => join(folder, models[model]?.folder ?? model))
}

/** Of every label of a model in a folder of its own. */
export function readOwnCalibration(
  folder: string,
  artefacts: Artefacts = NONE,
): Calibration[string] {
  const known = calibrationOf(folder, artefacts)
  if (known === undefined) return []
  const of = { model: basename(folder), digest: known.model_digest, inStep: false }
  return Object.entries(known.heads).map(([label, head]) => ({
    ...of,
    label,
    points: pointsOf(head),
  }))
}

/** An artefact that is of none of these models would change nothing, which nobody who names it wants. */
export function requireUsed(artefacts: Artefacts, folders: readonly string[]): void {
  if (artefacts.size === 0) return
  const known = new Map(folders.map((folder) => [digestFolder(folder).digest, folder]))
  const lost = [...artefacts.keys()].find((digest) => !known.has(digest))
  if (lost === undefined) return
  const models = [...known].map(([digest, folder]) => `${basename(folder)} (${digest})`)
  throw new GuardError(
    'config_invalid',
    `classifiers.calibrations: one is of a model with digest ${lost}; ` +
      `configured are ${models.join(', ') || 'none'}`,
  )
}

/** Of the model in a folder: the site's own, or the one that came with it. */
function calibrationOf(folder: string, artefacts: Artefacts): ModelCalibration | undefined {
  const given = artefacts.size === 0 ? undefined : artefacts.get(digestFolder(folder).digest)
  if (given !== undefined) return given
  const place = join(folder, 'calibration.json')
  if (!existsSync(place)) return undefined
  try {
    return parseCalibration(JSON.parse(readFileSync(place, 'utf8')), place)
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
