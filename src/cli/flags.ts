/** Flags of a command: util.parseArgs with mistakes that name the nearest flag. */
import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { GuardError } from '../model/errors.ts'
import { suggestion } from '../model/nearest.ts'

export type FlagValues = Readonly<Record<string, string | boolean | string[] | undefined>>
export type Flags = { readonly values: FlagValues; readonly positionals: readonly string[] }

type Options = NonNullable<ParseArgsConfig['options']>

/** `positionals`: how many words without a dash the command takes at most. */
export function readFlags(argv: readonly string[], options: Options, positionals = 0): Flags {
  const all: Options = { help: { type: 'boolean', short: 'h' }, ...options }
  try {
    const parsed = parseArgs({ args: [...argv], options: all, allowPositionals: true })
    const extra = parsed.positionals[positionals]
    if (extra !== undefined) {
      throw new GuardError('config_invalid', `unexpected argument ${extra}`)
    }
    return { values: parsed.values as FlagValues, positionals: parsed.positionals }
  } catch (error) {
    if (error instanceof GuardError) throw error
    const message = error instanceof Error ? error.message : String(error)
    const name = /^Unknown option '-{1,2}([^']+)'/.exec(message)?.[1]
    if (name === undefined) throw new GuardError('config_invalid', message, { cause: error })
    const near = suggestion(name, Object.keys(all)).replace('mean ', 'mean --')
    throw new GuardError('config_invalid', `unknown flag --${name}${near}`, { cause: error })
  }
}
