/**
 * What guards one answer on its way to the client: the stream plane, joined with the policy that the
 * request keeps. The same decisions for a stream and for a whole body.
 */
import { createTextScanner } from '../../automata/scan.ts'
import type { TextScanner } from '../../automata/scan.ts'
import type { TextEffect } from '../../model/decision.ts'
import type { Finding } from '../../model/finding.ts'
import { createPiiScanner } from '../../pii/scanner.ts'
import { ChannelDecider, Told } from '../../policy/decide/channel.ts'
import type { CompiledPolicy, DecideContext } from '../../policy/compiled.ts'
import { CHARACTERS_PER_TOKEN } from '../../policy/context.ts'
import { decide } from '../../policy/decide/decide.ts'
import { createPolicyScanner } from '../../policy/decide/scan.ts'
import type { PolicyScanner } from '../../policy/decide/scan.ts'
import type { Answer } from '../../proxy/parts.ts'
import type { Body } from '../../proxy/requests.ts'
import type { ChannelName } from '../../stream/dialect.ts'
import type {
  DialectName,
  PhraseMatch,
  StreamDecision,
  StreamOptions,
  TextDecision,
  TextScan,
} from '../../stream/guard-options.ts'
import { createBodyTransform, createStreamTransform } from '../../stream/transform.ts'
import type { GuardTransform, Later } from '../../stream/transform.ts'
import type { CallDesk } from './call-desk.ts'
import type { Judges } from '../scores/judges.ts'
import { stopwatch } from '../observe-firings.ts'
import type { ObserveFirings } from '../observe-firings.ts'
import { modelsOf, turnsOf } from '../site/policy-reads.ts'
import { siteAutomaton } from '../site/site-policies.ts'
import type { SitePolicy } from '../site/site-policies.ts'

export type AnswerGuardParts = {
  readonly policy: SitePolicy
  readonly dialect: DialectName
  readonly body: Body
  /** Facts of the request; phase and lengths are filled in here. */
  readonly context: DecideContext
  /** Notices that rules at ingress want in the answer. */
  readonly notices: readonly TextEffect[]
  /** What was decided at ingress. */
  readonly before: readonly StreamDecision[]
  readonly holdbackTokens: number
  /** The last frame of a stream is a comment with the decisions. */
  readonly finalEvent: boolean
  readonly judging: {
    readonly judges: Judges
    readonly checkInterval: number
    readonly deadlineMs: number
  }
  readonly calls: CallDesk
  readonly observe: ObserveFirings
}

const MAX_BODY_BYTES = 64 * 1024 * 1024
const CONTEXT_CHARS = 384

/** Undefined when nothing of the policy looks at answers: bytes then pass as they are. */
export function createAnswerGuard(
  parts: AnswerGuardParts,
): ((answer: Answer) => GuardTransform) | undefined {
  if (!looksAtAnswers(parts)) return undefined
  return (answer) => {
    const options = toOptions(parts)
    const later = toLater(parts)
    return answer.stream
      ? createStreamTransform(options, later)
      : createBodyTransform(options, { ...later, maxBytes: MAX_BODY_BYTES })
  }
}

function looksAtAnswers({ policy, notices, body, finalEvent }: AnswerGuardParts): boolean {
  // Whoever asks for the comment gets it, also where only the request was looked at.
  if (finalEvent && body['stream'] === true) return true
  const { texts, linear, needs, index, rules } = policy.compiled
  const answers = rules.some((rule) => rule.phases.has('midstream') || rule.phases.has('egress'))
  const reads = texts.length + linear.length + index.always.length > 0 || needs.pii
  const judged = modelsOf(policy.compiled, ANSWER).size > 0
  return (
    needs.tool || (answers && (reads || judged)) || policy.bans.length > 0 || notices.length > 0
  )
}

const ANSWER = ['midstream', 'egress'] as const

/** Classifiers and persons, whose answers come later. */
function toLater({ policy, judging, calls }: AnswerGuardParts): Later {
  const { compiled } = policy
  const { judges, checkInterval, deadlineMs } = judging
  const asked = modelsOf(compiled, ANSWER)
  const isJudged = compiled.judgedBy.some((name) => asked.has(name))
  const names = new Set([...asked].filter((name) => judges.has(name)))
  // Where nobody answers, text that must be judged is unjudged, and the rule says what that means.
  const silent = compiled.judgedBy.filter((name) => asked.has(name) && !judges.has(name))
  const none = silent.map((model) => ({ kind: 'unjudged', model, reason: 'failed' }) as const)
  if (names.size === 0 && none.length === 0) return { answerOf: calls.answerOf }
  return {
    answerOf: calls.answerOf,
    judge: {
      checkInterval,
      contextChars: CONTEXT_CHARS,
      release: isJudged ? 'judged' : 'live',
      ask: async ({ text }) => [
        ...none,
        ...(await judges.ask(names, text, { priority: 'stream', deadlineMs })),
      ],
    },
  }
}

function toOptions(parts: AnswerGuardParts): StreamOptions {
  const { policy, body, dialect, calls } = parts
  const { compiled } = policy
  const deciders = new Map<string, Decider>()
  const format = body['response_format'] as { readonly type?: unknown } | null | undefined
  const streamOptions = body['stream_options'] as { readonly include_usage?: unknown } | null
  return {
    dialect,
    scan: () => new AnswerScan(policy, parts.notices.length > 0),
    ...(compiled.needs.pii ? { pii: () => createPiiScanner() } : {}),
    decide: (findings, channel) => {
      let known = deciders.get(channel.key)
      if (known === undefined) {
        known = createDecider(parts, channel)
        deciders.set(channel.key, known)
      }
      return known(findings)
    },
    observe: ({ firings, tookUs = 0 }, textAt) => parts.observe(firings, { tookUs, textAt }),
    ...(compiled.needs.tool ? { decideCall: calls.decide } : {}),
    holdbackTokens: parts.holdbackTokens,
    choices: typeof body['n'] === 'number' ? body['n'] : 1,
    includeUsage: streamOptions?.include_usage === true,
    jsonContent: format?.type === 'json_object' || format?.type === 'json_schema',
    onMalformed: policy.onFailure === 'open' ? 'open' : 'closed',
    finalComment: parts.finalEvent,
    before: parts.before,
  }
}

/** Id of a match that is no match: it makes rules that need no finding be asked once. */
const START = ''
/** The same where the answer became so long that a condition on its length may change. */
const TURN = 'checkstream:turn'
/** Ids of the site's own bans, which no rule names. */
const SITE = 'banned_tokens['
const REMOVED = '[removed]'

type Decider = (findings: readonly Finding[]) => TextDecision

function createDecider(
  { policy, context, notices }: AnswerGuardParts,
  channel: ChannelName,
): Decider {
  const { compiled } = policy
  let length = 0
  const at = (phase: 'midstream' | 'egress'): DecideContext => ({
    ...context,
    phase,
    position: Math.ceil(length / CHARACTERS_PER_TOKEN),
    responseLength: length,
  })
  const midstream = new ChannelDecider(compiled, () => at('midstream'))
  const egress = new ChannelDecider(compiled, () => at('egress'))
  const told = new Told()
  return (findings) => {
    const took = stopwatch()
    for (const finding of findings) if ('end' in finding) length = Math.max(length, finding.end)
    const asked = findings.filter((finding) => !isOurs(finding))
    const first = midstream.decide(asked)
    const last = egress.decide(asked)
    const isStart = findings.some((finding) => finding.kind === 'match' && finding.ban === START)
    const isSpoken = channel.field === 'content'
    const effects = [
      ...(isStart && isSpoken ? notices : []),
      ...first.effects,
      ...last.effects,
      ...(asked.some(isLate) ? lateStops(compiled, asked, [at('midstream'), at('egress')]) : []),
      ...findings.flatMap(removeOurs),
    ].filter((effect) => effect.kind !== 'inject' || isSpoken)
    const firings = told.firings([...first.firings, ...last.firings])
    const made = { effects: told.effects(effects), firings }
    if (channel.field !== 'arguments') return { ...made, tookUs: took() }
    const phases = [at('midstream'), at('egress')]
    const alone = phases.flatMap((phase) => decide(compiled, asked, phase).firings)
    return { ...made, alone, tookUs: took() }
  }
}

const isLate = ({ kind }: Finding): boolean => kind === 'verdict' || kind === 'unjudged'

/**
 * Stops of a verdict by itself. Together with what was found before, a stop that is in force already
 * would speak for it; but a verdict may be about text before that stop.
 */
function lateStops(
  compiled: CompiledPolicy,
  findings: readonly Finding[],
  contexts: readonly DecideContext[],
): readonly TextEffect[] {
  return contexts
    .flatMap((context) => decide(compiled, findings, context).text)
    .filter((effect) => effect.kind === 'stop')
}

const isOurs = (finding: Finding): boolean =>
  finding.kind === 'match' && finding.ban.startsWith(SITE)

function removeOurs(finding: Finding): TextEffect[] {
  if (finding.kind !== 'match' || !isOurs(finding)) return []
  return [{ kind: 'redact', start: finding.start, end: finding.end, with: REMOVED }]
}

/** The policy's texts and the site's own bans over one channel. */
class AnswerScan implements TextScan<PhraseMatch> {
  readonly #rules: PolicyScanner
  readonly #own: TextScanner | undefined
  readonly #turns: readonly number[]
  #isStarted: boolean
  #turned = 0
  #length = 0

  constructor(policy: SitePolicy, hasNotices: boolean) {
    this.#rules = createPolicyScanner(policy.compiled)
    const automaton = siteAutomaton(policy)
    this.#own = automaton === undefined ? undefined : createTextScanner(automaton)
    this.#isStarted = policy.compiled.index.always.length === 0 && !hasNotices
    this.#turns = turnsOf(policy.compiled, ANSWER).map((at) => at * CHARACTERS_PER_TOKEN)
  }

  push(text: string): readonly PhraseMatch[] {
    this.#length += text.length
    const found = this.#rules.push(text)
    const all = this.#own === undefined ? found : [...found, ...this.#own.push(text)]
    const asked = this.#turns.length === 0 ? all : [...all, ...this.#turn()]
    if (this.#isStarted) return asked
    this.#isStarted = true
    return [{ ban: START, start: 0, end: 0 }, ...asked]
  }

  end(): readonly PhraseMatch[] {
    return [...this.#rules.end(), ...(this.#own?.end() ?? [])]
  }

  get openFrom(): number {
    return Math.min(this.#rules.openFrom, this.#own?.openFrom ?? this.#rules.openFrom)
  }

  #turn(): readonly PhraseMatch[] {
    const before = this.#turned
    while ((this.#turns[this.#turned] ?? Infinity) <= this.#length) this.#turned++
    return this.#turned === before ? [] : [{ ban: TURN, start: this.#length, end: this.#length }]
  }
}
