/** The whole path with the embedded engine: real sidecar, real sockets, real programs, the demo model. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/file.ts'
import { createEngine, ROWS } from '../../src/engine/assemble.ts'
import { StepClient } from '../../src/engine/client-grpc.ts'
import { UNGUARDED } from '../../src/engine/hooks.ts'
import { createHttpServer } from '../../src/engine/http.ts'
import { startSidecar, type Sidecar } from '../../src/main.ts'
import { createProgramKit } from '../../src/main/program-kit.ts'

const MODEL = join(import.meta.dirname, '../../models/demo-lm')
const POLICY = `name: words
rules:
  - name: no-guarantees
    trigger: { type: keywords, any: [guaranteed returns, guaranteed profit] }
    actions: [{ type: ban }]
`
const QUESTION = 'Tell me about the Larkfield Growth Fund.'

describe.skipIf(!existsSync(MODEL))('the embedded engine behind the sidecar', () => {
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-guarded-'))
  const closing: (() => Promise<unknown> | void)[] = []
  let sidecar: Sidecar
  let plain: Server
  let client: StepClient | undefined

  beforeAll(async () => {
    const path = (name: string): string => join(folder, name)
    mkdirSync(path('policies'))
    writeFileSync(path('policies/words.yaml'), POLICY)
    writeFileSync(path('banned.json'), '[]')
    const { engine, scheduler } = await createEngine({
      model: MODEL,
      name: 'demo-lm',
      threads: 1,
      hooks: (_, tokenizer) => {
        client = new StepClient({
          socket: path('step.sock'),
          onFailure: 'closed',
          modelName: 'demo-lm',
          version: '0',
          slots: ROWS,
          width: tokenizer.vocabulary.size,
          vocabulary: tokenizer.vocabulary,
          observe: () => undefined,
        })
        return client.hooks
      },
      onFailure: (error) => {
        throw error
      },
      now: () => 0,
    })
    plain = createHttpServer(engine)
    await new Promise<void>((resolve) => {
      plain.listen(path('engine.sock'), resolve)
    })
    const settings: readonly (readonly [string, string])[] = [
      ['vllm.socket', path('step.sock')],
      ['backend.url', `unix://${path('engine.sock')}`],
      ['policies.path', path('policies')],
      ['guardrails.preventive.logit_masking.banned_tokens_file', path('banned.json')],
      ['cache.path', path('cache')],
      ['server.host', '127.0.0.1'],
      ['server.port', '0'],
      ['server.drain', '100ms'],
      ['telemetry.log_level', 'silent'],
    ]
    const flags = settings.map(([key, text]) => ({ path: key.split('.'), text, from: '--set' }))
    const kit = createProgramKit({})
    sidecar = await startSidecar(loadConfig({ flags, env: {} }), kit)
    client?.start()
    closing.push(
      () => sidecar.stop(),
      () => kit.close(),
      () => client?.close(),
      () => scheduler.close(),
      () => void plain.close(),
      () => rmSync(folder, { recursive: true, force: true }),
    )
    for (let i = 0; i < 400 && !sidecar.readiness().ready; i++) await sleep(100)
  }, 60_000)

  afterAll(async () => {
    for (const close of closing) await close()
  })

  const ask = async (more: object = {}): Promise<string> => {
    const response = await fetch(`${sidecar.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'demo-lm',
        messages: [{ role: 'user', content: QUESTION }],
        max_tokens: 60,
        ...more,
      }),
    })
    const body = (await response.json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[]
    }
    return body.choices.map((choice) => choice.message.content).join('\n')
  }

  it('becomes ready: the canary has proved that masks bind', () => {
    expect(sidecar.readiness()).toMatchObject({ ready: true })
  })

  it('cannot say a banned phrase, greedy or sampled, one by one or together', async () => {
    const sampled = Array.from({ length: 24 }, (_, seed) => ask({ temperature: 1, seed }))
    for (const text of [await ask({ temperature: 0 }), ...(await Promise.all(sampled))]) {
      expect(text).not.toMatch(/guaranteed (returns|profit)\b/)
      expect(text.length).toBeGreaterThan(20)
    }
  })

  it('says it without the guard', async () => {
    const bare = await createEngine({
      model: MODEL,
      name: 'demo-lm',
      threads: 1,
      hooks: () => UNGUARDED,
      onFailure: () => undefined,
      now: () => 0,
    })
    const server = createServer(createHttpServer(bare.engine).listeners('request')[0] as never)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.address() as { readonly port: number }
    const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        messages: [{ role: 'user', content: QUESTION }],
        temperature: 0,
        max_tokens: 60,
      }),
    })
    expect(await response.text()).toContain('guaranteed returns')
    server.close()
  })
})
