/**
 * Flags over environment over file over default → one complete Config, and where each value came
 * from. Pure: the layers are read elsewhere.
 */
import { GuardError } from '../model/errors.ts'
import { describeMistakes, leafKind, leavesOf, schemaAt } from './describe.ts'
import type { SourceDocument } from './document.ts'
import { readYaml } from '../yaml/read.ts'
import { configSchema } from './schema.ts'
import type { Config } from './schema.ts'

/** One value from a flag or an environment variable. */
export type Setting = {
  readonly path: readonly string[]
  readonly text: string
  /** `--port` or `POLICY_PATH`. */
  readonly from: string
}

export type Origin = {
  readonly kind: 'flag' | 'environment' | 'file' | 'default'
  /** `--port`, `POLICY_PATH`, `sidecar-config.yaml:3:5`; empty for a default. */
  readonly place: string
}

export type EffectiveConfig = {
  readonly config: Config
  readonly mode: 'sidecar' | 'proxy'
  /** By dotted path, one entry per leaf. */
  readonly origins: ReadonlyMap<string, Origin>
  readonly warnings: readonly string[]
}

export type Layers = {
  readonly file?: SourceDocument | undefined
  readonly environment: readonly Setting[]
  readonly flags: readonly Setting[]
  readonly warnings?: readonly string[]
}

type Tree = Record<string, unknown>

export function toEffective(layers: Layers): EffectiveConfig {
  const settings = [...layers.environment, ...layers.flags]
  const merged = structuredClone(layers.file?.data ?? {}) as Tree
  for (const setting of settings) assign(merged, setting)
  const result = configSchema.safeParse(merged, { reportInput: true })
  if (!result.success) {
    const place = (path: readonly PropertyKey[]): string => placeOf(path, layers)
    throw new GuardError('config_invalid', describeMistakes(result.error, configSchema, place))
  }
  const origins = new Map(
    leavesOf(configSchema).map((path) => [path.join('.'), originOf(path, layers)] as const),
  )
  const config = freeze(result.data)
  return { config, mode: modeOf(config, layers), origins, warnings: layers.warnings ?? [] }
}

function assign(tree: Tree, setting: Setting): void {
  let at = tree
  for (const key of setting.path.slice(0, -1)) {
    const next = at[key]
    if (typeof next !== 'object' || next === null || Array.isArray(next)) at[key] = {}
    at = at[key] as Tree
  }
  at[setting.path.at(-1) ?? ''] = valueOf(setting)
}

/** The text of a flag or variable as the schema's leaf wants it. */
function valueOf(setting: Setting): unknown {
  const kind = leafKind(schemaAt(configSchema, setting.path))
  if (kind === 'text') return setting.text
  if (kind === 'list' && !setting.text.trimStart().startsWith('[')) {
    return setting.text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  }
  const { value, problems } = readYaml(setting.text, 'value')
  return problems.length === 0 ? value : setting.text
}

function originOf(path: readonly string[], layers: Layers): Origin {
  const names = (setting: Setting): boolean => setting.path.join('.') === path.join('.')
  const flag = layers.flags.findLast(names)
  if (flag !== undefined) return { kind: 'flag', place: flag.from }
  const variable = layers.environment.findLast(names)
  if (variable !== undefined) return { kind: 'environment', place: variable.from }
  if (layers.file !== undefined && has(layers.file.data, path)) {
    return { kind: 'file', place: `${layers.file.name}:${layers.file.placeOf(path)}` }
  }
  return { kind: 'default', place: '' }
}

function has(tree: unknown, path: readonly string[]): boolean {
  let at = tree
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return false
    at = (at as Tree)[key]
  }
  return at !== undefined
}

function modeOf(config: Config, layers: Layers): 'sidecar' | 'proxy' {
  if (config.mode !== 'auto') return config.mode
  const named = (path: readonly string[]): boolean => {
    const kind = originOf(path, layers).kind
    return kind !== 'default'
  }
  const vllm =
    (layers.file !== undefined && has(layers.file.data, ['vllm'])) || named(['vllm', 'socket'])
  return named(['backend', 'url']) && !vllm ? 'proxy' : 'sidecar'
}

function placeOf(path: readonly PropertyKey[], layers: Layers): string {
  const dotted = path.join('.')
  const setting = [...layers.environment, ...layers.flags].findLast(
    (each) => each.path.join('.') === dotted || dotted.startsWith(`${each.path.join('.')}.`),
  )
  if (setting !== undefined) return `${setting.from}:`
  return layers.file === undefined ? '' : `${layers.file.name}:${layers.file.placeOf(path)}`
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) freeze(child)
    Object.freeze(value)
  }
  return value
}
