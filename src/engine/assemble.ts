/** Puts an engine together: folder, tokenizer, network, scheduler, and who guards the rows. */
import { Engine } from './engine.ts'
import type { StepHooks } from './hooks.ts'
import { openModelFolder, type ModelFolder } from './model-file.ts'
import { Network, PREFILL_TOKENS } from './onnx.ts'
import { Scheduler } from './scheduler.ts'
import { Tokenizer } from './tokenizer.ts'

/** Requests that run at a time, and that may wait for it. */
export const ROWS = 16
const MAX_WAITING = 1024

export type AssembleParts = {
  /** Folder of the model. */
  readonly model: string
  /** Name that requests give. */
  readonly name: string
  readonly threads: number
  readonly hooks: (folder: ModelFolder, tokenizer: Tokenizer) => StepHooks
  /** Told of a step that failed. */
  readonly onFailure: (error: unknown) => void
  /** Seconds since 1970. */
  readonly now: () => number
}

export type Assembled = { readonly engine: Engine; readonly scheduler: Scheduler }

export async function createEngine(parts: AssembleParts): Promise<Assembled> {
  const folder = openModelFolder(parts.model)
  const tokenizer = new Tokenizer(folder)
  const scheduler = new Scheduler({
    decoder: await Network.open(folder, ROWS, parts.threads),
    hooks: parts.hooks(folder, tokenizer),
    rows: ROWS,
    maxWaiting: MAX_WAITING,
    prefillTokens: PREFILL_TOKENS,
    onFailure: parts.onFailure,
  })
  const engine = new Engine({
    folder,
    tokenizer,
    scheduler,
    modelName: parts.name,
    now: parts.now,
  })
  return { engine, scheduler }
}
