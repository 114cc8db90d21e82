/**
 * Compiles policies off the main thread: YAML, schema, every check and the machines that scan text in
 * a worker, then the compiled form here, rule by rule with the event loop running in between. Running
 * streams wait for one such part at most.
 */
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { setImmediate } from 'node:timers/promises'
import { GuardError } from '../../model/errors.ts'
import { unpackScan } from '../../automata/scan-parcel.ts'
import { combinedSteps, policySteps } from '../compile/compile.ts'
import type { CompileOptions, CompileSteps } from '../compile/compile.ts'
import type { CompiledPolicy } from '../compiled.ts'
import type { PackedScan, WorkerAnswer, WorkerJob } from './compile-worker.ts'
import type { PolicySource } from '../read/document.ts'
import type { LoadOptions } from './file.ts'
import { COMBINED } from './library.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import type { Problem } from '../read/problem.ts'
import { refuseErrors } from '../read/problem.ts'
import { adoptScan, heldMachine, heldMachines, holdMachine, scannedNames } from '../decide/scan.ts'

/** A worker that takes longer is ended, and the set refused: hostile text must not compile forever. */
const DEADLINE_MS = 30_000
const MEMORY_MB = 512

/** Longest time for which the calling thread compiles without a pause. */
const SLICE_MS = 1

export type WorkerOptions = LoadOptions & {
  /** Policies that are scanned for as soon as they are in force; those scanned before are known. */
  readonly scan?: readonly string[]
}

/** Rejects with GuardError when anything in the set is wrong. */
export async function compileInWorker(
  files: readonly PolicyFile[],
  options: WorkerOptions = {},
): Promise<PolicyLibrary> {
  const { scan = [], ...load } = options
  const all: CompileOptions = { ...load, nowMs: load.nowMs ?? Date.now() }
  const answer = await ask({
    files,
    options: all,
    scan: [...new Set([...scan, ...scannedNames()])],
    held: heldMachines(),
  })
  refuseErrors(answer.problems)
  const sources = answer.sources.map(({ file, document, rulePlaces }): PolicySource => ({
    file,
    document,
    place: ([, rule]) => rulePlaces[Number(rule)] ?? { line: 1, column: 1 },
  }))
  const library = await assemble(sources, { ...all, isChecked: true }, answer.problems)
  for (const packed of answer.scans) {
    await setImmediate()
    adopt(library, packed)
  }
  return library
}

async function assemble(
  sources: readonly PolicySource[],
  options: CompileOptions,
  warnings: readonly Problem[],
): Promise<PolicyLibrary> {
  const policies = new Map<string, CompiledPolicy>()
  for (const source of sources) {
    const policy = await sliced(policySteps(source, sources, options))
    policies.set(policy.name, policy)
  }
  const [only] = policies.values()
  const combined =
    only !== undefined && policies.size === 1
      ? only
      : await sliced(combinedSteps(COMBINED, sources, options))
  return { policies, combined, sources, warnings }
}

/** Runs the steps with the event loop running in between. */
async function sliced(steps: CompileSteps): Promise<CompiledPolicy> {
  await setImmediate()
  let from = performance.now()
  let step = steps.next()
  while (step.done !== true) {
    if (performance.now() - from > SLICE_MS) {
      await setImmediate()
      from = performance.now()
    }
    step = steps.next()
  }
  const { policy, problems } = step.value
  refuseErrors(problems)
  if (policy === undefined) throw new GuardError('policy_invalid', 'no policy could be read')
  return policy
}

function adopt({ policies, combined }: PolicyLibrary, { policy, key, parcel }: PackedScan): void {
  const found = policy === combined.name ? combined : policies.get(policy)
  const machine = parcel === undefined ? heldMachine(key) : holdMachine(key, unpackScan(parcel))
  if (found !== undefined && machine !== undefined) adoptScan(found, machine)
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
