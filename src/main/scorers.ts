/** Opens the classifiers that the configuration names, from the registry beside the program. */
import { join } from 'node:path'
import type { EffectiveConfig } from '../config/layers.ts'
import { openRegistered, readRegistry } from '../classifiers/models-file.ts'
import { openStreamScorer } from '../classifiers/stream-onnx.ts'
import { GuardError } from '../model/errors.ts'
import { PII, classifierName } from '../policy/names.ts'
import { ScorerHub } from './scorer-hub.ts'

export const MODELS = join(import.meta.dirname, '../../models')

/** Undefined when no model of tier A is asked for. Rejects with `model_invalid`. */
export async function openScorer({ config }: EffectiveConfig): Promise<ScorerHub | undefined> {
  const asked = config.classifiers.models.flatMap((model) =>
    typeof model === 'string' ? [classifierName(model)] : [],
  )
  const scored = asked.filter((name) => name !== PII)
  if (scored.length === 0) return undefined
  const registry = readRegistry(MODELS)
  const names = scored.map((name) => {
    const entry = registry.names[name]
    if (entry !== undefined) return { name, label: entry.label }
    const known = Object.keys(registry.names).join(', ')
    throw new GuardError('config_invalid', `classifiers.models: no ${name}; there are ${known}`)
  })
  const tierA = Object.values(registry.models).find((entry) => entry.tier === 'A')
  if (tierA === undefined) return undefined
  return new ScorerHub(await openStreamScorer(openRegistered(MODELS, tierA)), names)
}
