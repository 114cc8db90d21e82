/**
 * Other gateways under the same load: Portkey's from npm and LiteLLM from PyPI, installed by this file
 * into an ignored folder. One that cannot be installed or started is left out with a message.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, freePort, repository, whenUp } from '../e2e/process.ts'

export type Other = {
  readonly name: string
  readonly version: string
  readonly model: string
  readonly running: Running
}

const FOLDER = join(repository, 'node_modules/.cache/gateways')
const PORTKEY = '1.15.2'

export async function startOthers(upstream: string): Promise<readonly Other[]> {
  const started: Other[] = []
  for (const start of [startPortkey, startLiteLlm]) {
    try {
      started.push(await start(upstream))
    } catch (error) {
      console.error(`left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return started
}

async function startPortkey(upstream: string): Promise<Other> {
  const folder = join(FOLDER, `portkey-${PORTKEY}`)
  const root = join(folder, 'node_modules/@portkey-ai/gateway')
  // Its range allows later ones, with which every answer is a 500, "TypeError: immutable"
  // (Portkey-AI/gateway#1389); this is the one that its own lock file names.
  const overrides = { '@hono/node-server': '1.13.5' }
  if (!existsSync(root)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }))
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund']
    install('npm', ['install', ...quiet, `@portkey-ai/gateway@${PORTKEY}`], folder)
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  const port = await freePort()
  const child = spawn(
    process.execPath,
    [join(root, 'build/start-server.js'), `--port=${port}`, '--headless'],
    {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1' },
    },
  )
  const running = await whenUp(child, `http://127.0.0.1:${port}`, '/')
  const headers = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${upstream}/v1` }
  return { name: 'portkey', version, model: 'm', running: { ...running, headers } }
}

async function startLiteLlm(upstream: string): Promise<Other> {
  const venv = join(FOLDER, 'litellm')
  const python = join(venv, 'bin/python')
  if (!existsSync(join(venv, 'bin/litellm'))) {
    mkdirSync(FOLDER, { recursive: true })
    install('python3', ['-m', 'venv', venv], FOLDER)
    install(python, ['-m', 'pip', 'install', '--quiet', 'litellm[proxy]'], FOLDER)
  }
  const asked = "import importlib.metadata as m; print(m.version('litellm'))"
  const version = spawnSync(python, ['-c', asked]).stdout.toString().trim()
  const config = join(FOLDER, 'litellm.yaml')
  const litellm_params = { model: 'openai/m', api_base: `${upstream}/v1`, api_key: 'bench' }
  writeFileSync(config, JSON.stringify({ model_list: [{ model_name: 'm', litellm_params }] }))
  const port = await freePort()
  const args = ['--config', config, '--host', '127.0.0.1', '--port', String(port)]
  const child = spawn(join(venv, 'bin/litellm'), [...args, '--telemetry', 'False'], {
    cwd: FOLDER,
    stdio: 'ignore',
    // It would fetch its table of prices first, and does not start without a master key.
    env: {
      ...process.env,
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
    },
  })
  const running = await whenUp(child, `http://127.0.0.1:${port}`, '/health/liveliness')
  return { name: 'litellm', version, model: 'm', running }
}

function install(command: string, args: readonly string[], cwd: string): void {
  console.error(`installing: ${command} ${args.join(' ')}`)
  const { status, stderr } = spawnSync(command, args, { cwd })
  if (status === 0) return
  throw new Error(`${command} ${args.join(' ')}: ${String(stderr).trim().split('\n').at(-1) ?? ''}`)
}
