/** `checkstream config`: the effective configuration, value by value, with origins. */
import { FLAG_OPTIONS, toFlagSettings } from '../config/flags.ts'
import { loadBannedTokens, loadConfig } from '../config/file.ts'
import { printConfig, toConfigJson } from '../config/print.ts'
import { variableNames } from '../config/env.ts'
import { readFlags } from './flags.ts'

const HELP = `checkstream config [--config FILE] [--set key=value]… [--json] [--names]
  --json   for machines
  --names  every environment variable that is read, with its key`

export async function runConfig(argv: readonly string[]): Promise<number> {
  const { values } = readFlags(argv, {
    ...FLAG_OPTIONS,
    json: { type: 'boolean' },
    names: { type: 'boolean' },
  })
  if (values['help'] === true) console.log(HELP)
  else if (values['names'] === true) {
    for (const [name, path] of variableNames()) console.log(`${name}  ${path.join('.')}`)
  } else {
    const effective = loadConfig({ file: fileOf(values['config']), flags: toFlagSettings(values) })
    console.log(values['json'] === true ? toConfigJson(effective) : printConfig(effective))
    const banned = loadBannedTokens(effective)
    for (const warning of [...effective.warnings, ...banned.warnings]) console.error(warning)
  }
  return 0
}

const fileOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
