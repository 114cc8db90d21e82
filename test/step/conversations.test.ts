/** Plays test/data/step/conversations.yaml against a real server on a real socket. */
import { status } from '@grpc/grpc-js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { StepPlane } from '../../src/main/rows/step-plane.ts'
import { TestEngine } from './client.ts'
import type { Loose } from './client.ts'
import { byteVocabulary, hello, temporarySocket, vocabularyChunk } from './fakes.ts'
import type { Vocabulary } from './fakes.ts'
import { createNaivePlane, toBans } from './naive-plane.ts'
import type { NaivePolicy } from './naive-plane.ts'

type Turn = {
  readonly engine?: string | Loose
  readonly attach?: Loose
  readonly sidecar?: Readonly<Record<string, Loose>>
  readonly end?: { readonly code: keyof typeof status; readonly message?: string }
  readonly programs?: number
  readonly bans?: readonly string[]
  readonly stop?: string
  readonly drain?: number
  readonly expect?: Readonly<Record<string, number>>
}

const FILE = join(import.meta.dirname, '../data/step/conversations.yaml')
const cases = parse(readFileSync(FILE, 'utf8')) as readonly {
  readonly name: string
  readonly talk: readonly Turn[]
}[]

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

class Player {
  readonly #plane: StepPlane<NaivePolicy, Vocabulary>
  readonly #engine: TestEngine
  #stopping: Promise<void> | undefined
  readonly #use: (bans: readonly string[]) => Promise<void>

  constructor(made: ReturnType<typeof createNaivePlane>, socket: string) {
    this.#plane = made.plane
    this.#use = (bans) => made.use(toBans(bans))
    this.#engine = new TestEngine(socket)
    cleanups.push(() => this.#engine.close())
  }

  async play(turn: Turn): Promise<void> {
    if (turn.engine !== undefined) this.#send(turn.engine)
    if (turn.attach !== undefined) await this.#attach(turn.attach)
    for (const [kind, body] of Object.entries(turn.sidecar ?? {})) {
      const got = await this.#engine.take(camel(kind))
      expect(got).toMatchObject(this.#fill(body) as object)
    }
    if (turn.end !== undefined) await this.#end(turn.end)
    if (turn.programs !== undefined) {
      const whole = this.#engine.received.filter(
        ({ body, program }) => body === 'program' && (program as Loose)['offset'] === 0,
      )
      expect(whole).toHaveLength(turn.programs)
    }
    if (turn.bans !== undefined) await this.#use(turn.bans)
    if (turn.stop !== undefined) expect(this.#plane.guard.stop(turn.stop, 'test')).toBe(true)
    if (turn.drain !== undefined) this.#stopping = this.#plane.stop(turn.drain)
    for (const [name, wanted] of Object.entries(turn.expect ?? {})) {
      const { guard } = this.#plane
      const got = name === 'rows' ? guard.liveRows : guard.counters[name as 'tokens']
      expect(got, name).toBe(wanted)
    }
  }

  async #attach(more: Loose): Promise<void> {
    this.#send({ $hello: more })
    const welcome = await this.#engine.take('welcome')
    if (welcome['needVocabulary'] === true) this.#send('$vocabulary_chunk')
    await this.#engine.take('bindings')
  }

  async #end(wanted: NonNullable<Turn['end']>): Promise<void> {
    await this.#stopping
    if (wanted.code === 'OK') {
      expect(this.#engine.isEnded).toBe(true)
      expect(this.#engine.error).toBeUndefined()
      return
    }
    const error = await this.#engine.end()
    expect(status[error.code]).toBe(wanted.code)
    expect(error.details).toContain(wanted.message)
  }

  #send(message: string | Loose): void {
    this.#engine.send(this.#fill(message) as Loose)
  }

  /** Names to the loader's, `$` words to what they stand for. */
  #fill(value: unknown): unknown {
    if (value === '$hello') return this.#fill({ $hello: {} })
    if (value === '$vocabulary_chunk') return vocabularyChunk()
    if (value === '$vocabulary') return Buffer.from(byteVocabulary().textDigest, 'hex')
    if (value === '$full_vocabulary') return Buffer.from(byteVocabulary().digest, 'hex')
    if (value === '$program') return this.#program()
    if (value === '$none') return Buffer.alloc(0)
    if (value === '$other') return Buffer.alloc(32, 9)
    if (Array.isArray(value)) return value.map((item) => this.#fill(item))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).map(
      ([key, item]) => [camel(key), key.startsWith('$') ? item : this.#fill(item)] as const,
    )
    const { $hello, $vocabularyChunk, ...rest } = Object.fromEntries(entries) as Loose
    if ($hello !== undefined) return hello({ slots: 8, ...(this.#fill($hello) as Loose) })
    if ($vocabularyChunk !== undefined) return cut($vocabularyChunk as Cut)
    return rest
  }

  #program(): Buffer {
    const [set] = this.#plane.book.sets().values()
    return Buffer.from(set?.defaultProgram ?? known, 'hex')
  }
}

type Cut = {
  readonly from: number
  readonly to: number
  readonly spoil?: boolean
  /** What the control tokens are called; other names than the vocabulary has, or none. */
  readonly names?: readonly string[]
}

function cut({ from, to, spoil, names }: Cut): Loose {
  const { kinds, lengths, data } = vocabularyChunk().vocabulary
  const known = names ?? [...byteVocabulary().names.values()]
  const called = known.slice(Math.max(from, 256) - 256, Math.max(to, 256) - 256)
  const bytes = Buffer.from(data.subarray(Math.min(from, 256), Math.min(to, 256)))
  if (spoil === true) bytes[0] = 1
  return vocabularyChunk({
    firstId: from,
    kinds: kinds.subarray(from, to),
    lengths: lengths.slice(from, to),
    data: bytes,
    nameLengths: called.map((name) => name.length),
    names: Buffer.from(called.join('')),
  })
}

/** The default program before any engine is there: what a reconnecting engine still holds. */
let known = ''

describe('the step protocol', () => {
  it.each(cases)('$name', async ({ talk }) => {
    const socket = temporarySocket()
    const made = createNaivePlane(socket, toBans(['bad', 'worse']), 'closed')
    known = made.digestFor(byteVocabulary())
    await made.plane.start()
    cleanups.push(() => made.plane.stop(0))
    const player = new Player(made, socket)
    for (const turn of talk) await player.play(turn)
  })
})
