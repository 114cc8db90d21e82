/**
 * Compiles policies off the main thread: YAML, schema and every check in a worker, then the compiled
 * form here, one policy at a time with the event loop running in between. Running streams wait for
 * the smallest of these parts at most.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { setImmediate } from 'node:timers/promises'
import { GuardError } from '../model/errors.ts'
import { compileCombined, compilePolicy } from './compile.ts'
import type { CompileOptions } from './compile.ts'
import type { CompiledPolicy } from './compiled.ts'
import type { WorkerAnswer, WorkerJob } from './compile-worker.ts'
import type { PolicySource } from './document.ts'
import type { LoadOptions } from './file.ts'
import { COMBINED } from './library.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import type { Problem } from './problem.ts'
import { refuseErrors } from './problem.ts'
import { isScanned, prepareScan } from './scan.ts'

/** A worker that takes longer is ended, and the set refused: hostile text must not compile forever. */
const DEADLINE_MS = 30_000
const MEMORY_MB = 512

/** Rejects with GuardError when anything in the set is wrong. */
export async function compileInWorker(
  files: readonly PolicyFile[],
  options: LoadOptions = {},
): Promise<PolicyLibrary> {
  const { calibration, ...plain } = options
  const nowMs = options.nowMs ?? Date.now()
  const answer = await ask({ files, options: { ...plain, nowMs } })
  refuseErrors(answer.problems)
  const sources = answer.sources.map(({ file, document, rulePlaces }): PolicySource => ({
    file,
    document,
    place: ([, rule]) => rulePlaces[Number(rule)] ?? { line: 1, column: 1 },
  }))
  const all: CompileOptions = {
    ...plain,
    nowMs,
    ...(calibration === undefined ? {} : { calibration }),
  }
  return assemble(sources, all, answer.problems)
}

async function assemble(
  sources: readonly PolicySource[],
  options: CompileOptions,
  warnings: readonly Problem[],
): Promise<PolicyLibrary> {
  const policies = new Map<string, CompiledPolicy>()
  for (const source of sources) {
    await setImmediate()
    const { policy, problems } = compilePolicy(source, sources, options)
    refuseErrors(problems)
    if (policy === undefined) continue
    policies.set(policy.name, policy)
    // What is scanned for now is scanned for the moment that the new set is in force.
    if (isScanned(policy.name)) prepareScan(policy)
  }
  await setImmediate()
  const [only] = policies.values()
  if (only !== undefined && policies.size === 1) {
    return { policies, combined: only, sources, warnings }
  }
  const { policy: combined, problems } = compileCombined(COMBINED, sources, options)
  refuseErrors(problems)
  if (combined === undefined) throw new GuardError('policy_invalid', 'no policy could be read')
  await setImmediate()
  if (isScanned(COMBINED)) prepareScan(combined)
  return { policies, combined, sources, warnings }
}

/** A worker that has answered and waits: starting one costs more than most compiles. */
let idle: Worker | undefined

function ask(job: WorkerJob): Promise<WorkerAnswer> {
  const worker = idle ?? startWorker()
  idle = undefined
  worker.ref()
  return new Promise((resolve, reject) => {
    const refuse = (message: string): void => reject(new GuardError('policy_invalid', message))
    const timer = setTimeout(() => {
      refuse(`the policies were not compiled within ${DEADLINE_MS / 1_000} s`)
      void worker.terminate()
    }, DEADLINE_MS)
    const answered = (answer: WorkerAnswer): void => {
      over()
      resolve(answer)
      keepIdle(worker)
    }
    const failed = (error: Error): void => {
      over()
      refuse(`the policies could not be compiled: ${error.message}`)
    }
    const ended = (): void => {
      over()
      refuse('the compiling worker ended without an answer')
    }
    const over = (): void => {
      clearTimeout(timer)
      worker.off('message', answered).off('error', failed).off('exit', ended)
    }
    worker.on('message', answered).on('error', failed).on('exit', ended)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    worker.postMessage(job)
  })
}

function keepIdle(worker: Worker): void {
  if (idle !== undefined) {
    void worker.terminate()
    return
  }
  worker.unref()
  idle = worker
}

function startWorker(): Worker {
  const worker = newWorker()
  const forget = (): void => {
    if (idle === worker) idle = undefined
  }
  return worker.on('exit', forget).on('error', forget)
}

/** From source the worker needs the loader of TypeScript first; built code needs none. */
function newWorker(): Worker {
  const limits = { resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } }
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./compile-worker.js', import.meta.url), limits)
  }
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api')).href
  const entry = new URL('./compile-worker.ts', import.meta.url).href
  const [api, main] = [loader.replace(/\.cjs$/, '.mjs'), entry].map((url) => JSON.stringify(url))
  const code = `import(${api}).then((tsx) => { tsx.register(); return import(${main}) })`
  return new Worker(code, { eval: true, execArgv: [], ...limits })
}
