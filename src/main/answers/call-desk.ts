/**
 * The tool calls of one answer: decided when they are whole, held while a classifier or a person is
 * asked. Every wait is bounded: classifiers by their deadline, persons by the rule's expiry.
 */
import type { TextAt } from '../../model/event.ts'
import type { Finding } from '../../model/finding.ts'
import type { CompiledPolicy, DecideContext } from '../../policy/compiled.ts'
import type { CallOutcome, CallText } from '../../stream/guard-options.ts'
import type { Answer } from '../../tools/approvals.ts'
import { judgeCall, markForced } from './call-decisions.ts'
import type { CallJudgement } from './call-decisions.ts'
import { withoutMark } from '../../tools/decide.ts'
import type { ToolContext } from '../../tools/decide.ts'
import type { Conversation } from './conversation.ts'
import { stopwatch } from '../observe-firings.ts'
import type { ObserveFirings } from '../observe-firings.ts'
import { modelsOf } from '../site/policy-reads.ts'
import type { CallFacts, ForcedValue } from '../../steering/site.ts'

export type CallDeskParts = {
  readonly policy: CompiledPolicy
  readonly context: DecideContext
  readonly conversation: Conversation
  /** What classifiers say of a call's arguments, within their deadline; undefined when none answers. */
  readonly ask:
    ((models: ReadonlySet<string>, text: string) => Promise<readonly Finding[]>) | undefined
  /** Asks a person. Resolves once: answered, expired, or refused at the bound. */
  readonly approve: (call: CallText, stepUp: StepUp) => Promise<Answer>
  readonly commit: (value: string) => string
  /** Whether calls that are not all the model's own say so in their arguments. */
  readonly isMarked: boolean
  readonly observe: ObserveFirings
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Values noted of one answer; calls past it are not marked. */
const MAX_FORCED = 256

type StepUp = NonNullable<CallJudgement['stepUp']>

export type CallDesk = CallFacts & {
  readonly decide: (call: CallText) => CallOutcome
  /** The answer to a call that `decide` holds. Never rejects. */
  readonly answerOf: (key: string) => Promise<CallOutcome>
}

export function createCallDesk(parts: CallDeskParts): CallDesk {
  const { policy, conversation, ask } = parts
  const models = ask === undefined ? new Set<string>() : modelsOf(policy, ['tool'])
  const waiting = new Map<string, Promise<CallOutcome>>()
  const forced = new Map<string, ForcedValue>()
  const made: { readonly name: string; readonly atMs: number }[] = []

  const facts = (): ToolContext => ({
    tenant: parts.context.tenant,
    agent: conversation.agent,
    nowMs: parts.now(),
    history: [...conversation.history(), ...made],
    recent: [...conversation.recent(), ...made],
    taint: conversation.taint(),
    commit: parts.commit,
  })

  /** What the engine was made to say in this call. */
  const playedIn = ({ choice, name }: CallText): readonly ForcedValue[] =>
    [...forced].flatMap(([key, value]) =>
      key.startsWith(`${choice} `) && value.name === name ? [value] : [],
    )

  const judge = (call: CallText, verdicts: readonly Finding[]): CallJudgement => {
    const took = stopwatch()
    const tools = facts()
    const judged = judgeCall(policy, call, { rules: parts.context, tools }, verdicts)
    const text = parts.isMarked
      ? markForced(judged.arguments, playedIn(call))
      : withoutMark(judged.arguments, call.arguments)
    const judgement = { ...judged, arguments: text }
    const { firings, read } = judgement
    const textAt: TextAt = (start, end) => read.slice(start, end)
    if (firings.length > 0) parts.observe(firings, { tookUs: took(), textAt })
    // A call that waits counts from now on: two calls may not share one turn.
    if (judgement.blocked === undefined) made.push({ name: call.name, atMs: tools.nowMs })
    return judgement
  }

  const later = async (call: CallText, judgement: CallJudgement): Promise<CallOutcome> => {
    const { stepUp, blocked, firings } = judgement
    if (blocked === undefined && stepUp !== undefined) {
      const answer = await parts.approve(call, stepUp)
      if (answer.kind !== 'approved') {
        return { kind: 'block', message: `This tool call was ${REFUSED[answer.kind]}.`, firings }
      }
    }
    return outcomeOf(call, judgement)
  }

  const outcomeOf = (call: CallText, judgement: CallJudgement): CallOutcome => {
    const { blocked, firings, arguments: text } = judgement
    if (blocked !== undefined) return { kind: 'block', message: blocked, firings }
    conversation.made({ name: call.name, atMs: parts.now() })
    const played = playedIn(call).map(({ value }) => value)
    const chosen = [...judgement.chosen, ...played]
    if (text !== call.arguments || played.length > 0) {
      return { kind: 'rewrite', arguments: text, chosen, firings }
    }
    // The model itself said what policy would put there: kept from the redactions of text rules.
    return chosen.length === 0
      ? { kind: 'allow' }
      : { kind: 'rewrite', arguments: text, chosen, firings: [] }
  }

  return {
    decide(call) {
      if (ask !== undefined && models.size > 0) {
        const asked = ask(models, call.arguments)
        waiting.set(
          call.key,
          asked.then((verdicts) => later(call, judge(call, verdicts))),
        )
        return { kind: 'hold' }
      }
      const judgement = judge(call, [])
      if (judgement.blocked !== undefined || judgement.stepUp === undefined) {
        return outcomeOf(call, judgement)
      }
      waiting.set(call.key, later(call, judgement))
      return { kind: 'hold' }
    },
    facts,
    forced(choice, value) {
      if (forced.size < MAX_FORCED) forced.set(`${choice} ${JSON.stringify(value)}`, value)
    },
    answerOf: (key) => waiting.get(key) ?? Promise.resolve(UNKNOWN),
  }
}

const REFUSED = { denied: 'refused', expired: 'not approved in time' } as const
const UNKNOWN: CallOutcome = { kind: 'block', message: 'This tool call was not decided.' }
