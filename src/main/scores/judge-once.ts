/** One text, judged as prompts are: by the detectors and by the models that a policy asks. */
import { readRegistry } from '../../classifiers/models-file.ts'
import { toEffective } from '../../config/layers.ts'
import type { Finding } from '../../model/finding.ts'
import { scanPii } from '../../pii/scanner.ts'
import type { CompiledPolicy } from '../../policy/compiled.ts'
import { MODELS, openJudges } from './scorers.ts'

/** A model that is asked for the first time on a slow machine takes some seconds. */
const DEADLINE_MS = 60_000

/** Beside what the policy's own patterns find; opens the models and closes them. */
export async function judgeOnce(policy: CompiledPolicy, text: string): Promise<readonly Finding[]> {
  const pii: readonly Finding[] = policy.needs.pii
    ? scanPii(text).map((found) => ({ kind: 'pii', ...found }) as const)
    : []
  const { names } = readRegistry(MODELS)
  const asked = policy.classifiers.filter((name) => Object.hasOwn(names, name))
  if (asked.length === 0) return pii
  const models = { path: ['classifiers', 'models'], text: JSON.stringify(asked), from: '' }
  const judges = await openJudges(
    toEffective({ environment: [], flags: [models] }),
    () => undefined,
  )
  try {
    const options = { priority: 'prompt', deadlineMs: DEADLINE_MS } as const
    return [...pii, ...(await judges.ask(new Set(asked), text, options))]
  } finally {
    await judges.close()
  }
}
