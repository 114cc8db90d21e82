/**
 * What the client is told beside the answer: under which policy it was made, and what was done to it. Of
 * rules that only watch nothing is told, and never a text.
 */
import type { RuleFiring } from '../../model/decision.ts'
import type { Admission } from '../../proxy/parts.ts'
import type { StreamDecision } from '../../stream/guard-options.ts'
import type { GuardTransform } from '../../stream/transform.ts'
import type { SitePolicy } from '../site/site-policies.ts'

type Admit = Extract<Admission, { kind: 'admit' }>
type Headers = Readonly<Record<string, string>>
type Told = Pick<Admit, 'headers' | 'transform' | 'prepare' | 'report'>

const REVISION_DIGITS = 16
const MAX_CHARS = 1_024

export function told(
  policy: SitePolicy,
  before: readonly StreamDecision[],
  guard: ((answer: Parameters<NonNullable<Admit['transform']>>[0]) => GuardTransform) | undefined,
): Told {
  let open: GuardTransform | undefined
  const headers = policyOf(policy)
  const report = (): Headers => doneOf([...before, ...(open?.decisions ?? [])])
  if (guard === undefined) return { headers, report }
  let ready: GuardTransform | undefined
  return {
    headers,
    report,
    prepare: () => {
      if (open !== undefined) return
      try {
        ready = guard({ stream: true, status: 200 })
      } catch {
        ready = undefined // the answer's own guard fails in the same way, where it is told
      }
    },
    transform: (answer) => (open = (answer.stream ? ready : undefined) ?? guard(answer)),
  }
}

/** Of a request that was refused, for what was decided about it. */
export function refused(policy: SitePolicy, decisions: readonly StreamDecision[]): Headers {
  return { ...policyOf(policy), ...doneOf(decisions) }
}

const policyOf = ({ name, digest }: SitePolicy): Headers => ({
  'x-checkstream-policy': encodeURIComponent(name),
  'x-checkstream-revision': digest.slice(0, REVISION_DIGITS),
})

const doneOf = (decisions: readonly StreamDecision[]): Headers => ({
  'x-checkstream-decisions': decisionsOf(decisions.flatMap(({ firings }) => firings)),
})

/** `rule=action` pairs, each once, `none` when nothing was done. */
function decisionsOf(firings: readonly RuleFiring[]): string {
  const acted = firings.filter((firing) => firing.mode === 'enforce')
  const pairs = acted.map(({ rule, action }) => `${encodeURIComponent(rule)}=${action}`)
  const text = [...new Set(pairs)].join(', ')
  if (text === '') return 'none'
  return text.length <= MAX_CHARS ? text : `${text.slice(0, text.lastIndexOf(',', MAX_CHARS))}, ...`
}
