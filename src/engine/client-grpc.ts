/**
 * The socket of the step protocol, engine side: one stream to the sidecar, kept for the engine's
 * life. A stream that breaks is made again with growing, jittered pauses; what was owed to the old
 * one is dropped, because every live row is opened anew.
 */
import { credentials, loadPackageDefinition, type ClientDuplexStream } from '@grpc/grpc-js'
import { hostname } from 'node:os'
import process from 'node:process'
import { performance } from 'node:perf_hooks'
import { GuardError } from '../model/errors.ts'
import { packageDefinition } from '../step/proto-file.ts'
import type { WireHello, WireStep } from '../step/wire.ts'
import { EngineStats } from './engine-stats.ts'
import { GuardRows, type OnFailure } from './guard-rows.ts'
import { Incoming, type SidecarMessage } from './incoming.ts'
import { END, type Vocabulary } from '../vocabulary/vocabulary.ts'

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
/** Steps that may wait to be written. Past it the sidecar is stuck and the stream is made again. */
const MAX_QUEUED = 512
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000
const STATS_MS = 1000
const MINOR = 1

const OPTIONS = {
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
}

export type EngineMessage =
  | { readonly hello: WireHello }
  | { readonly step: WireStep }
  | { readonly vocabulary: object }
  | { readonly stats: object }
  | { readonly programStatus: object }

type Call = ClientDuplexStream<EngineMessage, SidecarMessage>
type Wire = { readonly close: () => void; readonly Attach: () => Call }
type WireClass = new (address: string, credentials: unknown, options: object) => Wire

export type ClientOptions = {
  /** Path of the sidecar's socket. */
  readonly socket: string
  readonly onFailure: OnFailure
  readonly modelName: string
  readonly version: string
  readonly slots: number
  readonly width: number
  readonly vocabulary: Vocabulary
  /** Told when a stream is ready and when it is gone. Must not throw. */
  readonly observe: (event: 'attached' | 'detached', reason: string) => void
}

export class StepClient {
  readonly hooks: GuardRows
  readonly #options: ClientOptions
  readonly #stats = new EngineStats()
  readonly #waiters = new Map<number, (isAnswered: boolean) => void>()
  #call: Call | undefined
  #isReady = false
  #wasReady = false
  #queued = 0
  #pauseMs = FIRST_PAUSE_MS
  #closed = false
  #ready: (() => void) | undefined
  #statsTimer: NodeJS.Timeout | undefined

  constructor(options: ClientOptions) {
    this.#options = options
    this.hooks = new GuardRows({
      width: options.width,
      stats: this.#stats,
      onFailure: options.onFailure,
      send: (step) => this.#send({ step }),
      wait: (sequence, deadlineMs) => this.#wait(sequence, deadlineMs),
      now: () => performance.now(),
      alarm: (ms, ring) => void setTimeout(ring, ms).unref(),
    })
  }

  start(): void {
    this.#connect()
    this.#statsTimer = setInterval(() => {
      if (this.#isReady) this.#send({ stats: this.#stats.message() })
    }, STATS_MS).unref()
  }

  /** Until the first programs are bound; false when that takes longer. */
  waitReady(timeoutMs: number): Promise<boolean> {
    if (this.#wasReady) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs)
      this.#ready = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#statsTimer)
    this.#call?.end()
  }

  // ------------------------------------------------------------

  #connect(): void {
    if (this.#closed) return
    const loaded = loadPackageDefinition(packageDefinition()) as unknown as {
      readonly checkstream: { readonly v1: { readonly Engine: WireClass } }
    }
    const address = `unix:${this.#options.socket}`
    const wire = new loaded.checkstream.v1.Engine(address, credentials.createInsecure(), OPTIONS)
    const call = wire.Attach()
    this.#call = call
    this.#queued = 0
    const incoming = new Incoming({
      hooks: this.hooks,
      stats: this.#stats,
      vocabulary: this.#options.vocabulary,
      width: this.#options.width,
      send: (message) => void this.#send(message),
      bound: () => this.#bound(),
      answered: (sequence) => this.#waiters.get(sequence)?.(true),
    })
    let over = false
    const end = (reason: unknown): void => {
      if (over) return
      over = true
      wire.close()
      this.#ended(reason)
    }
    call.on('data', (message: SidecarMessage) => {
      try {
        incoming.take(message)
      } catch (error) {
        call.cancel()
        end(error)
      }
    })
    call.on('error', end)
    call.on('end', () => end('the sidecar ended the stream'))
    call.write({ hello: this.#hello() })
  }

  #hello(): WireHello {
    const { vocabulary, modelName, version, slots, width } = this.#options
    return {
      protocolMajor: 1,
      protocolMinor: MINOR,
      engineId: `${hostname()}/${process.pid}/dp0`,
      engineName: 'checkstream-embedded',
      engineVersion: version,
      runner: 'embedded',
      model: modelName,
      logitsWidth: width,
      vocabularyDigest: Buffer.from(vocabulary.textDigest, 'hex'),
      fullVocabularyDigest: Buffer.from(vocabulary.digest, 'hex'),
      endTokenIds: [...vocabulary.kinds.keys()].filter((id) => vocabulary.kinds[id] === END),
      slots,
      tensorParallelSize: 1,
      capabilities: ['adapt', 'force', 'stop', 'deny', 'prompt_tokens'],
      heldPrograms: this.hooks.held.map((digest) => Buffer.from(digest, 'hex')),
      dataParallelRank: 0,
    }
  }

  #bound(): void {
    if (this.#isReady) return
    this.#isReady = true
    if (this.#wasReady) this.#stats.reconnects++
    this.#wasReady = true
    this.#pauseMs = FIRST_PAUSE_MS
    this.hooks.attached()
    this.#options.observe('attached', '')
    this.#ready?.()
  }

  #ended(reason: unknown): void {
    this.#stats.say(reason)
    const wasReady = this.#isReady
    this.#isReady = false
    this.#call = undefined
    this.hooks.detached()
    for (const answer of this.#waiters.values()) answer(false)
    if (wasReady) {
      this.#options.observe('detached', GuardError.from(reason, 'upstream_failed').message)
    }
    if (this.#closed) return
    const pause = this.#pauseMs * (0.5 + Math.random())
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
    setTimeout(() => this.#connect(), pause).unref()
  }

  #send(message: EngineMessage): boolean {
    const call = this.#call
    if (call === undefined) return false
    if (this.#queued >= MAX_QUEUED) {
      call.cancel()
      return false
    }
    this.#queued++
    call.write(message, () => {
      this.#queued--
    })
    return true
  }

  #wait(sequence: number, deadlineMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (isAnswered: boolean): void => {
        clearTimeout(timer)
        this.#waiters.delete(sequence)
        resolve(isAnswered)
      }
      const timer = setTimeout(() => done(false), deadlineMs)
      this.#waiters.set(sequence, done)
    })
  }
}
