/** A sidecar in a process of its own for benches: `checkstream serve` on sockets of a temporary folder. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export type SidecarProcess = {
  readonly folder: string
  readonly socket: string
  readonly stop: () => Promise<void>
}

export const repository = resolve(import.meta.dirname, '../..')

/** A Python that has the plugin's dependencies: CHECKSTREAM_VLLM_VENV, .venv-vllm, or python3. */
export function findPython(): string {
  const given = process.env['CHECKSTREAM_VLLM_VENV']
  const venvs = [given, join(repository, '.venv-vllm')].filter((v) => v !== undefined && v !== '')
  const found = venvs.map((venv) => join(String(venv), 'bin/python')).find((p) => existsSync(p))
  return found ?? 'python3'
}

/** Bans are texts; `isAwaited` adds a policy whose rules make every row wait for the sidecar. */
export async function startSidecarProcess(
  bans: readonly string[],
  isAwaited = false,
  folder = mkdtempSync(join(tmpdir(), 'checkstream-')),
): Promise<SidecarProcess> {
  const socket = join(folder, 'step.sock')
  mkdirSync(join(folder, 'policies'), { recursive: true })
  const folds = bans.map((text) => ({ text, match: 'substring', folds: ['case'] }))
  writeFileSync(join(folder, 'banned.json'), JSON.stringify(folds))
  if (isAwaited) writeFileSync(join(folder, 'policies/awaited.yaml'), AWAITED)
  const config = {
    vllm: { socket },
    server: { host: '127.0.0.1', port: 0 },
    backend: { url: `unix://${join(folder, 'vllm.sock')}` },
    guardrails: {
      preventive: { logit_masking: { banned_tokens_file: join(folder, 'banned.json') } },
    },
    policies: { path: join(folder, 'policies') },
    cache: { path: join(folder, 'cache') },
    telemetry: { log_level: 'error' },
  }
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config))
  const args = ['serve', '--config', join(folder, 'config.yaml')]
  const child = spawn('node', [join(repository, 'dist/cli.js'), ...args], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  for (let waited = 0; !existsSync(socket); waited += 50) {
    if (waited > 30_000 || child.exitCode !== null)
      throw new Error(
        `the sidecar did not start (${child.exitCode ?? 'still starting'}, ${waited} ms)`,
      )
    await sleep(50)
  }
  return {
    folder,
    socket,
    async stop() {
      child.kill('SIGTERM')
      for (let waited = 0; child.exitCode === null && waited < 3_000; waited += 50) await sleep(50)
      child.kill('SIGKILL')
    },
  }
}

const AWAITED = `name: awaited
description: Every row waits for the sidecar at every step.
version: '1'
rules:
  - name: wait
    description: A pattern that never occurs, waited for.
    phase: step
    wait: true
    mode: enforce
    trigger: { type: pattern, pattern: 'zqzqzqzq' }
    actions: [{ type: stop, message: stopped }]
`
