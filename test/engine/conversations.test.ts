/**
 * The conversations of test/data/step, as the embedded engine writes and reads them: every `engine`
 * message comes out of its outbox and through protobuf as the case has it, and every `sidecar` message
 * becomes the call of the hooks that it stands for. The server's half is test/step.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { EngineStats } from '../../src/engine/engine-stats.ts'
import { Incoming } from '../../src/engine/incoming.ts'
import type { IncomingParts, SidecarMessage } from '../../src/engine/incoming.ts'
import { Outbox } from '../../src/engine/outbox.ts'
import { engineService } from '../../src/step/proto-file.ts'
import type { WireOpened } from '../../src/step/wire.ts'
import type { Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import type { Loose } from '../step/client.ts'
import { byteVocabulary } from '../step/fakes.ts'

type Turn = {
  readonly engine?: string | Loose
  readonly attach?: Loose
  readonly sidecar?: Readonly<Record<string, Loose>>
}
type Case = { readonly name: string; readonly talk: readonly Turn[] }

const FILE = join(import.meta.dirname, '../data/step/conversations.yaml')
const cases = parse(readFileSync(FILE, 'utf8')) as readonly Case[]
const { Attach } = engineService()
const words = byteVocabulary()
const digests: Readonly<Record<string, Buffer>> = {
  $vocabulary: Buffer.from(words.textDigest, 'hex'),
  $program: Buffer.alloc(32, 1),
  $other: Buffer.alloc(32, 9),
  $none: Buffer.alloc(0),
}

/** Names to the loader's, `$` words to what they stand for. */
function fill(value: unknown): unknown {
  if (typeof value === 'string') return digests[value] ?? value
  if (Array.isArray(value)) return value.map(fill)
  if (typeof value !== 'object' || value === null) return value
  const camel = (key: string): string => key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [camel(key), fill(item)]))
}

/** What the hooks were told and what was sent back, in order. */
type Heard = [string, ...unknown[]][]

function listen(heard: Heard): Incoming {
  const vocabulary: Vocabulary = words
  const parts: IncomingParts = {
    hooks: {
      agreed: (terms) => heard.push(['welcome', terms]),
      programReady: (program) => heard.push(['program', program.digest]),
      bound: (program, live) => heard.push(['bindings', program, live]),
      denySet: (...told) => heard.push(['denySet', ...told]),
      told: (rows) => heard.push(['told', rows]),
    },
    stats: new EngineStats(),
    vocabulary,
    width: words.size,
    send: (message) => heard.push(['sent', message]),
    bound: () => heard.push(['ready']),
    answered: (sequence) => heard.push(['answered', sequence]),
  }
  return new Incoming(parts)
}

class Embedded {
  readonly #outbox = new Outbox()
  readonly #heard: Heard = []
  readonly #incoming = listen(this.#heard)

  play({ engine, attach, sidecar }: Turn): void {
    if (typeof engine === 'object' && 'step' in engine) this.#step(fill(engine['step']) as Loose)
    if (attach !== undefined) {
      this.#hear('welcome', {
        protocolMajor: 1,
        needVocabulary: attach['held_programs'] === undefined,
      })
      this.#hear('bindings', { defaultProgram: digests['$program'] })
    }
    for (const [kind, body] of Object.entries(sidecar ?? {})) this.#hear(kind, fill(body) as Loose)
  }

  /** Through the outbox, through protobuf, and the same as in the case. */
  #step(wanted: Loose): void {
    const list = <T>(key: string): readonly T[] => (wanted[key] ?? []) as readonly T[]
    for (const opened of list<WireOpened>('opened')) this.#outbox.open(opened, 0)
    for (const [index, slot] of list<number>('slot').entries()) {
      const at = (key: string): number => list<number>(key)[index] ?? 0
      const state = list<number>('state')[index]
      const entry = { generation: at('generation'), position: at('position'), token: at('token') }
      this.#outbox.add({ slot, ...entry, state }, 0)
    }
    for (const closed of list<Parameters<Outbox['close']>[0]>('closed'))
      this.#outbox.close(closed, 0)
    const step = this.#outbox.take(wanted['awaited'] === true, 0)
    const read = Attach?.requestDeserialize(Attach.requestSerialize({ step })) as { step: Loose }
    expect(read.step).toMatchObject(wanted)
  }

  #hear(kind: string, named: Loose): void {
    const body = kind === 'welcome' ? { protocolMajor: 1, ...named } : named
    const bytes = Attach?.responseSerialize({ [kind]: body }) ?? Buffer.alloc(0)
    const before = this.#heard.length
    this.#incoming.take(Attach?.responseDeserialize(bytes) as SidecarMessage)
    this.#check(kind, body, this.#heard.slice(before))
  }

  #check(kind: string, body: Loose, heard: Heard): void {
    const kinds = heard.map(([name]) => name)
    if (kind === 'welcome') {
      expect(kinds[0]).toBe('welcome')
      expect(heard[0]?.[1]).toMatchObject({ reportState: body['reportState'] === true })
      expect(kinds.slice(1)).toEqual(body['needVocabulary'] === true ? ['sent'] : [])
      if (body['needVocabulary'] === true) this.#vocabulary(heard[1]?.[1])
    } else if (kind === 'bindings') expect(kinds).toEqual(['bindings', 'ready'])
    else if (kind === 'directives') {
      const rows = (body['rows'] ?? []) as readonly Loose[]
      const sequence = body['sequence'] as number
      const told = rows.length === 0 ? [] : [['told', rows]]
      expect(heard).toMatchObject([...told, ...(sequence > 0 ? [['answered', sequence]] : [])])
    } else expect(kinds).toEqual([])
  }

  #vocabulary(sent: unknown): void {
    const read = Attach?.requestDeserialize(Attach.requestSerialize(sent as object))
    expect(read).toMatchObject({
      vocabulary: {
        digest: digests['$vocabulary'],
        totalEntries: words.size,
        firstId: 0,
        nameLengths: [5, 4],
        names: Buffer.from('[bad]</s>'),
      },
    })
  }
}

describe('the embedded engine in the step protocol', () => {
  it.each(cases)('writes and reads: $name', ({ talk }) => {
    const embedded = new Embedded()
    for (const turn of talk) embedded.play(turn)
  })
})
