import { describe, expect, it } from 'vitest'
import type { StepContext } from '../../../src/guard.ts'
import { createDecide } from '../../../src/main/rows/row-decisions.ts'
import type { SitePolicy } from '../../../src/main/site/site-policies.ts'
import { buildLibrary, requireLibrary, requirePolicy } from '../../../src/policy/files/library.ts'
import { SAMPLING } from '../../step/fakes.ts'

const DOCUMENT = `
name: demo
on_failure: open
rules:
  - name: no-maybe
    phase: step
    trigger: { type: pattern, pattern: "perhaps" }
    actions: [{ type: deny, texts: [maybe] }]
`

function policy(isOwn = false): SitePolicy {
  const files = [{ file: 'demo.yaml', text: DOCUMENT }]
  const compiled = requirePolicy(requireLibrary(buildLibrary(files, { nowMs: 0 })), 'demo')
  const site = { name: 'demo', compiled, digest: compiled.digest, onFailure: 'open', bans: [] }
  return { ...site, onFailure: 'open', isOwn }
}

const context: StepContext = {
  requestId: 'r',
  tenant: '',
  user: '',
  model: 'm',
  phase: 'step',
  position: 2,
  parameters: {},
  vocabularyDigest: 'v',
  sampling: SAMPLING,
}
const lookup = (digest: string) =>
  digest === 'v'
    ? { tokensOf: () => [7, 8], encode: () => [], safe: () => ({ tokens: [9], invert: true }) }
    : undefined

describe('createDecide', () => {
  it('gives the policy the tokens of the engine that the row runs in', () => {
    const decide = createDecide({ bannedTokens: [], lookup, nowMs: () => 0 })
    const made = policy()
    const ban = made.compiled.texts[0]?.id ?? ''
    const found = [{ kind: 'match', ban, start: 0, end: 7 }] as const
    expect(decide(made, found, context).deny).toEqual([{ tokens: [7, 8], invert: false }])
    expect(decide(made, found, { ...context, vocabularyDigest: 'w' }).deny ?? []).toEqual([])
  })

  it('denies the ids of banned_tokens_file in every row but the sidecar’s own', () => {
    const decide = createDecide({ bannedTokens: [3, 4], lookup, nowMs: () => 0 })
    const first = decide(policy(), [], context).deny
    expect(first).toEqual([{ tokens: [3, 4], invert: false }])
    expect(decide(policy(), [], context).deny?.[0]).toBe(first?.[0])
    expect(decide(policy(true), [], context).deny ?? []).toEqual([])
  })
})
