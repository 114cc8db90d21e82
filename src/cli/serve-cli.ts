/** `checkstream serve`: the sidecar, until SIGTERM or SIGINT. SIGHUP reads the policies again. */
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { loadConfig } from '../config/file.ts'
import { FLAG_OPTIONS, toFlagSettings } from '../config/flags.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import { startSidecar } from '../main.ts'
import { createProgramKit } from '../main/rows/program-kit.ts'
import { GuardError } from '../model/errors.ts'
import { createVocabularyCache } from '../vocabulary/file.ts'
import type { Vocabulary } from '../vocabulary/vocabulary.ts'
import { readFlags } from './flags.ts'

const HELP = `checkstream serve [--config FILE] [flags]
  --host, --port       where clients connect
  --socket PATH        Unix socket of the step server
  --backend URL        unix:///path or http(s)://…: the upstream
  --policies PATH      a policy file or a folder of them
  --banned-tokens FILE JSON list of banned texts
  --mode MODE          sidecar, proxy or auto
  --log-level LEVEL    trace, debug, info, warn, error, silent
  --set KEY=VALUE      any other key of the configuration; see checkstream config`

export async function runServe(argv: readonly string[]): Promise<number> {
  const { values } = readFlags(argv, FLAG_OPTIONS)
  if (values['help'] === true) {
    console.log(HELP)
    return 0
  }
  collectAlone()
  const file = typeof values['config'] === 'string' ? values['config'] : undefined
  const ended = untilSignal()
  const effective = loadConfig({ file, flags: toFlagSettings(values) })
  const kit = createProgramKit(process.env, openCache(effective.config.cache))
  const sidecar = await startSidecar(effective, kit)
  const reload = (): void => void sidecar.reload()
  process.on('SIGHUP', reload)
  await ended
  process.off('SIGHUP', reload)
  await sidecar.stop()
  await kit.close()
  return 0
}

/**
 * Young garbage here is little and dies at once: waking helper threads to collect it costs more CPU than
 * collecting it, and every collection then waits for the last of them to be scheduled.
 */
function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge')
}

/** Vocabularies on disk. A folder that cannot be written costs a transfer per start, no more. */
function openCache({ path, max_size }: EffectiveConfig['config']['cache']) {
  const cache = createVocabularyCache(path, { maxBytes: max_size })
  return {
    load: (digest: string) => Promise.resolve(cache.get(digest)),
    save: (vocabulary: Vocabulary) => {
      try {
        cache.put(vocabulary)
      } catch (error) {
        console.error(`cache.path: ${GuardError.from(error, 'config_invalid').message}`)
      }
      return Promise.resolve()
    },
  }
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}
