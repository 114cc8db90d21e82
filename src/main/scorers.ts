/** Opens the classifiers that the configuration names, from the registry beside the program. */
import { join } from 'node:path'
import type { EffectiveConfig } from '../config/layers.ts'
import { openEncoder } from '../classifiers/encoder-hub.ts'
import { loadModelFolder, openRegistered, readRegistry } from '../classifiers/models-file.ts'
import type { ModelFolder } from '../classifiers/models-file.ts'
import { openStreamScorer } from '../classifiers/stream-onnx.ts'
import { GuardError } from '../model/errors.ts'
import { PII, classifierName } from '../policy/names.ts'
import { Judges } from './judges.ts'
import type { Judging } from './judges.ts'
import { ScorerHub } from './scorer-hub.ts'

export const MODELS = join(import.meta.dirname, '../../models')

type Config = EffectiveConfig['config']

/** Undefined when no model of tier A is asked for. Rejects with `model_invalid`. */
export async function openScorer({ config }: EffectiveConfig): Promise<ScorerHub | undefined> {
  const names = registeredNames(config.classifiers.models)
  if (names.length === 0) return undefined
  const registry = readRegistry(MODELS)
  const tierA = Object.values(registry.models).find((entry) => entry.tier === 'A')
  if (tierA === undefined) return undefined
  return new ScorerHub(await openStreamScorer(openRegistered(MODELS, tierA)), names)
}

/** Tier B: encoders in worker threads; `classifiers.workers: 0` runs none. */
export async function openJudges({ config }: EffectiveConfig): Promise<Judges> {
  const { models, workers } = config.classifiers
  const { ingress, midstream } = config.guardrails
  const judging: Judging[] = []
  if (workers === 0) return new Judges(judging)
  const open = async (folder: ModelFolder, names: Judging['names']): Promise<void> => {
    const name = [...names.values()].join(' ')
    const classifier = await openEncoder(folder, { name, workers })
    judging.push({ classifier, names, close: () => classifier.close() })
  }
  const names = registeredNames([...models, ...ingress.classifiers, ...midstream.classifiers])
  const tierB =
    names.length === 0
      ? undefined
      : Object.values(readRegistry(MODELS).models).find((entry) => entry.tier === 'B')
  try {
    if (tierB !== undefined) {
      const byLabel = new Map(names.map(({ name, label }) => [label, name]))
      await open(openRegistered(MODELS, tierB), byLabel)
    }
    for (const model of models) {
      if (typeof model === 'string' || model.tier === 'A') continue
      const folder = loadModelFolder(model.path)
      await open(folder, new Map(folder.config.labels.map((label) => [label, model.name])))
    }
  } catch (error) {
    await new Judges(judging).close()
    throw error
  }
  return new Judges(judging)
}

function registeredNames(
  models: readonly Config['classifiers']['models'][number][],
): readonly { readonly name: string; readonly label: string }[] {
  const asked = models.flatMap((model) =>
    typeof model === 'string' ? [classifierName(model)] : [],
  )
  const scored = [...new Set(asked)].filter((name) => name !== PII)
  if (scored.length === 0) return []
  const registry = readRegistry(MODELS)
  return scored.map((name) => {
    const entry = registry.names[name]
    if (entry !== undefined) return { name, label: entry.label }
    const known = Object.keys(registry.names).join(', ')
    throw new GuardError('config_invalid', `classifiers.models: no ${name}; there are ${known}`)
  })
}
