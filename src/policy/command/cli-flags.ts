/** Flags of the policy commands: `--key value`, `--key=value`, `--flag`, and everything else in order. */
import { suggestion } from '../../model/nearest.ts'
import { GuardError } from '../../model/errors.ts'

export type Flags = {
  readonly rest: readonly string[]
  readonly values: ReadonlyMap<string, readonly string[]>
}

/** `known` maps each flag to whether it takes a value. */
export function parseFlags(
  argv: readonly string[],
  known: Readonly<Record<string, boolean>>,
): Flags {
  const rest: string[] = []
  const values = new Map<string, string[]>()
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (!word.startsWith('--')) {
      rest.push(word)
      continue
    }
    const [name = '', inline] = split(word.slice(2))
    const takesValue = Object.hasOwn(known, name) ? known[name] : undefined
    if (takesValue === undefined) {
      const hint = suggestion(name, Object.keys(known))
      throw new GuardError('config_invalid', `--${name}: unknown flag${hint}`)
    }
    const value = takesValue ? (inline ?? argv[++i]) : 'true'
    if (value === undefined) throw new GuardError('config_invalid', `--${name}: needs a value`)
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return { rest, values }
}

function split(word: string): readonly [string, string | undefined] {
  const at = word.indexOf('=')
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

export const flag = (flags: Flags, name: string): string | undefined =>
  flags.values.get(name)?.at(-1)
