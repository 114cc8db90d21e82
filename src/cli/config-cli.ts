/** `checkstream config`: the effective configuration, value by value, with origins. */
import { FLAG_OPTIONS, toFlagSettings } from '../config/flags.ts'
import { loadBannedTokens, loadConfig } from '../config/file.ts'
import type { EffectiveConfig } from '../config/layers.ts'
import { printConfig, toConfigJson } from '../config/print.ts'
import { variableNames } from '../config/env.ts'
import { readFlags } from './flags.ts'

const HELP = `checkstream config [--config FILE] [--set key=value]… [--json] [--names] [--check]
  --json   for machines
  --check  reads policies, tenants, notices and banned texts too, as serve would; exit code 2 for a mistake
  --names  every environment variable that is read, with its key`

export async function runConfig(argv: readonly string[]): Promise<number> {
  const { values } = readFlags(argv, {
    ...FLAG_OPTIONS,
    json: { type: 'boolean' },
    names: { type: 'boolean' },
    check: { type: 'boolean' },
  })
  if (values['help'] === true) {
    console.log(HELP)
    return 0
  }
  if (values['names'] === true) {
    for (const [name, path] of variableNames()) console.log(`${name}  ${path.join('.')}`)
    return 0
  }
  const effective = loadConfig({ file: fileOf(values['config']), flags: toFlagSettings(values) })
  if (values['check'] === true) return check(effective)
  console.log(values['json'] === true ? toConfigJson(effective) : printConfig(effective))
  const banned = loadBannedTokens(effective)
  for (const warning of [...effective.warnings, ...banned.warnings]) console.error(warning)
  return 0
}

async function check(effective: EffectiveConfig): Promise<number> {
  const { checkSite } = await import('../main/site/check-site.ts')
  const { policies, tenants, warnings } = await checkSite(effective)
  for (const warning of warnings) console.error(warning)
  const counts = [
    `${policies.length} policies (${policies.join(', ')})`,
    `${tenants.length} tenants`,
    `${warnings.length} warnings`,
  ]
  console.log(`good: ${counts.join(', ')}`)
  return 0
}

const fileOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
