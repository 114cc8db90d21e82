/**
 * Hostile messages: nothing that a client sends may do anything but be obeyed, be ignored and
 * counted, or end its own stream with an error that has a code and names a place.
 *
 * 100 000 messages and more at the level of decoded messages and of bytes, and some thousands over
 * the real socket. The generator is seeded: a failure repeats.
 */
import { credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { GuardError } from '../../src/model/errors.ts'
import { DEFAULT_BOUNDS } from '../../src/step/bounds.ts'
import { Conversation } from '../../src/step/conversation.ts'
import { engineService } from '../../src/step/proto-file.ts'
import type { WireEngineMessage } from '../../src/step/wire.ts'
import { TestEngine } from './client.ts'
import { createTestGuard, hello, serverParts, temporarySocket } from './fakes.ts'
import { SAMPLING, byteVocabulary, vocabularyChunk, walkX } from './fakes.ts'
import { createNaivePlane, toBans } from './naive-plane.ts'

const { attach } = engineService() as unknown as {
  attach: { requestSerialize: (value: object) => Buffer; requestDeserialize: (b: Buffer) => object }
}
const Attach = (engineService() as unknown as Record<string, typeof attach>)['Attach'] ?? attach

/** mulberry32: small, seeded, good enough to reach every branch. */
function createRandom(seed: number) {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    below: (n: number): number => Math.floor(next() * n),
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
  }
}
type Random = ReturnType<typeof createRandom>

const NUMBERS = [0, 1, 2, 7, 63, 64, 257, 258, 4_095, 65_535, 262_144, 2 ** 31, 2 ** 32 - 1]
const ODD_NUMBERS = [...NUMBERS, Number.NaN, Infinity, -Infinity, -1, 0.5, 2 ** 53, 2 ** 64]
const STRINGS = [
  '',
  'r',
  'a\u0000b',
  '\u001b[2J',
  '\ud800',
  '\u202e',
  'x'.repeat(257),
  '𝄞'.repeat(99),
]
const BYTES = [0, 1, 31, 32, 33, 4_096].map((length) => Buffer.alloc(length, length))

function hostile(value: unknown, random: Random): unknown {
  if (typeof value === 'number') return random.pick(ODD_NUMBERS)
  if (typeof value === 'string') return random.pick(STRINGS)
  if (typeof value === 'boolean') return !value
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return random.pick(BYTES)
  if (Array.isArray(value)) return hostileList(value, random)
  return null
}

function hostileList(list: readonly unknown[], random: Random): unknown[] {
  const how = random.below(5)
  if (how === 0) return []
  if (how === 1) return [...list, ...list]
  if (how === 2) return list.slice(1)
  const sample = list[0] ?? random.pick(NUMBERS)
  if (how === 3 && typeof sample === 'number') {
    return Array.from({ length: random.below(50) === 0 ? 16_385 : random.below(30) }, () =>
      random.pick(NUMBERS),
    )
  }
  return list.map((item) => (random.below(2) === 0 ? mutate(item, random) : item))
}

/** Changes some part of a message, at any depth. */
function mutate(value: unknown, random: Random): unknown {
  const isMessage =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  if (!isMessage) return hostile(value, random)
  const keys = Object.keys(value)
  if (keys.length === 0) return value
  const copy: Record<string, unknown> = { ...value }
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const key = random.pick(keys)
    copy[key] = random.below(4) === 0 ? hostile(copy[key], random) : mutate(copy[key], random)
  }
  return copy
}

const PROGRAM = Buffer.from(walkX.digest, 'hex')
const HELLO = hello()
const CHUNK = vocabularyChunk()
const sampling = { ...SAMPLING, maxTokens: 16, stopToken: 257 }
const opened = (slot: number, generation: number) => ({
  slot,
  generation,
  requestId: `r${slot}`,
  tenant: 't',
  policy: 'p',
  program: PROGRAM,
  promptLength: 3,
  promptTokenIds: [1, 2, 3],
  outputTokenIds: [104],
  sampling,
  child: 0,
})

/** Something plausible to begin with: what a real engine sends in some order. */
function plausible(random: Random, sequence: number): object {
  const kind = random.below(8)
  if (kind === 0) return { body: 'hello', ...HELLO }
  if (kind === 1) return { body: 'vocabulary', ...CHUNK }
  if (kind === 2) {
    const digest = PROGRAM
    return { body: 'programStatus', programStatus: { digest, ready: false, error: 'no\u0007' } }
  }
  if (kind === 3) return { body: 'stats', stats: { ...STATS } }
  const slots = Array.from({ length: 1 + random.below(4) }, () => random.below(6))
  const generation = 1 + random.below(3)
  return {
    body: 'step',
    step: {
      sequence,
      awaited: random.below(3) === 0,
      opened: random.below(2) === 0 ? slots.map((slot) => opened(slot, generation)) : [],
      closed: random.below(3) === 0 ? [{ slot: slots[0], generation, finalPosition: 1 }] : [],
      slot: slots,
      generation: slots.map(() => generation),
      position: slots.map(() => random.below(5)),
      token: slots.map(() => random.below(258)),
      state: random.below(2) === 0 ? slots.map(() => 0) : [],
      probe: [],
      monotonicUs: 1,
    },
  }
}

const STATS = {
  steps: 1,
  awaitedSteps: 1,
  missedDeadlines: 0,
  droppedSteps: 0,
  lateDirectives: 0,
  lateForces: 0,
  errors: 0,
  emptyRows: 0,
  reconnects: 0,
  breaker: 1,
  waitUsBucket: [1, 2],
  applyUsBucket: [],
  waitUsSum: 1,
  applyUsSum: 1,
  openRows: 1,
  lastError: 'x',
}

const MESSAGES = 68_000
const breathe = () => new Promise((resolve) => setImmediate(resolve))

describe('hostile messages', { timeout: 240_000 }, () => {
  it(`break nothing but their own stream: ${MESSAGES} decoded messages`, async () => {
    const random = createRandom(1)
    const { guard, clock } = createTestGuard({ observe: () => undefined })
    const parts = serverParts(guard)
    let talk: Conversation | undefined
    let refused = 0
    for (let i = 0; i < MESSAGES; i++) {
      clock.ms = i
      if (i % 1_000 === 0) await breathe()
      if (talk === undefined) {
        talk = new Conversation({ ...parts, send: () => undefined, sendAll: drainAll })
        if (random.below(4) !== 0) await talk.receive(decoded(HELLO))
      }
      const message = plausible(random, i)
      try {
        const bad = random.below(3) === 0 ? message : mutate(message, random)
        await talk.receive(decoded(bad as object))
      } catch (error) {
        expect(error).toBeInstanceOf(GuardError)
        expect((error as GuardError).message).toMatch(/^[A-Z]\w+[.:[]/)
        refused++
        talk.end()
        talk = undefined
      }
    }
    talk?.end()
    expect(guard.liveRows).toBe(0)
    expect(guard.engines()).toEqual([])
    expect(guard.requests.live).toBe(0)
    expect(refused).toBeGreaterThan(MESSAGES / 20)
  })

  it(`break nothing as bytes: ${MESSAGES / 2} messages with flipped, cut and added bytes`, async () => {
    const random = createRandom(2)
    const { guard } = createTestGuard({ observe: () => undefined })
    const parts = serverParts(guard)
    let talk: Conversation | undefined
    let accepted = 0
    for (let i = 0; i < MESSAGES / 2; i++) {
      if (i % 1_000 === 0) await breathe()
      if (talk === undefined) {
        talk = new Conversation({ ...parts, send: () => undefined, sendAll: drainAll })
        await talk.receive(decoded(HELLO))
      }
      const bytes = spoil(Attach.requestSerialize(plausible(random, i)), random)
      let message: object
      try {
        message = Attach.requestDeserialize(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(Error) // not protobuf at all: the transport ends the stream
        continue
      }
      try {
        await talk.receive(message)
        accepted++
      } catch (error) {
        expect(error).toBeInstanceOf(GuardError)
        talk.end()
        talk = undefined
      }
    }
    talk?.end()
    expect(guard.liveRows).toBe(0)
    expect(accepted).toBeGreaterThan(1_000)
  })

  it('break nothing over the socket, and a well-behaved engine beside them notices nothing', async () => {
    const socket = temporarySocket()
    const failures: unknown[] = []
    const { plane } = createNaivePlane(socket, toBans(['bad']), 'closed', {
      door: (event) => event.kind === 'failed' && failures.push(event.error),
    })
    await plane.start()
    const good = new TestEngine(socket)
    good.send(hello({ engineId: 'good' }))
    await good.take('welcome')
    good.send(vocabularyChunk())
    const { defaultProgram } = await good.take('bindings')
    const raw = new RawClient(socket)
    const random = createRandom(3)
    let sequence = 0
    const step = async (more: object) => {
      good.send({ step: { sequence: ++sequence, awaited: true, ...more } })
      await good.take('directives')
    }
    await step({ opened: [{ slot: 0, generation: 1, requestId: 'good', program: defaultProgram }] })
    for (let stream = 0; stream < 400; stream++) {
      await raw.attack(random, 10)
      const position = [stream]
      await step({ slot: [0], generation: [1], position, token: [104], state: [0] })
    }
    expect(failures).toEqual([])
    expect(plane.guard.request('good')?.rows.values().next().value?.text()).toBe('h'.repeat(400))
    expect(plane.guard.counters.divergences).toBeLessThan(400)
    expect(plane.guard.engines().map(({ engine }) => engine.id)).toEqual(['good'])
    expect(plane.guard.liveRows).toBe(1)
    raw.close()
    good.close()
    await plane.stop(0)
  })
})

const decoded = (message: object): WireEngineMessage => {
  const body = Object.keys(message).find((key) => key !== 'body')
  return body === undefined ? {} : { body, ...message }
}

function drainAll(messages: Iterable<unknown>): void {
  for (const message of messages) void message
}

function spoil(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes)
  const how = random.below(4)
  if (how === 0) return copy
  if (how === 1) return copy.subarray(0, random.below(copy.length + 1))
  if (how === 2) return Buffer.concat([copy, Buffer.from([random.below(256), random.below(256)])])
  for (let flips = 1 + random.below(4); flips > 0; flips--) {
    copy[random.below(copy.length)] = random.below(256)
  }
  return copy
}

const ENDS = [
  status.OK,
  status.CANCELLED,
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.RESOURCE_EXHAUSTED,
]

/** Writes bytes of its own making as messages. */
class RawClient {
  readonly #client: InstanceType<ReturnType<typeof makeGenericClientConstructor>>

  constructor(socket: string) {
    const identity = { requestSerialize: (bytes: Buffer) => bytes }
    const service = { attach: { ...Attach, ...identity } }
    const Client = makeGenericClientConstructor(service as never, 'Engine')
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure())
  }

  /** One stream of up to `count` messages, the first of them mostly a good Hello. */
  async attack(random: Random, count: number): Promise<void> {
    const open = this.#client['attach'] as unknown as () => ClientDuplexStream<Buffer, object>
    const stream = open.call(this.#client)
    const ended = new Promise<{ readonly code: status }>((resolve) => stream.on('status', resolve))
    const answered = new Promise((resolve) => stream.once('data', resolve))
    stream.on('error', () => undefined)
    stream.on('data', () => undefined)
    const first = random.below(5) === 0 ? Buffer.alloc(random.below(50), 7) : undefined
    const greeting = hello({ engineId: `bad/${random.below(3)}` })
    stream.write(first ?? Attach.requestSerialize(greeting))
    if (first === undefined) await Promise.race([answered, ended])
    for (let i = 0; i < count; i++) {
      const message = plausible(random, i)
      const bytes = Attach.requestSerialize(message)
      stream.write(random.below(2) === 0 ? bytes : spoil(bytes, random))
    }
    stream.end()
    expect(ENDS).toContain((await ended).code)
  }

  close(): void {
    this.#client.close()
  }
}

describe('the fuzzer', () => {
  it('begins from messages that are accepted as they are', async () => {
    const { guard } = createTestGuard()
    const talk = new Conversation({
      ...serverParts(guard),
      bounds: DEFAULT_BOUNDS,
      send: () => undefined,
      sendAll: drainAll,
    })
    await talk.receive(decoded(HELLO))
    await talk.receive(decoded(CHUNK))
    await talk.receive(decoded({ stats: STATS }))
    expect(byteVocabulary().size).toBe(258)
    expect(guard.engines()).toHaveLength(1)
    talk.end()
  })
})
