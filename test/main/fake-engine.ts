/**
 * An engine for tests of the composition: attaches over the real socket with a byte vocabulary, takes
 * programs, and answers completions on a Unix socket as an engine with (or without) binding masks.
 */
import { startUpstream, json } from '../proxy/upstream.ts'
import type { MockUpstream, Script } from '../proxy/upstream.ts'
import { TestEngine } from '../step/client.ts'
import { byteVocabulary, hello } from '../step/fakes.ts'
import { naiveProgram } from '../step/naive-program.ts'
import type { PlaneKit } from '../../src/main/serving-plane.ts'
import type { Vocabulary } from '../step/fakes.ts'

export const vocabulary = byteVocabulary()

export function naiveKit(env: Readonly<Record<string, string>> = {}): PlaneKit<Vocabulary> {
  const walks = new Map<string, ReturnType<typeof naiveProgram>>()
  return {
    compile: (bans, words) => {
      const made = naiveProgram(bans, words)
      walks.set(made.image.digest, made)
      return Promise.resolve(made.image)
    },
    load: (image) => {
      const made = walks.get(image.digest)
      if (made === undefined) throw new Error('a program of another process')
      return made.walk
    },
    vocabularies: {
      load: (digest) => Promise.resolve(digest === vocabulary.digest ? vocabulary : undefined),
      save: () => Promise.resolve(),
      assemble: () => () => undefined,
      maxVocabularies: 4,
    },
    kinds: (words) => words.kinds,
    spell: () => '',
    env,
  }
}

export type FakeEngine = {
  readonly upstream: MockUpstream
  readonly attach: (socket: string) => TestEngine
  /** Whether its masks bind. */
  binds: boolean
}

/** `script` answers everything but the canary's own requests. */
export async function startFakeEngine(script: Script): Promise<FakeEngine> {
  const upstream = await startUpstream((response, seen) => {
    if (seen.url === '/v1/models') return json(response, { data: [{ id: 'fake' }] })
    const xargs = seen.body['vllm_xargs'] as Record<string, unknown> | undefined
    if (String(xargs?.['checkstream_rid']).startsWith('checkstream-canary')) {
      const masked = engine.binds && xargs?.['checkstream_program'] !== undefined
      return json(response, { choices: [{ text: masked ? 'aaaa' : 'eeee' }] })
    }
    return script(response, seen)
  })
  const engine: FakeEngine = { upstream, attach, binds: true }
  return engine
}

function attach(socket: string): TestEngine {
  const client = new TestEngine(socket)
  client.send(hello())
  client.stream.on('data', (message: { body: string; bindings?: { livePrograms: Buffer[] } }) => {
    for (const digest of message.bindings?.livePrograms ?? []) {
      client.send({ programStatus: { digest, ready: true, error: '' } })
    }
  })
  return client
}
