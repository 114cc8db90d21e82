/**
 * `checkstream engine --uds PATH [--model FOLDER]`: the embedded engine as a process of its own,
 * in the place that `vllm serve --uds` has in production.
 */
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { basename, join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { pino, type Logger } from 'pino'
import { GuardError } from '../model/errors.ts'
import { clearSocketPath, removeSocket, socketIdentity, withMode } from '../step/socket.ts'
import { createEngine, ROWS } from './assemble.ts'
import { StepClient } from './client-grpc.ts'
import type { OnFailure } from './guard-rows.ts'
import { UNGUARDED } from './hooks.ts'
import { createHttpServer } from './http.ts'
import type { ModelFolder } from './model-file.ts'
import type { Scheduler } from './scheduler.ts'
import type { Tokenizer } from './tokenizer.ts'

const ROOT = join(import.meta.dirname, '../..')
const DEFAULT_MODEL = join(ROOT, 'models/demo-lm')
const ON_FAILURE: readonly string[] = ['closed', 'open', 'resident']

export type EngineOptions = {
  readonly uds: string
  readonly model: string
  readonly name: string
  /** Step protocol socket of the sidecar; undefined = the rows are not guarded. */
  readonly sidecar: string | undefined
  readonly onFailure: OnFailure
  /** How long to wait for the first programs before requests are taken. */
  readonly startTimeoutMs: number
  readonly threads: number
}

const USAGE =
  'usage: checkstream engine --uds PATH [--model FOLDER] [--served-model-name NAME] [--sidecar PATH | --no-guard] [--threads N]'

type Env = Readonly<Record<string, string | undefined>>

/** Flags; the environment names of the plugin (VLLM_SIDECAR_SOCKET, CHECKSTREAM_ON_FAILURE, …) hold here too. */
export function parseEngineArgs(argv: readonly string[], env: Env): EngineOptions {
  const { values } = parse(argv)
  if (values.uds === undefined) throw new GuardError('config_invalid', `--uds is missing\n${USAGE}`)
  const model = values.model ?? DEFAULT_MODEL
  const sidecar = (values.sidecar ?? env['VLLM_SIDECAR_SOCKET'])?.replace(/^unix:(\/\/)?/, '')
  const onFailure = env['CHECKSTREAM_ON_FAILURE'] ?? 'closed'
  if (!ON_FAILURE.includes(onFailure)) {
    const wanted = ON_FAILURE.join(', ')
    throw new GuardError(
      'config_invalid',
      `CHECKSTREAM_ON_FAILURE: expected ${wanted}, got ${onFailure}`,
    )
  }
  return {
    uds: values.uds,
    model,
    name: values['served-model-name'] ?? basename(model),
    sidecar: values['no-guard'] === true ? undefined : sidecar,
    onFailure: onFailure as OnFailure,
    startTimeoutMs:
      1000 * whole('CHECKSTREAM_START_TIMEOUT_S', env['CHECKSTREAM_START_TIMEOUT_S'] ?? '60', 3600),
    threads: whole('--threads', values.threads ?? '1', 64) || 1,
  }
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new GuardError('config_invalid', `${name}: expected 0 to ${max}, got ${text}`)
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
  const level = process.env['LOG_LEVEL'] ?? 'info'
  const log = pino({ name: 'engine', level }, pino.destination({ fd: 2, sync: true }))
  try {
    await serve(parseEngineArgs(argv, process.env), log)
    return 0
  } catch (error) {
    log.fatal(GuardError.from(error, 'config_invalid').message)
    return 1
  }
}

async function serve(options: EngineOptions, log: Logger): Promise<void> {
  const signal = untilSignal()
  await clearSocketPath(options.uds)
  let client: StepClient | undefined
  const { engine, scheduler } = await createEngine({
    ...options,
    hooks: (folder, tokenizer) => {
      client = createClient(options, folder, tokenizer, log)
      return client?.hooks ?? UNGUARDED
    },
    onFailure: (error) => log.error({ err: error }, 'a step failed; its rows ended with an error'),
    now: () => Date.now() / 1000,
  })
  if (client !== undefined && options.onFailure === 'closed') {
    const isReady = client.waitReady(options.startTimeoutMs)
    await Promise.race([isReady, signal])
  }
  const server = createHttpServer(engine)
  await withMode(options.uds, 0o660, () => listen(server, options.uds))
  const bound = socketIdentity(options.uds)
  log.info({ uds: options.uds, model: options.name, guarded: client !== undefined }, 'ready')
  await signal
  await stop(server, scheduler)
  client?.close()
  removeSocket(options.uds, bound)
}

function createClient(
  options: EngineOptions,
  folder: ModelFolder,
  tokenizer: Tokenizer,
  log: Logger,
): StepClient | undefined {
  if (options.sidecar === undefined) return undefined
  const client = new StepClient({
    socket: options.sidecar,
    onFailure: options.onFailure,
    modelName: options.name,
    version: versionOf(),
    slots: ROWS,
    width: folder.shape.vocabularySize,
    vocabulary: tokenizer.vocabulary,
    observe: (event, reason) => log.info({ event, reason }, 'step protocol'),
  })
  client.start()
  return client
}

function versionOf(): string {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8')
  return String((JSON.parse(text) as { readonly version?: unknown }).version)
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
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve())
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
