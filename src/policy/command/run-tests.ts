/**
 * Runs the tests that stand beside the rules of a policy: what is stated as seen goes through the real
 * scan and the real decision. A text is scanned whole; what a classifier would say is stated.
 */
import type { Finding, Phase } from '../../model/finding.ts'
import type { Decision } from '../../model/decision.ts'
import { applyText } from '../decide/apply-text.ts'
import type { CompiledPolicy, CompiledRule, DecideContext } from '../compiled.ts'
import { decide } from '../decide/decide.ts'
import type { PolicySource } from '../read/document.ts'
import { classifierName } from '../compile/names.ts'
import { scanText } from '../decide/scan.ts'
import type { PolicyTest } from '../schema/schema-tests.ts'
import { sectionsFired } from './test-sections.ts'

export type TestResult = {
  readonly policy: string
  /** undefined for a test of the whole document. */
  readonly rule: string | undefined
  readonly name: string
  readonly isPassed: boolean
  /** Why not; empty when it passed. */
  readonly message: string
  readonly fires: boolean
  readonly file: string
  readonly line: number
}

export type RuleCoverage = {
  readonly policy: string
  readonly rule: string
  readonly firing: number
  readonly quiet: number
}

export type TestRun = {
  readonly results: readonly TestResult[]
  readonly coverage: readonly RuleCoverage[]
}

/** The tests of one document, of its own rules; inherited rules are tested where they are written. */
export function runPolicyTests(policy: CompiledPolicy, source: PolicySource): TestRun {
  const results: TestResult[] = []
  const coverage: RuleCoverage[] = []
  const { document, file, place } = source
  for (const [i, rule] of document.rules.entries()) {
    const compiled = policy.rules.find((other) => other.name === rule.name)
    if (compiled === undefined) continue
    let firing = 0
    let quiet = 0
    for (const [j, test] of rule.tests.entries()) {
      const { line } = place(['rules', i, 'tests', j])
      const result = runOne(policy, compiled, test)
      results.push({ ...result, policy: policy.name, rule: rule.name, file, line })
      if (!result.isPassed) continue
      if (result.fires) firing++
      else quiet++
    }
    coverage.push({ policy: policy.name, rule: rule.name, firing, quiet })
  }
  for (const [j, test] of document.tests.entries()) {
    const { line } = place(['tests', j])
    const result = runOne(policy, undefined, test)
    results.push({ ...result, policy: policy.name, rule: undefined, file, line })
  }
  return { results, coverage }
}

type Outcome = Pick<TestResult, 'name' | 'isPassed' | 'message' | 'fires'>

function runOne(policy: CompiledPolicy, rule: CompiledRule | undefined, test: PolicyTest): Outcome {
  const whole = test.tool === undefined ? 'midstream' : 'tool'
  const phase = test.phase ?? (rule === undefined ? whole : mainPhase(rule))
  const decision = decide(policy, statedFindings(policy, test), contextOf(test, phase))
  // Sections belong to the document: a rule is tested by itself.
  const sections = rule === undefined ? sectionsFired(policy, test) : []
  const ruled = decision.firings.filter(isReal).map((f) => f.rule)
  const fired = [...new Set([...ruled, ...sections])]
  const name = test.name ?? titleOf(test)
  const problem = complaint(test, rule, fired, decision)
  const fires = rule === undefined ? fired.length > 0 : fired.includes(rule.name)
  return { name, isPassed: problem === '', message: problem, fires }
}

/** A test without a name is called by the first thing that it states. */
function titleOf({ text, scores, pii, tool, unjudged, context }: PolicyTest): string {
  if (text !== '') return text.slice(0, TITLE)
  if (tool !== undefined) return cut(`${tool.name}(${JSON.stringify(tool.arguments)})`)
  const stated = { scores, pii, unjudged, context }
  for (const [what, value] of Object.entries(stated)) {
    if (Object.keys(value).length > 0) return cut(`${what} ${JSON.stringify(value)}`)
  }
  return 'no text'
}

const TITLE = 60
const cut = (title: string): string =>
  title.length > TITLE ? `${title.slice(0, TITLE - 1)}…` : title

const isReal = ({ action }: { action: string }): boolean =>
  action !== 'unjudged' && action !== 'excepted'

/** The phase in which a rule is tested when the test names none: where its text is seen. */
function mainPhase(rule: CompiledRule): Phase {
  const order: readonly Phase[] = ['midstream', 'egress', 'ingress', 'step', 'tool']
  return order.find((phase) => rule.phases.has(phase)) ?? 'midstream'
}

function complaint(
  test: PolicyTest,
  rule: CompiledRule | undefined,
  fired: readonly string[],
  decision: Decision,
): string {
  if (test.becomes !== undefined) {
    const became = applyText(test.text, decision.text)
    if (became !== test.becomes) return `expected ${show(test.becomes)}, became ${show(became)}`
  }
  const { fires } = test
  if (typeof fires === 'boolean') {
    const isFired = rule === undefined ? fired.length > 0 : fired.includes(rule.name)
    if (isFired === fires) return ''
    if (fires) return `did not fire (fired: ${list(fired)})`
    return rule === undefined ? `fired: ${list(fired)}` : 'fired'
  }
  const wanted = [fires].flat()
  const missing = wanted.filter((name) => !fired.includes(name))
  const extra = fired.filter((name) => !wanted.includes(name))
  if (missing.length === 0 && extra.length === 0) return ''
  return `expected ${list(wanted)}, fired ${list(fired)}`
}

const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '))
const show = (text: string): string => JSON.stringify(text)

/** What the test says was seen, beside what the scan sees in its text. */
export function statedFindings(policy: CompiledPolicy, test: PolicyTest): readonly Finding[] {
  const findings: Finding[] = [...scanText(policy, test.text)]
  for (const { type, text, confidence } of test.pii) {
    const start = Math.max(0, test.text.indexOf(text))
    findings.push({ kind: 'pii', type, start, end: start + text.length, confidence, masked: '***' })
  }
  for (const [written, score] of Object.entries(test.scores)) {
    const model = classifierName(written)
    const labels = typeof score === 'number' ? { [model]: score } : score
    for (const [label, probability] of Object.entries(labels)) {
      const span = [0, test.text.length] as const
      findings.push({ kind: 'verdict', verdict: { model, label, probability, span, digest: '' } })
    }
  }
  if (test.tool !== undefined) {
    const { name, complete } = test.tool
    const text = JSON.stringify(test.tool.arguments)
    findings.push({ kind: 'tool', name, arguments: text, complete, start: 0, end: 0 })
  }
  for (const model of test.unjudged) {
    findings.push({ kind: 'unjudged', model: classifierName(model), reason: 'late' })
  }
  return findings
}

function contextOf(test: PolicyTest, phase: Phase): DecideContext {
  const told = test.context
  const text = (key: string): string => String(told[key] ?? '')
  const parameters = Object.fromEntries(
    Object.entries(told).map(([key, value]) => [key.replace(/^parameters\./, ''), value]),
  )
  return {
    requestId: text('request_id'),
    tenant: text('tenant'),
    user: text('user'),
    model: text('model'),
    phase,
    position: Number(told['position'] ?? Math.ceil(test.text.length / 4)),
    parameters,
    ...(told['tool'] === undefined ? {} : { tool: text('tool') }),
    responseLength: Number(told['response_length'] ?? test.text.length),
  }
}
