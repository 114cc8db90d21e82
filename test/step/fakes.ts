/** Small parts of the right types for tests of the door and the path; no engine, no policy room. */
import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Guard } from '../../src/guard.ts'
import type { GuardParts } from '../../src/guard.ts'
import type { Decision } from '../../src/model/decision.ts'
import type { EngineInfo, ProgramSet } from '../../src/model/engine.ts'
import type { GuardEvent } from '../../src/model/event.ts'
import type { Opened, SamplingParameters } from '../../src/model/step.ts'
import { DEFAULT_LIMITS } from '../../src/session/limits.ts'
import type { TokenBytes } from '../../src/session/row-text.ts'
import type { Walk } from '../../src/session/session.ts'
import { DEFAULT_BOUNDS } from '../../src/step/bounds.ts'
import type { StepServerEvent, StepServerParts } from '../../src/step/grpc.ts'

export type Vocabulary = TokenBytes & {
  readonly kinds: Uint8Array
  readonly names: ReadonlyMap<number, string>
  readonly digest: string
  readonly textDigest: string
}

/** One byte a token (0 to 255), then a control token called `[bad]` and an end-of-text token, `</s>`. */
export const byteVocabulary = (): Vocabulary => BYTES

function makeByteVocabulary(): Vocabulary {
  const size = 258
  const data = Uint8Array.from({ length: 256 }, (_, i) => i)
  const offsets = Uint32Array.from({ length: size + 1 }, (_, i) => Math.min(i, 256))
  const kinds = Uint8Array.from({ length: size }, (_, i) => (i < 256 ? 0 : i === 256 ? 1 : 3))
  const names = new Map([
    [256, '[bad]'],
    [257, '</s>'],
  ])
  const textDigest = vocabularyDigest(kinds, offsets, data)
  const digest = namedDigest(textDigest, [...names.values()])
  return { size, data, offsets, kinds, names, textDigest, digest }
}

/** `names`: one for each control and end token. */
export function namedDigest(textDigest: string, names: readonly string[]): string {
  const lengths = Buffer.alloc(4 * names.length)
  for (const [i, name] of names.entries()) lengths.writeUInt32LE(Buffer.byteLength(name), 4 * i)
  return createHash('sha256')
    .update('checkstream-vocabulary/2\n')
    .update(Buffer.from(textDigest, 'hex'))
    .update(lengths)
    .update(names.join(''))
    .digest('hex')
}

export function vocabularyDigest(
  kinds: Uint8Array,
  offsets: Uint32Array,
  data: Uint8Array,
): string {
  const lengths = new DataView(new ArrayBuffer(4 * kinds.length))
  kinds.forEach((_, i) => lengths.setUint32(4 * i, (offsets[i + 1] ?? 0) - (offsets[i] ?? 0), true))
  const size = Buffer.alloc(4)
  size.writeUInt32LE(kinds.length)
  return createHash('sha256')
    .update('checkstream-vocabulary/1\n')
    .update(size)
    .update(kinds)
    .update(new Uint8Array(lengths.buffer))
    .update(data)
    .digest('hex')
}

const BYTES = makeByteVocabulary()

/** Bans the byte "X" after the byte "x": state 1 after x, state 2 is dead. */
export const walkX: Walk = {
  digest: 'a'.repeat(64),
  start: 0,
  next: (state, token) =>
    state === 2 ? 2 : token === 120 ? 1 : state === 1 && token === 88 ? 2 : 0,
  isDead: (state) => state === 2,
}

/** What a client that asks for nothing is sampled with. */
export const SAMPLING: SamplingParameters = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  maxTokens: 0,
  stopToken: undefined,
}

/** A row as an engine opens it. */
export const openedRow = (more: Partial<Opened> = {}): Opened => ({
  slot: 0,
  generation: 1,
  requestId: 'r',
  tenant: '',
  policy: '',
  program: '',
  promptLength: 1,
  promptTokenIds: [],
  outputTokenIds: [],
  sampling: SAMPLING,
  child: 0,
  ...more,
})

export const allow = (revision: string): Decision => ({
  revision,
  sync: false,
  text: [],
  firings: [],
})

export type TestPolicy = {
  readonly digest: string
  readonly onFailure: 'closed' | 'open' | 'resident'
}

export type TestGuard = {
  readonly guard: Guard<TestPolicy>
  readonly events: GuardEvent[]
  readonly clock: { ms: number }
}

export function createTestGuard(parts: Partial<GuardParts<TestPolicy>> = {}): TestGuard {
  const events: GuardEvent[] = []
  const clock = { ms: 0 }
  const vocabulary = byteVocabulary()
  const guard = new Guard<TestPolicy>({
    policy: () => ({ digest: 'p'.repeat(64), onFailure: 'resident' }),
    decide: (policy) => allow(policy.digest),
    vocabulary: () => vocabulary,
    programs: {
      find: (digest) => (digest === walkX.digest ? walkX : undefined),
      expected: () => walkX,
    },
    watch: () => [],
    observe: (event) => events.push(event),
    isObserved: () => true,
    now: () => clock.ms,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    limits: DEFAULT_LIMITS,
    ...parts,
  })
  return { guard, events, clock }
}

export function engineInfo(more: Partial<EngineInfo> = {}): EngineInfo {
  return {
    id: 'test/1/dp0',
    name: 'test',
    version: '1',
    runner: 'test',
    model: 'test',
    protocolMinor: 0,
    logitsWidth: 258,
    vocabularyDigest: byteVocabulary().digest,
    textDigest: byteVocabulary().textDigest,
    endTokenIds: [257],
    slots: 64,
    tensorParallelSize: 1,
    dataParallelRank: 0,
    capabilities: [],
    heldPrograms: [],
    ...more,
  }
}

export const temporarySocket = (): string =>
  join(mkdtempSync(join(tmpdir(), 'checkstream-')), 'test.sock')

export type Parts = { -readonly [K in keyof StepServerParts]: StepServerParts[K] }

/** Server parts around a test guard: the vocabulary is asked for once, one program of 300 000 bytes. */
export function serverParts(guard: Guard<TestPolicy>, events: StepServerEvent[] = []): Parts {
  const known = new Set<string>()
  const program = { digest: walkX.digest, blob: new Uint8Array(300_000).fill(7) }
  const set: ProgramSet = { revision: 1, defaultProgram: program.digest, programs: [program] }
  return {
    bounds: DEFAULT_BOUNDS,
    welcome: {
      sidecarVersion: '0.1.0',
      wantPromptTokens: false,
      deadlineUs: 20_000,
      coalesceSteps: 8,
      coalesceUs: 10_000,
      onFailure: 'resident',
      breakerMisses: 3,
      breakerOpenMs: 1_000,
      reportState: true,
    },
    vocabularies: {
      find: (engine) => Promise.resolve(known.has(engine.vocabularyDigest)),
      intake: (engine) => {
        let got = 0
        return {
          add: (chunk) => {
            got += chunk.kinds.length
            if (got < engine.logitsWidth) return false
            known.add(engine.vocabularyDigest)
            return true
          },
        }
      },
    },
    programs: (_, changed) => {
      changed(set)
      return () => undefined
    },
    seat: (engine, push) => guard.attach(engine, push),
    socket: { path: temporarySocket(), mode: 0o660 },
    observe: (event) => events.push(event),
    liveRows: () => guard.liveRows,
  }
}

/** A Hello that is accepted. */
export function hello(more: Readonly<Record<string, unknown>> = {}) {
  const vocabulary = byteVocabulary()
  return {
    hello: {
      protocolMajor: 1,
      protocolMinor: 0,
      engineId: 'test/1/dp0',
      engineName: 'test',
      engineVersion: '1',
      runner: 'test',
      model: 'test',
      logitsWidth: vocabulary.size,
      vocabularyDigest: Buffer.from(vocabulary.textDigest, 'hex'),
      fullVocabularyDigest: Buffer.from(vocabulary.digest, 'hex'),
      endTokenIds: [257],
      slots: 64,
      tensorParallelSize: 1,
      capabilities: ['stop'],
      heldPrograms: [],
      dataParallelRank: 0,
      ...more,
    },
  }
}

export function vocabularyChunk(more: Readonly<Record<string, unknown>> = {}) {
  const { kinds, data, textDigest, size, names } = byteVocabulary()
  return {
    vocabulary: {
      digest: Buffer.from(textDigest, 'hex'),
      totalEntries: size,
      firstId: 0,
      kinds,
      lengths: Array.from({ length: size }, (_, i) => (i < 256 ? 1 : 0)),
      data,
      nameLengths: [...names.values()].map((name) => name.length),
      names: Buffer.from([...names.values()].join('')),
      ...more,
    },
  }
}
