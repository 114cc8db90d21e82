/** A compiled policy under a lower mode: everything is still found and told, and nothing acts. */
import { createHash } from 'node:crypto'
import type { Mode } from '../../model/finding.ts'
import type { CompiledPolicy } from '../compiled.ts'
import { lower } from '../decide/mode.ts'

/** The policy itself when it is not above the mode. */
export function lowerPolicy(policy: CompiledPolicy, mode: Mode): CompiledPolicy {
  if (mode === 'enforce') return policy
  const digest = createHash('sha256').update(`${policy.digest} ${mode}`).digest('hex')
  return Object.freeze({
    ...policy,
    digest,
    mode: lower(policy.mode, mode),
    rules: policy.rules.map((rule) => ({ ...rule, mode: lower(rule.mode, mode) })),
    // Masks cannot note what they would have done: the text is scanned instead.
    bans: [],
    judgedBy: [],
    sync: false,
    nothing: Object.freeze({ ...policy.nothing, revision: digest }),
  })
}
