/**
 * The door: a gRPC server on a Unix socket, one `Attach` stream per engine worker, with health and
 * reflection beside it. It moves messages between transport and conversation and decides nothing.
 */
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { setTimeout as sleep } from 'node:timers/promises'
import { GuardError } from '../model/errors.ts'
import type { ErrorCode } from '../model/errors.ts'
import type { StepBounds } from './bounds.ts'
import { within } from './bounds.ts'
import { Conversation } from './conversation.ts'
import type { ConversationParts } from './conversation.ts'
import { Outbox } from './outbox.ts'
import { packageDefinition, SERVICE, tolerantService } from './proto-file.ts'
import { clearSocketPath, removeSocket, socketIdentity, withMode } from './socket.ts'
import type { WireEngineMessage, WireSidecarMessage } from './wire.ts'

/** The only place where our error codes meet gRPC's. */
const STATUS: Partial<Record<ErrorCode, status>> = {
  step_invalid: status.INVALID_ARGUMENT,
  vocabulary_invalid: status.INVALID_ARGUMENT,
  protocol_unsupported: status.FAILED_PRECONDITION,
  overloaded: status.RESOURCE_EXHAUSTED,
}

const HELLO_MS = 10_000

export type StepServerEvent =
  | { readonly kind: 'attached'; readonly engine: string; readonly model: string }
  /** There is a probe that this engine cannot evaluate. */
  | { readonly kind: 'unprobed'; readonly engine: string; readonly runner: string }
  | { readonly kind: 'detached'; readonly engine: string }
  | { readonly kind: 'refused'; readonly engine: string; readonly error: GuardError }
  /** Our own mistake: that engine's stream ended, the server goes on. */
  | { readonly kind: 'failed'; readonly engine: string; readonly error: unknown }

export type StepServerParts = Omit<ConversationParts, 'send' | 'sendAll'> & {
  readonly socket: { readonly path: string; readonly mode: number }
  /** Told of streams that come, go and are refused. Must not throw. */
  readonly observe: (event: StepServerEvent) => void
  /** Rows that are still generating: `stop` waits for them within its grace. */
  readonly liveRows: () => number
}

export type StepServer = {
  readonly start: () => Promise<void>
  /** Sends Drain, waits at most `graceMs` for live rows, then ends every stream. */
  readonly stop: (graceMs: number) => Promise<void>
  /** What the health service answers. False until it is set. */
  readonly setReady: (ready: boolean) => void
  readonly attached: () => number
}

type Call = ServerDuplexStream<WireEngineMessage, WireSidecarMessage>
type Stream = { readonly call: Call; readonly talk: Conversation; readonly refuse: Refuse }
type Refuse = (error: GuardError) => void

export function createStepServer(parts: StepServerParts): StepServer {
  const { bounds } = parts
  const server = new Server(serverOptions(bounds))
  const streams = new Set<Stream>()
  const health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' })
  const setReady = (ready: boolean) => {
    for (const name of ['', SERVICE]) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING')
  }
  server.addService(tolerantService(), {
    Attach: (call: Call) => attach(call, parts, streams),
  } as UntypedServiceImplementation)
  health.addToServer(server)
  new ReflectionService(packageDefinition()).addToServer(server)
  let identity = ''

  return {
    setReady,
    attached: () => streams.size,
    start: async () => {
      const { path, mode } = parts.socket
      await clearSocketPath(path)
      await withMode(path, mode, () => bind(server, path))
      identity = socketIdentity(path)
    },
    stop: async (graceMs) => {
      const until = performance.now() + graceMs
      setReady(false)
      for (const { talk } of streams) talk.drain(graceMs, 'the sidecar stops')
      while (parts.liveRows() > 0 && performance.now() < until) await sleep(20)
      for (const { call, talk } of streams) {
        talk.end()
        call.end()
      }
      await shutdown(server, Math.max(until - performance.now(), 250))
      removeSocket(parts.socket.path, identity)
    },
  }
}

function serverOptions(bounds: StepBounds) {
  return {
    'grpc.max_receive_message_length': bounds.messageBytes,
    'grpc.max_send_message_length': bounds.messageBytes,
    'grpc.max_concurrent_streams': 2 * bounds.engines,
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve()
      else reject(new GuardError('socket_invalid', `socket ${path}: ${error.message}`))
    })
  })
}

async function shutdown(server: Server, withinMs: number): Promise<void> {
  const done = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
  const timer = new AbortController()
  const late = sleep(withinMs, 'late' as const, { signal: timer.signal }).catch(() => undefined)
  if ((await Promise.race([done, late])) === 'late') server.forceShutdown()
  timer.abort()
}

function attach(call: Call, parts: StepServerParts, streams: Set<Stream>): void {
  let stream: Stream | undefined
  const who = () => stream?.talk.engine?.id ?? ''
  const close = () => {
    clearTimeout(patience)
    outbox.close()
    if (stream === undefined || !streams.delete(stream)) return
    stream.talk.end()
    if (who() !== '') parts.observe({ kind: 'detached', engine: who() })
  }
  const refuse: Refuse = (error) => {
    parts.observe({ kind: 'refused', engine: who(), error })
    close()
    call.emit('error', { code: STATUS[error.code] ?? status.INTERNAL, details: error.message })
  }
  const fail = (error: unknown) => {
    if (error instanceof GuardError) return refuse(error)
    parts.observe({ kind: 'failed', engine: who(), error })
    close()
    return call.emit('error', { code: status.INTERNAL, details: 'the sidecar failed; see its log' })
  }
  const outbox = new Outbox({
    write: (message, done) => call.write(message, done),
    overflow: refuse,
    bounds: parts.bounds,
  })
  const patience = setTimeout(
    () => refuse(new GuardError('step_invalid', `Attach: no Hello within ${HELLO_MS} ms`)),
    HELLO_MS,
  )
  const talk = new Conversation({
    ...parts,
    send: (message) => outbox.send(message),
    sendAll: (messages) => outbox.sendAll(messages),
    seat: (engine, push) => {
      clearTimeout(patience)
      replaceOlder(streams, engine.id, call)
      const seated = [...streams].filter((other) => other.talk.isSeated).length
      within(seated + 1, parts.bounds.engines, 'Attach', 'engines')
      parts.observe({ kind: 'attached', engine: engine.id, model: engine.model })
      if (parts.probe !== undefined && !engine.capabilities.includes('probe')) {
        parts.observe({ kind: 'unprobed', engine: engine.id, runner: engine.runner })
      }
      return parts.seat(engine, push)
    },
  })
  stream = { call, talk, refuse }
  call.on('data', (message: WireEngineMessage) => {
    try {
      void talk.receive(message)?.catch(fail)
    } catch (error) {
      fail(error)
    }
  })
  call.on('end', () => {
    close()
    call.end()
  })
  call.on('cancelled', close)
  call.on('error', close)
  call.on('close', close)
  try {
    // Streams without a seat yet are bounded too; the second half leaves room for reconnects.
    within(streams.size + 1, 2 * parts.bounds.engines, 'Attach', 'streams')
    streams.add(stream)
  } catch (error) {
    fail(error)
  }
}

/** A worker that reconnects before its old stream was noticed dead takes its place. */
function replaceOlder(streams: ReadonlySet<Stream>, engine: string, call: Call): void {
  for (const other of streams) {
    if (other.call !== call && other.talk.engine?.id === engine) {
      other.refuse(
        new GuardError('overloaded', `Attach: replaced by a newer stream of engine ${engine}`),
      )
    }
  }
}
