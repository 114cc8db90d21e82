/** What is wrong with a policy, where, and how bad: a value, so that all of them are shown at once. */
import { GuardError } from '../../model/errors.ts'

export type Problem = {
  readonly severity: 'error' | 'warning'
  /** Stable name of the kind of problem, for SARIF and for people who search. */
  readonly code:
    | 'yaml'
    | 'too-large'
    | 'schema'
    | 'unknown-key'
    | 'duplicate'
    | 'phase'
    | 'pattern'
    | 'ban'
    | 'unknown-name'
    | 'never-fires'
    | 'shadowed'
    | 'exception'
    | 'threshold'
    | 'test'
  readonly message: string
  readonly file: string
  readonly line: number
  readonly column: number
}

export const showProblem = (p: Problem): string =>
  `${p.file}:${p.line}:${p.column} ${p.severity}: ${p.message}`

/** Most problems that one error message lists; the rest is counted. */
const SHOWN = 20

/** Throws when a problem is an error; the message lists them one a line. */
export function refuseErrors(problems: readonly Problem[]): void {
  const errors = problems.filter((p) => p.severity === 'error')
  if (errors.length === 0) return
  const lines = errors.slice(0, SHOWN).map(showProblem)
  if (errors.length > SHOWN) lines.push(`and ${errors.length - SHOWN} more`)
  throw new GuardError('policy_invalid', lines.join('\n'))
}
