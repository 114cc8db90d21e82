/**
 * `checkstream engine --uds PATH [--model FOLDER]`: the embedded engine as a process of its own,
 * in the place that `vllm serve --uds` has in production.
 */
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Server } from 'node:http'
import { pino } from 'pino'
import { GuardError } from '../model/errors.ts'
import { clearSocketPath, removeSocket, socketIdentity, withMode } from '../step/socket.ts'
import { createHttpServer } from './http.ts'
import { Engine } from './engine.ts'
import { UNGUARDED, type StepHooks } from './hooks.ts'
import { openModelFolder, type ModelFolder } from './model-file.ts'
import { Network, PREFILL_TOKENS } from './onnx.ts'
import { Scheduler } from './scheduler.ts'
import { Tokenizer } from './tokenizer.ts'

const ROWS = 16
const MAX_WAITING = 1024
const DEFAULT_MODEL = join(import.meta.dirname, '../../models/demo-lm')

export type EngineOptions = {
  readonly uds: string
  readonly model: string
  readonly name: string
  /** Step protocol socket of the sidecar; undefined = the rows are not guarded. */
  readonly sidecar: string | undefined
  readonly threads: number
}

const USAGE =
  'usage: checkstream engine --uds PATH [--model FOLDER] [--served-model-name NAME] [--sidecar PATH | --no-guard] [--threads N]'

export function parseEngineArgs(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): EngineOptions {
  const { values } = parse(argv)
  if (values.uds === undefined) throw new GuardError('config_invalid', `--uds is missing\n${USAGE}`)
  const model = values.model ?? DEFAULT_MODEL
  const threads = Number(values.threads ?? 1)
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) {
    throw new GuardError('config_invalid', `--threads: expected 1 to 64, got ${values.threads}`)
  }
  const sidecar = values.sidecar ?? env['VLLM_SIDECAR_SOCKET']
  return {
    uds: values.uds,
    model,
    name: values['served-model-name'] ?? basename(model),
    sidecar: values['no-guard'] === true ? undefined : sidecar,
    threads,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        uds: { type: 'string' },
        model: { type: 'string' },
        'served-model-name': { type: 'string' },
        sidecar: { type: 'string' },
        'no-guard': { type: 'boolean' },
        threads: { type: 'string' },
      },
    })
  } catch (error) {
    const reason = GuardError.from(error, 'config_invalid').message
    throw new GuardError('config_invalid', `${reason}\n${USAGE}`)
  }
}

/** Runs until SIGTERM or SIGINT; gives the exit code. */
export async function runEngine(argv: readonly string[]): Promise<number> {
  const log = pino(
    { name: 'engine', level: process.env['LOG_LEVEL'] ?? 'info' },
    pino.destination(2),
  )
  try {
    const options = parseEngineArgs(argv, process.env)
    const ended = untilSignal()
    const { engine, scheduler } = await createEngine(
      options,
      () => UNGUARDED,
      (error) => {
        log.error({ err: error }, 'a step failed; its rows have ended with an error')
      },
    )
    const server = createHttpServer(engine)
    await clearSocketPath(options.uds)
    await withMode(options.uds, 0o660, () => listen(server, options.uds))
    const bound = socketIdentity(options.uds)
    log.info({ uds: options.uds, model: options.name }, 'the engine is ready')
    await ended
    await stop(server, scheduler)
    removeSocket(options.uds, bound)
    return 0
  } catch (error) {
    log.fatal(GuardError.from(error, 'config_invalid').message)
    return 1
  }
}

export async function createEngine(
  options: Pick<EngineOptions, 'model' | 'name' | 'threads'>,
  hooksFor: (folder: ModelFolder, tokenizer: Tokenizer) => StepHooks,
  onFailure: (error: unknown) => void,
): Promise<{ readonly engine: Engine; readonly scheduler: Scheduler }> {
  const folder = openModelFolder(options.model)
  const tokenizer = new Tokenizer(folder)
  const scheduler = new Scheduler({
    decoder: await Network.open(folder, ROWS, options.threads),
    hooks: hooksFor(folder, tokenizer),
    rows: ROWS,
    maxWaiting: MAX_WAITING,
    prefillTokens: PREFILL_TOKENS,
    onFailure,
  })
  const engine = new Engine({ folder, tokenizer, scheduler, modelName: options.name, now: seconds })
  return { engine, scheduler }
}

function seconds(): number {
  return Date.now() / 1000
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new GuardError('socket_invalid', `socket ${path}: ${error.message}`, { cause: error }))
    })
    server.listen(path, resolve)
  })
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}

/** No new requests; what runs is ended; the socket file goes with the server. */
async function stop(server: Server, scheduler: Scheduler): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  await scheduler.close()
  server.closeAllConnections()
  await closed
}
