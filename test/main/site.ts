/** The whole program with a scripted upstream, in either mode, for tests and benches of what is wired. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../src/config/file.ts'
import type { Setting } from '../../src/config/layers.ts'
import { startSidecar } from '../../src/main.ts'
import type { Sidecar } from '../../src/main.ts'
import type { Judges } from '../../src/main/scores/judges.ts'
import { temp } from '../proxy/upstream.ts'
import type { MockUpstream, Script } from '../proxy/upstream.ts'
import { naiveKit, startFakeEngine } from './fake-engine.ts'

/** Rules of a policy that redact, replace and stop in answers. */
export const ANSWER_RULES = `  - name: cards
    trigger: { type: pattern, pattern: 'ACC-[0-9]{6}' }
    actions: [{ type: redact, replacement: '[account]' }]
  - name: promises
    phase: midstream
    trigger: { type: keywords, any: [guaranteed returns] }
    actions: [{ type: replace, replacement: possible returns }]
  - name: bombs
    phase: midstream
    trigger: { type: keywords, any: [build a bomb, the bomb] }
    actions: [{ type: stop, message: Not here. }]
`

export type Mode = 'sidecar' | 'proxy'
export const MODES: readonly Mode[] = ['sidecar', 'proxy']

export type Site = {
  readonly url: string
  readonly sidecar: Sidecar
  readonly upstream: MockUpstream
  readonly close: () => Promise<void>
}

export type SiteParts = {
  /** YAML, one policy a file. */
  readonly policies: readonly string[]
  readonly script: Script
  readonly settings?: Readonly<Record<string, string>>
  readonly judges?: Judges
}

/** Flags of a sidecar that a test starts: any free port, nothing on the log, a short end. */
export function siteFlags(settings: Readonly<Record<string, string>>): readonly Setting[] {
  const all = {
    'server.host': '127.0.0.1',
    'server.port': '0',
    'server.drain': '100ms',
    'telemetry.log_level': 'silent',
    ...settings,
  }
  return Object.entries(all).map(([key, text]) => ({ path: key.split('.'), text, from: '--set' }))
}

export async function startSite(mode: Mode, parts: SiteParts): Promise<Site> {
  const engine = await startFakeEngine(parts.script)
  const socket = temp('checkstream.sock')
  const policies = join(dirname(socket), 'policies')
  mkdirSync(policies)
  parts.policies.forEach((text, i) => writeFileSync(join(policies, `p${i}.yaml`), text))
  const banned = join(dirname(socket), 'banned.json')
  writeFileSync(banned, '[]')
  const flags = siteFlags({
    mode,
    'vllm.socket': socket,
    'backend.url': engine.upstream.url,
    'policies.path': policies,
    'guardrails.preventive.logit_masking.banned_tokens_file': banned,
    ...parts.settings,
  })
  const kit = { ...naiveKit(), ...(parts.judges === undefined ? {} : { judges: parts.judges }) }
  const sidecar = await startSidecar(loadConfig({ flags, env: {} }), kit)
  const client = mode === 'sidecar' ? engine.attach(socket) : undefined
  for (let i = 0; i < 500 && !sidecar.readiness().ready; i++) await sleep(20)
  return {
    url: sidecar.url,
    sidecar,
    upstream: engine.upstream,
    async close() {
      client?.close()
      await sidecar.stop()
      await engine.upstream.close()
    },
  }
}
