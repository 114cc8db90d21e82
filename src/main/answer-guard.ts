/**
 * What guards one answer on its way to the client: the stream plane, joined with the policy that the
 * request keeps. The same decisions for a stream and for a whole body.
 */
import { compileAutomaton } from '../automata/automaton.ts'
import { createTextScanner } from '../automata/scan.ts'
import type { Automaton } from '../automata/automaton.ts'
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import type { Finding } from '../model/finding.ts'
import { createPiiScanner } from '../pii/scanner.ts'
import { ChannelDecider, Told } from '../policy/channel.ts'
import type { DecideContext } from '../policy/compiled.ts'
import { createPolicyScanner } from '../policy/scan.ts'
import type { ByteTransform } from '../proxy/frames.ts'
import type { Answer } from '../proxy/parts.ts'
import type { Body } from '../proxy/requests.ts'
import type { Dialect } from '../proxy/routes.ts'
import { guardBody } from '../stream/body.ts'
import type { ChannelName } from '../stream/dialect.ts'
import type {
  DialectName,
  PhraseMatch,
  StreamOptions,
  TextDecision,
  TextScan,
} from '../stream/guard-options.ts'
import { createStreamGuard } from '../stream/stream-guard.ts'
import { createCallDecider } from './call-decider.ts'
import type { SitePolicy } from './site-policies.ts'

export const DIALECTS: Readonly<Record<Dialect, DialectName>> = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
}

export type AnswerGuardParts = {
  readonly policy: SitePolicy
  readonly dialect: Dialect
  readonly body: Body
  /** Facts of the request; phase and lengths are filled in here. */
  readonly context: DecideContext
  /** Notices that rules at ingress want in the answer. */
  readonly notices: readonly TextEffect[]
  readonly holdbackTokens: number
  /** Told of firings. Must not throw. */
  readonly observe: (firings: readonly RuleFiring[]) => void
}

/** Undefined when nothing of the policy looks at answers: bytes then pass as they are. */
export function createAnswerGuard(
  parts: AnswerGuardParts,
): ((answer: Answer) => ByteTransform) | undefined {
  if (!looksAtAnswers(parts)) return undefined
  return (answer) => {
    const options = toOptions(parts)
    return answer.stream ? streamed(options) : whole(options)
  }
}

function looksAtAnswers({ policy, notices }: AnswerGuardParts): boolean {
  const { texts, linear, needs, index, rules } = policy.compiled
  const answers = rules.some((rule) => rule.phases.has('midstream') || rule.phases.has('egress'))
  const reads = texts.length + linear.length + index.always.length > 0 || needs.pii
  return needs.tool || (answers && reads) || policy.bans.length > 0 || notices.length > 0
}

function streamed(options: StreamOptions): ByteTransform {
  const guard = createStreamGuard(options)
  return {
    push: (chunk) => guard.push(chunk),
    end: () => guard.end(),
    get done() {
      return guard.stopped
    },
  }
}

const MAX_BODY_BYTES = 64 * 1024 * 1024

/** Past the bound a whole body is not forwarded: nothing may hide in it. */
function whole(options: StreamOptions): ByteTransform {
  const held: Uint8Array[] = []
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.length
      if (bytes <= MAX_BODY_BYTES) held.push(chunk)
      return []
    },
    end: () => (bytes > MAX_BODY_BYTES ? [] : [guardBody(options, Buffer.concat(held)).body]),
    get done() {
      return bytes > MAX_BODY_BYTES
    },
  }
}

function toOptions(parts: AnswerGuardParts): StreamOptions {
  const { policy, body, dialect } = parts
  const { compiled } = policy
  const deciders = new Map<string, (findings: readonly Finding[]) => TextDecision>()
  const format = body['response_format'] as { readonly type?: unknown } | null | undefined
  const streamOptions = body['stream_options'] as { readonly include_usage?: unknown } | null
  return {
    dialect: DIALECTS[dialect],
    scan: () => createScan(policy, parts.notices.length > 0),
    ...(compiled.needs.pii ? { pii: () => createPiiScanner() } : {}),
    decide: (findings, channel) => {
      let decide = deciders.get(channel.key)
      if (decide === undefined) {
        decide = createDecider(parts, channel)
        deciders.set(channel.key, decide)
      }
      return decide(findings)
    },
    ...(compiled.needs.tool
      ? { decideCall: createCallDecider(compiled, parts.context, parts.observe) }
      : {}),
    holdbackTokens: parts.holdbackTokens,
    choices: typeof body['n'] === 'number' ? body['n'] : 1,
    includeUsage: streamOptions?.include_usage === true,
    jsonContent: format?.type === 'json_object' || format?.type === 'json_schema',
    onMalformed: policy.onFailure === 'open' ? 'open' : 'closed',
  }
}

/** Id of a match that is no match: it makes rules that need no finding be asked once. */
const START = ''
/** Ids of the site's own bans, which no rule names. */
const SITE = 'banned_tokens['
const REMOVED = '[removed]'

function createDecider(
  { policy, context, notices, observe }: AnswerGuardParts,
  channel: ChannelName,
): (findings: readonly Finding[]) => TextDecision {
  const { compiled } = policy
  let length = 0
  const at = (phase: 'midstream' | 'egress'): DecideContext => ({
    ...context,
    phase,
    responseLength: length,
  })
  const midstream = new ChannelDecider(compiled, () => at('midstream'))
  const egress = new ChannelDecider(compiled, () => at('egress'))
  const told = new Told()
  return (findings) => {
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
      ...findings.flatMap(removeOurs),
    ].filter((effect) => effect.kind !== 'inject' || isSpoken)
    const firings = told.firings([...first.firings, ...last.firings])
    if (firings.length > 0) observe(firings)
    return { effects: told.effects(effects), firings }
  }
}

const isOurs = (finding: Finding): boolean =>
  finding.kind === 'match' && finding.ban.startsWith(SITE)

function removeOurs(finding: Finding): TextEffect[] {
  if (finding.kind !== 'match' || !isOurs(finding)) return []
  return [{ kind: 'redact', start: finding.start, end: finding.end, with: REMOVED }]
}

const siteAutomata = new WeakMap<SitePolicy, Automaton>()

function siteAutomaton(policy: SitePolicy): Automaton | undefined {
  const known = siteAutomata.get(policy)
  const own = policy.bans.filter((ban) => ban.id.startsWith(SITE))
  if (known !== undefined || own.length === 0) return known
  const made = compileAutomaton(own)
  siteAutomata.set(policy, made)
  return made
}

/** The policy's texts and the site's own bans over one channel. */
function createScan(policy: SitePolicy, hasNotices: boolean): TextScan<PhraseMatch> {
  const rules = createPolicyScanner(policy.compiled)
  const automaton = siteAutomaton(policy)
  const own = automaton === undefined ? undefined : createTextScanner(automaton)
  let isStarted = policy.compiled.index.always.length === 0 && !hasNotices
  return {
    push(text) {
      const found = own === undefined ? rules.push(text) : [...rules.push(text), ...own.push(text)]
      if (isStarted) return found
      isStarted = true
      return [{ ban: START, start: 0, end: 0 }, ...found]
    },
    end: () => [...rules.end(), ...(own?.end() ?? [])],
    get openFrom() {
      return Math.min(rules.openFrom, own?.openFrom ?? rules.openFrom)
    },
  }
}
