/** What a policy makes of a text: which rules, which spans, which scores, what is done in each phase. */
import { PHASES } from '../../model/finding.ts'
import type { Finding, Phase } from '../../model/finding.ts'
import { applyText } from '../decide/apply-text.ts'
import type { CompiledPolicy, DecideContext } from '../compiled.ts'
import { decide } from '../decide/decide.ts'

export type Paint = {
  readonly bold: (text: string) => string
  readonly red: (text: string) => string
  readonly yellow: (text: string) => string
  readonly dim: (text: string) => string
}

export const PLAIN: Paint = { bold: (t) => t, red: (t) => t, yellow: (t) => t, dim: (t) => t }

export const COLOURED: Paint = {
  bold: (t) => `\u001B[1m${t}\u001B[22m`,
  red: (t) => `\u001B[31m${t}\u001B[39m`,
  yellow: (t) => `\u001B[33m${t}\u001B[39m`,
  dim: (t) => `\u001B[2m${t}\u001B[22m`,
}

export function explainText(
  policy: CompiledPolicy,
  text: string,
  findings: readonly Finding[],
  paint: Paint,
): string {
  const lines = [`${paint.bold(policy.name)} ${paint.dim(policy.digest.slice(0, 12))}`]
  lines.push(
    `  ${marked(text, findings, paint)}`,
    '',
    ...findings.map((f) => `  ${shown(f, policy, text)}`),
  )
  for (const phase of PHASES) lines.push(...explainPhase(policy, text, findings, phase, paint))
  return lines.join('\n')
}

function explainPhase(
  policy: CompiledPolicy,
  text: string,
  findings: readonly Finding[],
  phase: Phase,
  paint: Paint,
): string[] {
  const decision = decide(policy, findings, contextFor(text, phase))
  if (decision.firings.length === 0) return [`${phase}: ${paint.dim('nothing')}`]
  const lines = [`${paint.bold(phase)}:`]
  for (const { rule, action, mode, span, score, regulation, message } of decision.firings) {
    const what = mode === 'enforce' ? paint.red(action) : paint.yellow(`${action} (${mode})`)
    const where = span === undefined ? '' : ` at ${span[0]}–${span[1]}`
    const how = score === undefined ? '' : ` score ${score.toFixed(3)}`
    const law = regulation === undefined ? '' : paint.dim(` [${regulation}]`)
    const note = message === undefined || message === '' ? '' : paint.dim(` “${message}”`)
    lines.push(`  ${rule}: ${what}${where}${how}${note}${law}`)
  }
  if (decision.adapt !== undefined) lines.push(`  → sampling ${JSON.stringify(decision.adapt)}`)
  if (decision.stop !== undefined) {
    lines.push(`  → stop ${decision.stop.status}: ${decision.stop.message}`)
  } else if (decision.text.length > 0) {
    lines.push(`  → ${JSON.stringify(applyText(text, decision.text))}`)
  }
  return lines
}

export function contextFor(text: string, phase: Phase): DecideContext {
  const position = Math.ceil(text.length / 4)
  const who = { requestId: '', tenant: '', user: '', model: '', parameters: {} }
  return { ...who, phase, position, responseLength: text.length }
}

function shown(finding: Finding, policy: CompiledPolicy, text: string): string {
  switch (finding.kind) {
    case 'match': {
      const rule = policy.ruleOfText.get(finding.ban) ?? finding.ban
      const found = JSON.stringify(text.slice(finding.start, finding.end))
      return `found ${found} at ${finding.start}–${finding.end} (${rule})`
    }
    case 'pii':
      return `${finding.type} at ${finding.start}–${finding.end}, confidence ${finding.confidence.toFixed(2)}`
    case 'verdict': {
      const { model, label, probability } = finding.verdict
      return `${model} says ${label}: ${probability.toFixed(3)}`
    }
    default:
      return finding.kind
  }
}

/** The text with what was found in it set off; overlapping findings are set off as one. */
function marked(text: string, findings: readonly Finding[], paint: Paint): string {
  const spans = findings.flatMap((f) =>
    f.kind === 'match' || f.kind === 'pii' ? [[f.start, f.end] as const] : [],
  )
  spans.sort((a, b) => a[0] - b[0])
  let out = ''
  let at = 0
  for (const [start, end] of spans) {
    if (end <= at) continue
    const from = Math.max(start, at)
    out += text.slice(at, from) + paint.red(text.slice(from, end))
    at = end
  }
  return out + text.slice(at)
}
