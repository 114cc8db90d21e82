/** The demo model in the embedded engine behind a real sidecar: real sockets, real programs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../src/config/file.ts'
import { createEngine, ROWS } from '../../src/engine/assemble.ts'
import { StepClient } from '../../src/engine/client-grpc.ts'
import { createHttpServer } from '../../src/engine/http.ts'
import { startSidecar, type Sidecar } from '../../src/main.ts'
import { createProgramKit } from '../../src/main/rows/program-kit.ts'

export const MODEL = join(import.meta.dirname, '../../models/demo-lm')

export type GuardedEngine = {
  readonly sidecar: Sidecar
  /** An answer of the engine, through the sidecar. */
  readonly ask: (body: object) => Promise<Response>
  readonly stop: () => Promise<void>
}

/** Ready when it returns, or after 40 seconds; `policy` is the one policy in force. */
export async function startGuardedEngine(policy: string): Promise<GuardedEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-guarded-'))
  const path = (name: string): string => join(folder, name)
  mkdirSync(path('policies'))
  writeFileSync(path('policies/site.yaml'), policy)
  writeFileSync(path('banned.json'), '[]')
  let client: StepClient | undefined
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
  const plain = createHttpServer(engine)
  await new Promise<void>((resolve) => {
    plain.listen(path('engine.sock'), resolve)
  })
  const kit = createProgramKit({})
  const sidecar = await startSidecar(loadConfig({ flags: settingsIn(path), env: {} }), kit)
  client?.start()
  for (let i = 0; i < 400 && !sidecar.readiness().ready; i++) await sleep(100)
  return {
    sidecar,
    ask: (body) =>
      fetch(`${sidecar.url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ model: 'demo-lm', ...body }),
      }),
    async stop() {
      await sidecar.stop()
      await kit.close()
      await client?.close()
      await scheduler.close()
      plain.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function settingsIn(path: (name: string) => string) {
  const settings: readonly (readonly [string, string])[] = [
    ['vllm.socket', path('step.sock')],
    // A busy machine may take long; nothing here measures time.
    ['vllm.deadline', '5s'],
    ['backend.url', `unix://${path('engine.sock')}`],
    ['policies.path', path('policies')],
    ['guardrails.preventive.logit_masking.banned_tokens_file', path('banned.json')],
    ['cache.path', path('cache')],
    ['server.host', '127.0.0.1'],
    ['server.port', '0'],
    ['server.drain', '100ms'],
    ['telemetry.log_level', 'silent'],
  ]
  return settings.map(([key, text]) => ({ path: key.split('.'), text, from: '--set' }))
}
