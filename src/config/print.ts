/** The effective configuration as text: every value with the place that it came from. */
import { leavesOf } from './describe.ts'
import { variableOf } from './env.ts'
import type { EffectiveConfig } from './layers.ts'
import { configSchema } from './schema.ts'
import { formatDuration, formatSize } from './units.ts'

export type ConfigLine = {
  readonly key: string
  readonly value: string
  readonly from: string
  readonly variable: string
}

const DURATIONS = new Set([
  'vllm.deadline',
  'vllm.coalesce_time',
  'vllm.breaker_open',
  'vllm.session_age',
  'server.timeout',
  'server.request_timeout',
  'server.drain',
  'backend.timeout',
  'policies.reload_interval',
])
const SIZES = new Set(['server.body_limit', 'server.bodies_limit', 'cache.max_size'])

export function toConfigLines(effective: EffectiveConfig): readonly ConfigLine[] {
  return leavesOf(configSchema).map((path) => {
    const key = path.join('.')
    const origin = effective.origins.get(key)
    const from =
      origin === undefined || origin.kind === 'default'
        ? 'default'
        : `${origin.kind} ${origin.place}`
    return { key, value: show(key, at(effective.config, path)), from, variable: variableOf(path) }
  })
}

/** One line a key, the origin as a comment; `toConfigJson` is for machines. */
export function printConfig(effective: EffectiveConfig): string {
  const lines = toConfigLines(effective)
  const width = Math.min(
    72,
    Math.max(...lines.map(({ key, value }) => key.length + value.length + 2)),
  )
  const rows = lines.map(({ key, value, from }) => `${`${key}: ${value}`.padEnd(width)}  # ${from}`)
  return [`# mode in force: ${effective.mode}`, ...rows].join('\n')
}

export function toConfigJson(effective: EffectiveConfig): string {
  const values = toConfigLines(effective).map(({ key, value, from }) => [key, { value, from }])
  return JSON.stringify({ mode: effective.mode, values: Object.fromEntries(values) }, null, 2)
}

function at(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (node, key) => (node as Readonly<Record<string, unknown>> | undefined)?.[key],
    tree,
  )
}

function show(key: string, value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value === 'number' && DURATIONS.has(key)) return formatDuration(value)
  if (typeof value === 'number' && SIZES.has(key)) return formatSize(value)
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value)
}
