/**
 * Environment variables → settings. The names of the CheckStream documents, and `CHECKSTREAM_` plus
 * the key path in capitals for everything else (`CHECKSTREAM_SERVER_PORT`).
 */
import { GuardError } from '../model/errors.ts'
import { nearestName } from '../model/nearest.ts'
import { leavesOf } from './describe.ts'
import type { Setting } from './layers.ts'
import { configSchema } from './schema.ts'

/** Later ones win: VLLM_SOCKET is the sidecar's own name, VLLM_SIDECAR_SOCKET is the plugin's. */
const NAMES: readonly (readonly [name: string, path: readonly string[]])[] = [
  ['VLLM_SIDECAR_SOCKET', ['vllm', 'socket']],
  ['VLLM_SOCKET', ['vllm', 'socket']],
  ['POLICY_PATH', ['policies', 'path']],
  ['BACKEND_URL', ['backend', 'url']],
]
const PREFIX = 'CHECKSTREAM_'

/** Read by other parts of the product, not keys of the document. */
const OTHERS = [
  'CHECKSTREAM_CONFIG',
  'CHECKSTREAM_DATA',
  'CHECKSTREAM_URL',
  'CHECKSTREAM_KEY',
  // The plugin's, and those of the suites on a real vLLM.
  'CHECKSTREAM_ON_FAILURE',
  'CHECKSTREAM_START_TIMEOUT_S',
  'CHECKSTREAM_VLLM_VENV',
  'CHECKSTREAM_TEST_MODEL',
]

export type EnvironmentSettings = {
  readonly settings: readonly Setting[]
  readonly warnings: readonly string[]
}

export const variableOf = (path: readonly string[]): string => PREFIX + path.join('_').toUpperCase()

/** All names that are read, with their key paths; for `checkstream config --names` and the docs. */
export function variableNames(): readonly (readonly [name: string, path: readonly string[]])[] {
  return [
    ...NAMES,
    ...leavesOf(configSchema).map((path): [string, readonly string[]] => [variableOf(path), path]),
  ]
}

export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings {
  const known = new Map(variableNames())
  const settings = [...known].flatMap(([from, path]) => {
    const text = env[from]
    return text === undefined || text === '' || isServiceLink(text) ? [] : [{ path, text, from }]
  })
  const warnings: string[] = []
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || known.has(name) || OTHERS.includes(name)) continue
    if (isServiceLink(env[name] ?? '') || /_SERVICE_(HOST|PORT)/.test(name)) continue
    const near = nearestName(name, known.keys())
    if (near === undefined) warnings.push(`${name}: not a name that is read here; ignored`)
    else throw new GuardError('config_invalid', `${name}: unknown variable; did you mean ${near}?`)
  }
  return { settings, warnings }
}

/** Kubernetes puts `NAME_PORT=tcp://…` into every pod for a Service called NAME. */
function isServiceLink(value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value)
}
