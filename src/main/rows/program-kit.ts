/** Programs and vocabularies of the product: automata in a worker thread, vocabularies from engines. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { bansCompletedBy, adoptTokenProgram } from '../../automata/program.ts'
import type { Ban } from '../../model/ban.ts'
import type { EngineInfo, ProgramImage } from '../../model/engine.ts'
import { GuardError } from '../../model/errors.ts'
import type { ErrorCode } from '../../model/errors.ts'
import type { VocabularyChunkIn } from '../../programs/vocabulary-shelf.ts'
import { createVocabularyAssembler, spellToken } from '../../vocabulary/vocabulary.ts'
import type { Vocabulary } from '../../vocabulary/vocabulary.ts'
import type { ProgramAnswer, ProgramJob } from './program-worker.ts'
import type { PlaneKit } from '../serving-plane.ts'

const MAX_VOCABULARIES = 4

export type ProgramKit = PlaneKit<Vocabulary> & { readonly close: () => Promise<void> }

export function createProgramKit(
  env: Readonly<Record<string, string | undefined>>,
  cache?: Pick<PlaneKit<Vocabulary>['vocabularies'], 'load' | 'save'>,
): ProgramKit {
  const compiler = new Compiler()
  return {
    compile: (bans, vocabulary) => compiler.compile(bans, vocabulary),
    load: (image) => adoptTokenProgram(image.blob, image.digest),
    vocabularies: {
      load: cache?.load ?? (() => Promise.resolve(undefined)),
      save: cache?.save ?? (() => Promise.resolve()),
      assemble,
      maxVocabularies: MAX_VOCABULARIES,
    },
    kinds: (vocabulary) => vocabulary.kinds,
    spell: spellToken,
    bansOf: bansCompletedBy,
    env,
    close: () => compiler.close(),
  }
}

function assemble(engine: EngineInfo): (chunk: VocabularyChunkIn) => Vocabulary | undefined {
  const assembler = createVocabularyAssembler(engine.vocabularyDigest, engine.logitsWidth)
  return (chunk) => {
    assembler.add(chunk)
    return assembler.isComplete ? assembler.done() : undefined
  }
}

type Waiting = {
  readonly resolve: (image: ProgramImage) => void
  readonly reject: (error: GuardError) => void
}

/** After so long without a job the thread ends: it holds the vocabulary a second time. */
const IDLE_MS = 30_000

/** One worker, started with the first job; if it dies, its jobs fail and the next one starts another. */
class Compiler {
  readonly #waiting = new Map<number, Waiting>()
  readonly #sent = new Set<string>()
  #worker: Worker | undefined
  #jobs = 0
  #idle: NodeJS.Timeout | undefined

  compile(bans: readonly Ban[], vocabulary: Vocabulary): Promise<ProgramImage> {
    const worker = (this.#worker ??= this.#start())
    clearTimeout(this.#idle)
    const id = ++this.#jobs
    const job: ProgramJob = { id, bans, vocabularyDigest: vocabulary.digest }
    const isKnown = this.#sent.has(vocabulary.digest)
    this.#sent.add(vocabulary.digest)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
      worker.postMessage(isKnown ? job : { ...job, vocabulary })
    })
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const worker = this.#worker
    if (worker === undefined) return
    this.#lose(worker, 'it was closed')
    await worker.terminate()
  }

  #start(): Worker {
    const worker = startWorker('./program-worker')
    this.#sent.clear()
    worker.unref()
    worker.on('message', (answer: ProgramAnswer) => this.#settle(answer))
    worker.on('error', (error) => this.#lose(worker, error.message))
    worker.on('exit', (code) => this.#lose(worker, `exit code ${code}`))
    return worker
  }

  #settle(answer: ProgramAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('blob' in answer) waiting?.resolve({ digest: answer.digest, blob: answer.blob })
    else waiting?.reject(new GuardError(answer.code as ErrorCode, answer.message))
    if (this.#waiting.size > 0) return
    this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref()
  }

  #lose(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) {
      reject(new GuardError('program_invalid', `the compiler thread ended: ${why}`))
    }
    this.#waiting.clear()
  }
}

/** `dist` runs the emitted file; from source (tests) the thread loads TypeScript through tsx first. */
function startWorker(name: string): Worker {
  const isSource = import.meta.url.endsWith('.ts')
  const url = new URL(`${name}${isSource ? '.ts' : '.js'}`, import.meta.url)
  if (!isSource) return new Worker(url)
  const tsx = createRequire(import.meta.url).resolve('tsx/package.json')
  const loader = new URL('dist/esm/api/index.mjs', pathToFileURL(tsx)).href
  const [from, file] = [JSON.stringify(loader), JSON.stringify(url.href)]
  return new Worker(`import(${from}).then((tsx) => tsx.tsImport(${file}, ${file}))`, { eval: true })
}
