/** `checkstream doctor`: reads the configuration as `serve` does, then looks at what runs. */
import process from 'node:process'
import { loadConfig } from '../config/file.ts'
import { FLAG_OPTIONS, toFlagSettings } from '../config/flags.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import { printDoctor, runDoctor } from '../doctor/doctor-cli.ts'
import { createUpstream } from '../proxy/upstream-http.ts'
import type { Upstream } from '../proxy/upstream-http.ts'
import { PROTOCOL_MAJOR } from '../step/bounds.ts'
import { readFlags } from './flags.ts'

const HELP = `checkstream doctor [--config FILE] [flags as serve] [--url URL] [--python PATH] [--json]
  --url     where the running sidecar listens; default: this machine, server.port
  --python  a Python to look for the plugin in: that of vLLM
  --json    for machines
One line a check, with what to do. Exit code 1 when a check failed.`

const TIMEOUT_MS = 5_000
const MAX_MODELS = 16
const MAX_BYTES = 1024 * 1024

export async function runDoctorCommand(argv: readonly string[]): Promise<number> {
  const { values } = readFlags(argv, {
    ...FLAG_OPTIONS,
    url: { type: 'string' },
    python: { type: 'string' },
    json: { type: 'boolean' },
  })
  if (values['help'] === true) {
    console.log(HELP)
    return 0
  }
  const file = typeof values['config'] === 'string' ? values['config'] : undefined
  const { config } = loadConfig({ file, flags: toFlagSettings(values) })
  const url = typeof values['url'] === 'string' ? values['url'] : ownUrl(config.server)
  const upstream = createUpstream({
    url: config.backend.url,
    timeoutMs: TIMEOUT_MS,
    connections: 1,
    attempts: 1,
    backoff: 'constant',
    apiKey: process.env[config.backend.api_key_env] ?? '',
  })
  try {
    const checks = await runDoctor({
      socket: config.vllm.socket,
      backend: config.backend.url,
      sidecarUrl: url,
      models: () => listModels(upstream),
      timeoutMs: TIMEOUT_MS,
      python:
        typeof values['python'] === 'string'
          ? { path: values['python'], protocolMajor: PROTOCOL_MAJOR }
          : undefined,
    })
    return printDoctor(checks, values['json'] === true)
  } finally {
    await upstream.close()
  }
}

/** A server that listens everywhere is asked on this machine, where its admin routes are open. */
function ownUrl({ host, port }: EffectiveConfig['config']['server']): string {
  const isAny = host === '0.0.0.0' || host === '::'
  return `http://${isAny ? '127.0.0.1' : host}:${port}`
}

async function listModels(upstream: Upstream): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const answer = await upstream.send({ method: 'GET', path: '/v1/models', headers: {}, signal })
  const text = (await answer.body.bytes(MAX_BYTES, `${upstream.name}/v1/models`)).toString('utf8')
  const body = JSON.parse(text) as {
    readonly data?: readonly { readonly id?: unknown }[]
  }
  if (answer.statusCode !== 200) throw new Error(`/v1/models: HTTP ${answer.statusCode}`)
  return (body.data ?? []).slice(0, MAX_MODELS).map(({ id }) => String(id))
}
