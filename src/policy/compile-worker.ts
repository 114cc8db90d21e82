/**
 * The worker's side of `worker.ts`: reads and checks policies away from the thread that answers the
 * engine. It sends plain documents back, because compiled policies hold functions.
 */
import { parentPort } from 'node:worker_threads'
import type { CompileOptions } from './compile.ts'
import { buildLibrary } from './library.ts'
import type { PolicyFile } from './library.ts'
import type { Problem } from './problem.ts'
import type { PolicyDocument } from './schema.ts'
import type { Place } from './yaml.ts'

export type WorkerJob = {
  readonly files: readonly PolicyFile[]
  readonly options: Omit<CompileOptions, 'calibration'>
}

export type WorkerAnswer = {
  readonly sources: readonly {
    readonly file: string
    readonly document: PolicyDocument
    readonly rulePlaces: readonly Place[]
  }[]
  readonly problems: readonly Problem[]
}

parentPort?.on('message', ({ files, options }: WorkerJob) => {
  const { library, problems } = buildLibrary(files, options)
  const sources = (library?.sources ?? []).map(({ file, document, place }) => ({
    file,
    document,
    rulePlaces: document.rules.map((_, i) => place(['rules', i])),
  }))
  const answer: WorkerAnswer = { sources, problems }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
  parentPort?.postMessage(answer)
})
