/** A small engine for tests: speaks engine.proto over the socket and keeps what it was told. */
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { engineService } from '../../src/step/proto-file.ts'
import type { WireSidecarMessage } from '../../src/step/wire.ts'

export type Loose = Readonly<Record<string, unknown>>
type Received = Loose & { readonly body: string }
type Stream = ClientDuplexStream<Loose, Received>

const Client = makeGenericClientConstructor(engineService(), 'Engine')

export class TestEngine {
  readonly received: Received[] = []
  error: ServiceError | undefined
  isEnded = false
  readonly stream: Stream
  readonly #client: InstanceType<typeof Client>
  readonly #taken = new Map<string, number>()
  #wake: () => void = () => undefined

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure())
    const attach = this.#client['attach']
    if (attach === undefined) throw new Error('no attach')
    this.stream = attach.call(this.#client) as unknown as Stream
    this.stream.on('data', (message: Received) => {
      this.received.push(message)
      this.#wake()
    })
    this.stream.on('error', (error: ServiceError) => {
      this.error = error
      this.#wake()
    })
    this.stream.on('end', () => {
      this.isEnded = true
      this.#wake()
    })
  }

  send(message: Loose): void {
    this.stream.write(message)
  }

  /** The next message of a kind that was not taken yet. */
  async take<K extends string>(kind: K, timeoutMs = 5_000): Promise<Loose> {
    const until = Date.now() + timeoutMs
    for (;;) {
      const from = this.#taken.get(kind) ?? 0
      const index = this.received.findIndex((message, i) => i >= from && message.body === kind)
      if (index >= 0) {
        this.#taken.set(kind, index + 1)
        return this.received[index]?.[kind] as Loose
      }
      if (this.error !== undefined) throw this.error
      if (this.isEnded) throw new Error(`the stream ended before ${kind}`)
      await this.#more(until, kind)
    }
  }

  /** The status that ends the stream. */
  async end(timeoutMs = 5_000): Promise<ServiceError> {
    const until = Date.now() + timeoutMs
    while (this.error === undefined) await this.#more(until, 'the end')
    return this.error
  }

  close(): void {
    this.stream.cancel()
    this.#client.close()
  }

  #more(until: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${what} in time; got ${this.received.map((m) => m.body)}`)),
        Math.max(until - Date.now(), 1),
      )
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

export type SidecarBody = WireSidecarMessage
