/** The whole path with the embedded engine: real sidecar, real sockets, real programs, the demo model. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/engine/assemble.ts'
import { UNGUARDED } from '../../src/engine/hooks.ts'
import { createHttpServer } from '../../src/engine/http.ts'
import { MODEL, startGuardedEngine, type GuardedEngine } from './site.ts'

const POLICY = `name: words
rules:
  - name: no-guarantees
    trigger: { type: keywords, any: [guaranteed returns, guaranteed profit] }
    actions: [{ type: ban }]
`
const QUESTION = 'Tell me about the Larkfield Growth Fund.'

describe.skipIf(!existsSync(MODEL))('the embedded engine behind the sidecar', () => {
  let guarded: GuardedEngine

  beforeAll(async () => {
    guarded = await startGuardedEngine(POLICY)
  }, 60_000)

  afterAll(() => guarded.stop())

  const ask = async (more: object = {}): Promise<string> => {
    const messages = [{ role: 'user', content: QUESTION }]
    const response = await guarded.ask({ messages, max_tokens: 60, ...more })
    const body = (await response.json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[]
    }
    return body.choices.map((choice) => choice.message.content).join('\n')
  }

  it('becomes ready: the canary has proved that masks bind', () => {
    expect(guarded.sidecar.readiness()).toMatchObject({ ready: true })
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
