/**
 * What a client sends, looked at before the engine is: every text of the request under the rules of
 * the ingress phase, with what classifiers say of it. A stop is an answer with the rule's status, a
 * redaction changes the prompt.
 */
import { createHash } from 'node:crypto'
import type { Finding } from '../../model/finding.ts'
import { createPiiScanner } from '../../pii/scanner.ts'
import type { CompiledPolicy, DecideContext } from '../../policy/compiled.ts'
import { decide } from '../../policy/decide/decide.ts'
import { createPolicyScanner } from '../../policy/decide/scan.ts'
import type { Problem } from '../../proxy/answers.ts'
import type { Body } from '../../proxy/requests.ts'
import type { IngressPiece } from '../../stream/ingress.ts'
import { checkIngress } from '../../stream/ingress-guard.ts'
import type { IngressResult } from '../../stream/ingress-guard.ts'
import type { DialectName } from '../../stream/guard-options.ts'
import type { Judges } from '../scores/judges.ts'
import { stopwatch } from '../observe-firings.ts'
import type { ObserveFirings } from '../observe-firings.ts'
import { modelsOf } from '../site/policy-reads.ts'

export type IngressParts = {
  readonly judges: Judges
  readonly deadlineMs: number
}

export type Inspected = Pick<IngressResult, 'decisions' | 'notices'> & {
  /** The body to send, when a rule changed it. */
  readonly body: Body | undefined
  readonly problem: Problem | undefined
}

export type IngressRequest = {
  readonly policy: CompiledPolicy
  readonly dialect: DialectName
  readonly body: Body
  /** Read when a rule asks for them. */
  readonly pieces: () => readonly IngressPiece[]
  readonly context: DecideContext
  readonly observe: ObserveFirings
}

/** Texts looked at in one request; past it the request is refused. */
const MAX_TEXTS = 10_000
/** Texts whose verdicts are remembered. */
const MAX_REMEMBERED = 8_192

const NOTHING: Inspected = { body: undefined, problem: undefined, notices: [], decisions: [] }

export function createIngress(
  parts: IngressParts,
): (request: IngressRequest) => Inspected | Promise<Inspected> {
  const ledger = new VerdictLedger()
  return (request) => {
    const { policy } = request
    if (!policy.rules.some((rule) => rule.phases.has('ingress'))) return NOTHING
    const pieces = request.pieces()
    if (pieces.length > MAX_TEXTS) return { ...NOTHING, problem: TOO_MANY }
    const asked = [...modelsOf(policy, ['ingress'])].filter((name) => parts.judges.has(name))
    if (asked.length === 0) return inspect(request, () => [])
    return judge(parts, new Set(asked), pieces, ledger).then((verdicts) =>
      inspect(request, (piece) => verdicts.get(piece) ?? []),
    )
  }
}

const CODE = 'content_policy_violation'
const TOO_MANY: Problem = { status: 400, message: `more than ${MAX_TEXTS} texts in one request` }

function inspect(
  { policy, dialect, body, pieces, context, observe }: IngressRequest,
  verdicts: (piece: IngressPiece) => readonly Finding[],
): Inspected {
  const result = checkIngress(
    {
      dialect,
      scan: () => createPolicyScanner(policy),
      ...(policy.needs.pii ? { pii: () => createPiiScanner() } : {}),
      decide: (findings, _, textAt) => {
        const took = stopwatch()
        const { text, firings } = decide(policy, findings, { ...context, phase: 'ingress' })
        if (firings.length > 0) observe(firings, { tookUs: took(), textAt })
        return { effects: text, firings }
      },
      verdicts,
    },
    body,
    pieces(),
  )
  const { decisions, notices } = result
  const told = { ...NOTHING, decisions, notices }
  if (result.kind === 'modified') return { ...told, body: result.body }
  if (result.kind === 'pass') return told
  return { ...told, problem: { status: result.status, message: result.message, code: CODE } }
}

/**
 * What was said of a text is remembered by its digest: the same tools and the same history come with
 * every request of a conversation, and a definition that changed is another text.
 */
class VerdictLedger {
  readonly #known = new Map<string, readonly Finding[]>()

  key(names: ReadonlySet<string>, text: string): string {
    const digest = createHash('sha256').update(text).digest('base64')
    return `${digest} ${[...names].join(' ')}`
  }

  get(key: string): readonly Finding[] | undefined {
    return this.#known.get(key)
  }

  set(key: string, found: readonly Finding[]): void {
    this.#known.delete(key)
    this.#known.set(key, found)
    const isFull = this.#known.size > MAX_REMEMBERED
    const oldest = isFull ? this.#known.keys().next().value : undefined
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

/** What the operator and the user wrote first, then what tools said. */
async function judge(
  { judges, deadlineMs }: IngressParts,
  names: ReadonlySet<string>,
  pieces: readonly IngressPiece[],
  ledger: VerdictLedger,
): Promise<ReadonlyMap<IngressPiece, readonly Finding[]>> {
  const answers = pieces.map(async (piece) => {
    const key = ledger.key(names, piece.text)
    const known = ledger.get(key)
    if (known !== undefined) return [piece, known] as const
    const priority = piece.standing === 'trusted' ? 'prompt' : 'tool'
    const found = await judges.ask(names, piece.text, { priority, deadlineMs })
    if (found.every((one) => one.kind !== 'unjudged')) ledger.set(key, found)
    return [piece, found] as const
  })
  return new Map(await Promise.all(answers))
}
