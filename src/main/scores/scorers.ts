/** Opens the classifiers that the configuration names, from the registry beside the program. */
import { basename, join } from 'node:path'
import type { EffectiveConfig } from '../../config/layers.ts'
import { DriftWatch, type DriftChange } from '../../classifiers/drift.ts'
import { openEncoder } from '../../classifiers/encoder-hub.ts'
import {
  loadModelFolder,
  openRegistered,
  readArtefacts,
  readRegistry,
} from '../../classifiers/models-file.ts'
import type { ModelFolder } from '../../classifiers/models-file.ts'
import { readProbe } from '../../classifiers/probe-file.ts'
import type { ProbeImage } from '../../classifiers/probe-file.ts'
import { servable } from '../../classifiers/registry.ts'
import type { Registry } from '../../classifiers/registry.ts'
import { openStreamScorer } from '../../classifiers/stream-onnx.ts'
import { GuardError } from '../../model/errors.ts'
import { PII, classifierName } from '../../policy/compile/names.ts'
import { Judges } from './judges.ts'
import type { Judging } from './judges.ts'
import { ScorerHub } from './scorer-hub.ts'

export const MODELS = join(import.meta.dirname, '../../../models')

type Config = EffectiveConfig['config']
type Asked = readonly Config['classifiers']['models'][number][]

/**
 * Undefined when no model of tier A is asked for. Rejects with `model_invalid`. `changed` is told when
 * live scores leave the calibration of this site, and when they come back.
 */
export async function openScorer(
  { config }: EffectiveConfig,
  changed: (change: DriftChange) => void,
): Promise<ScorerHub | undefined> {
  const registry = readRegistry(MODELS)
  const names = registeredNames(registry, config.classifiers.models)
  if (names.length === 0) return undefined
  const tierA = Object.values(registry.models).find((entry) => entry.tier === 'A')
  if (tierA === undefined) return undefined
  const folder = openRegistered(MODELS, tierA, readArtefacts(config.classifiers.calibrations))
  const drift = watchOf(folder, 'stream', changed)
  return new ScorerHub(await openStreamScorer(folder), names, {
    ...(drift === undefined ? {} : { drift }),
    overBudget: config.classifiers.over_budget,
  })
}

/** The probe that engines get; undefined when none is configured. Throws `model_invalid`. */
export function openProbe({ config }: EffectiveConfig): ProbeImage | undefined {
  const { embedding_mode, probe } = config.classifiers
  return embedding_mode && probe !== '' ? readProbe(probe) : undefined
}

/** A calibration that came with the model is of public sets and says nothing about this traffic. */
function watchOf(
  { calibration }: ModelFolder,
  model: string,
  changed: (change: DriftChange) => void,
): DriftWatch | undefined {
  if (calibration?.tool === undefined) return undefined
  return new DriftWatch(model, calibration.heads, changed)
}

/** Tier B: encoders in worker threads; `classifiers.workers: 0` runs none. */
export async function openJudges(
  { config }: EffectiveConfig,
  changed: (change: DriftChange) => void,
): Promise<Judges> {
  const { models, calibrations, workers, over_budget: overBudget } = config.classifiers
  const { ingress, midstream } = config.guardrails
  const judging: Judging[] = []
  if (workers === 0) return new Judges(judging)
  const open = async (folder: ModelFolder, names: Judging['names']): Promise<void> => {
    const name = [...names.values()].join(' ')
    const classifier = await openEncoder(folder, { name, workers, overBudget })
    const drift = watchOf(folder, basename(folder.path), changed)
    const watched = drift === undefined ? {} : { drift }
    judging.push({ classifier, names, close: () => classifier.close(), ...watched })
  }
  const asked = [...models, ...ingress.classifiers, ...midstream.classifiers]
  const registry = readRegistry(MODELS)
  const artefacts = readArtefacts(calibrations)
  try {
    for (const [model, byLabel] of judgesOf(registry, asked)) {
      await open(openRegistered(MODELS, servable(registry, model), artefacts), byLabel)
    }
    for (const model of models) {
      if (typeof model === 'string' || model.tier === 'A') continue
      const folder = loadModelFolder(model.path, undefined, artefacts)
      await open(folder, new Map(folder.config.labels.map((label) => [label, model.name])))
    }
  } catch (error) {
    await new Judges(judging).close()
    throw error
  }
  return new Judges(judging)
}

/** Registered models of tier B that the asked names need, each with its labels' names. */
function judgesOf(
  { models, names }: Registry,
  asked: Asked,
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const byModel = new Map<string, Map<string, string>>()
  for (const name of askedNames(names, asked)) {
    const entry = names[name]
    const model = entry?.models.find((one) => models[one]?.tier === 'B')
    if (entry === undefined || model === undefined) continue
    const labels = byModel.get(model) ?? new Map<string, string>()
    for (const label of entry.labels ?? [entry.label]) labels.set(label, name)
    byModel.set(model, labels)
  }
  return byModel
}

function askedNames(known: Registry['names'], models: Asked): ReadonlySet<string> {
  const asked = models.flatMap((model) =>
    typeof model === 'string' ? [classifierName(model)] : [],
  )
  const lost = asked.find((name) => known[name] === undefined)
  if (lost === undefined) return new Set(asked)
  const names = Object.keys(known).join(', ')
  throw new GuardError('config_invalid', `classifiers.models: no ${lost}; there are ${names}`)
}

/** Names that the streaming scorer answers for: all but personal data. */
function registeredNames(
  { names: known }: Registry,
  models: Asked,
): readonly { readonly name: string; readonly label: string }[] {
  return [...askedNames(known, models)].flatMap((name) => {
    const entry = known[name]
    return entry === undefined || name === PII ? [] : [{ name, label: entry.label }]
  })
}
