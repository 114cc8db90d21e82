/** Command-line flags → settings: short names for the keys people set most, `--set` for every other. */
import { GuardError } from '../model/errors.ts'
import { suggestion } from '../model/nearest.ts'
import { leavesOf } from './describe.ts'
import type { Setting } from './layers.ts'
import { configSchema } from './schema.ts'

/** Flag → key path. */
export const FLAGS: Readonly<Record<string, string>> = {
  host: 'server.host',
  port: 'server.port',
  socket: 'vllm.socket',
  backend: 'backend.url',
  policies: 'policies.path',
  'banned-tokens': 'guardrails.preventive.logit_masking.banned_tokens_file',
  mode: 'mode',
  'log-level': 'telemetry.log_level',
}

/** For util.parseArgs. */
export const FLAG_OPTIONS = {
  config: { type: 'string', short: 'c' },
  set: { type: 'string', multiple: true },
  host: { type: 'string' },
  port: { type: 'string' },
  socket: { type: 'string' },
  backend: { type: 'string' },
  policies: { type: 'string' },
  'banned-tokens': { type: 'string' },
  mode: { type: 'string' },
  'log-level': { type: 'string' },
} as const

export function toFlagSettings(
  values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>,
): readonly Setting[] {
  const short = Object.entries(FLAGS).flatMap(([flag, key]) => {
    const text = values[flag]
    return typeof text === 'string' ? [{ path: key.split('.'), text, from: `--${flag}` }] : []
  })
  const set = values['set']
  return [...short, ...(Array.isArray(set) ? set : []).map((item: string) => parseSet(item))]
}

/** `server.port=8081`. */
function parseSet(item: string): Setting {
  const at = item.indexOf('=')
  const key = item.slice(0, at)
  if (at < 1) {
    throw new GuardError('config_invalid', `--set: expected key.path=value, got ${item}`)
  }
  const known = leavesOf(configSchema).map((path) => path.join('.'))
  if (!known.includes(key)) {
    const near = suggestion(key, known)
    throw new GuardError('config_invalid', `--set ${key}: unknown key${near}`)
  }
  return { path: key.split('.'), text: item.slice(at + 1), from: `--set ${key}` }
}
