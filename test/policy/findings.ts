/** Findings and contexts as tests state them. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Finding, Phase } from '../../src/model/finding.ts'
import type { Calibration } from '../../src/policy/compile/calibrated.ts'
import { compilePolicy } from '../../src/policy/compile/compile.ts'
import type { CompileOptions } from '../../src/policy/compile/compile.ts'
import type { CompiledPolicy, DecideContext } from '../../src/policy/compiled.ts'
import { readPolicy } from '../../src/policy/read/document.ts'
import { refuseErrors, showProblem } from '../../src/policy/read/problem.ts'

export const NOW = Date.parse('2026-01-01T00:00:00Z')

export const context: DecideContext = {
  requestId: 'r1',
  tenant: 'acme',
  user: 'u1',
  model: 'm1',
  phase: 'step',
  position: 10,
  parameters: {},
}

/** Of an ordinary request without a tenant or a user, at its beginning. */
export const contextAt = (phase: Phase): DecideContext => ({
  requestId: 'r',
  tenant: '',
  user: '',
  model: 'm',
  phase,
  position: 0,
  parameters: {},
})

export function policyOf(yaml: string, options: Partial<CompileOptions> = {}): CompiledPolicy {
  const { source, problems } = readPolicy(yaml, 'test.yaml')
  refuseErrors(problems)
  if (source === undefined) throw new Error('no source')
  const compiled = compilePolicy(source, [source], { nowMs: NOW, ...options })
  refuseErrors(compiled.problems)
  if (compiled.policy === undefined) throw new Error('no policy')
  return compiled.policy
}

/** Everything that is wrong with a text, one line each, as users see it. */
export function problemsOf(yaml: string, options: Partial<CompileOptions> = {}): string[] {
  const { source, problems } = readPolicy(yaml, 'test.yaml')
  const compiled =
    source === undefined ? [] : compilePolicy(source, [source], { nowMs: NOW, ...options }).problems
  return [...problems, ...compiled].map(showProblem)
}

export const verdict = (
  model: string,
  probability: number,
  position = 10,
  digest = 'd',
): Finding => ({
  kind: 'verdict',
  verdict: { model, label: model, probability, span: [0, 8], digest },
  position,
})

/** What a calibration knows of one model: `[rate, threshold]` pairs; the digest is its name. */
export const calibrated = (
  model: string,
  label: string,
  points: readonly (readonly [number, number])[],
  inStep = false,
): Calibration[string][number] => ({
  model,
  digest: model,
  inStep,
  label,
  points: points.map(([rate, threshold]) => ({ rate, threshold })),
})

/** A match of the text that is written so in the policy. */
export function match(policy: CompiledPolicy, text: string, start = 0, position = 10): Finding {
  const ban =
    policy.texts.find((t) => t.text === text)?.id ??
    policy.linear.find((p) => p.source === text)?.id
  if (ban === undefined) throw new Error(`${policy.name} looks for no ${text}`)
  return { kind: 'match', ban, start, end: start + text.length, position }
}

export const data = (name: string): string =>
  readFileSync(resolve(import.meta.dirname, '../data/policy', name), 'utf8')
