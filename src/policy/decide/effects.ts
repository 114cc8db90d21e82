/** One action of a rule that fired → its effect in the outcome. */
import type { CompiledAction, DecideContext } from '../compiled.ts'
import { tighten } from '../../decoding/tighten.ts'
import type { Outcome } from './outcome.ts'
import { highestScore, spanOf } from './shot.ts'
import type { Shot } from './shot.ts'

export function applyAction(action: CompiledAction, shot: Shot, outcome: Outcome): void {
  const { document } = action
  const { context, rule } = shot
  switch (document.type) {
    case 'log':
    case 'audit':
    case 'notify':
      return // they are in the firings; whoever watches those does the telling
    case 'stop': {
      const message = spoken(document.message, shot)
      outcome.stop(rule.priority, { reason: rule.name, message, status: document.status_code })
      return
    }
    case 'redact':
    case 'replace':
      replaceEvidence(spoken(document.replacement, shot), shot, outcome)
      return
    case 'ban':
      // At the step phase the engine's own masks hold the ban.
      if (context.phase !== 'step') replaceEvidence(document.replacement, shot, outcome)
      return
    case 'inject': {
      const text = spoken(document.content, shot)
      if (document.position === 'replace') replaceEvidence(text, shot, outcome)
      else outcome.inject(document.position, text, document.once)
      return
    }
    case 'adapt':
      applyAdapt(action, shot, outcome)
      return
    case 'deny': {
      const texts = document.texts ?? []
      const looked = texts.flatMap((text) => context.vocabulary?.tokensOf(text) ?? [])
      const tokens = [...(document.tokens ?? []), ...looked]
      if (tokens.length > 0) outcome.deny.push({ tokens, invert: false })
      return
    }
    case 'force': {
      const tokens = context.vocabulary?.encode(spoken(document.text, shot)) ?? []
      if (tokens.length > 0) outcome.force(tokens)
      return
    }
    case 'rewrite_tool': {
      const value = spoken(document.value, shot)
      outcome.tool({ kind: 'rewrite', argument: document.argument, value })
      return
    }
    case 'block_tool_call':
      outcome.tool({ kind: 'block', message: spoken(document.message, shot) })
      return
    case 'step_up': {
      const expiresMs = document.expires_seconds * 1_000
      outcome.tool({ kind: 'step_up', reason: spoken(document.reason, shot), expiresMs })
    }
  }
}

function replaceEvidence(text: string, { found }: Shot, outcome: Outcome): void {
  for (const finding of found) {
    const span = spanOf(finding)
    if (span !== undefined && span[1] > span[0]) outcome.replace(span[0], span[1], text)
  }
}

function applyAdapt(action: CompiledAction, shot: Shot, outcome: Outcome): void {
  const { plan } = action
  const level = plan?.levels[(shot.level?.level ?? 1) - 1]
  if (level === undefined) return
  const own = shot.context.sampling
  const adapt = own === undefined ? level.adapt : tighten(level.adapt, own)
  if (adapt !== undefined) outcome.adapt(adapt)
  const { safe } = level
  const deny = safe === undefined ? level.deny : shot.context.vocabulary?.safe(safe)
  if (deny !== undefined) outcome.deny.push(deny)
  if (shot.rule.wait) outcome.sync = true
}

/** Messages may name the score and the request; never the text that was found. */
export function spoken(text: string, shot: Shot): string {
  if (!text.includes('${')) return text
  const { rule, context, level } = shot
  const live: Readonly<Record<string, string>> = {
    score: (level?.score ?? highestScore(shot.found) ?? 1).toFixed(2),
    rule: rule.name,
    regulation: rule.regulation ?? '',
    ...names(context),
  }
  return text.replaceAll(/\$\{([a-z]+)\}/g, (whole, name: string) => live[name] ?? whole)
}

const names = (context: DecideContext): Record<string, string> => ({
  tenant: context.tenant,
  model: context.model,
})
