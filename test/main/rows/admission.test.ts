import { describe, expect, it } from 'vitest'
import type { EngineView } from '../../../src/guard.ts'
import { createAdmission } from '../../../src/main/rows/admission.ts'
import { toSitePolicies } from '../../../src/main/site/site-policies.ts'
import { buildLibrary, requireLibrary } from '../../../src/policy/files/library.ts'
import type { Body } from '../../../src/proxy/requests.ts'
import { engineInfo } from '../../step/fakes.ts'

const POLICY = `
name: words
rules:
  - name: one
    trigger: { type: keywords, any: [zebra] }
    actions: [{ type: ban }]
`

const policy = toSitePolicies(
  requireLibrary(buildLibrary([{ file: 'words.yaml', text: POLICY }], { nowMs: 0 })),
  {
    bans: [],
    isMasking: true,
    onFailure: 'closed',
    standard: 'words',
    adaptive: undefined,
    classifiers: [],
    answered: [],
    calibration: {},
    destinations: [],
    isLowering: () => true,
  },
).standard

const TENANCY = { tenant: '', user: '', policy, mode: undefined, maxTokens: undefined }

/** An engine that holds the program of its own vocabulary. */
function engine(model: string, vocabularyDigest: string): EngineView {
  const programs = [{ digest: `program of ${vocabularyDigest}`, ready: true, error: '' }]
  return { engine: engineInfo({ model, vocabularyDigest }), rows: 0, stats: undefined, programs }
}

function admit(engines: readonly EngineView[], body: Body) {
  const admission = createAdmission({
    guard: { engines: () => engines, expect: () => undefined },
    tenancy: () => Promise.resolve(TENANCY),
    program: (_, digest) => `program of ${digest}`,
    stopToken: (digest) => digest.length,
    spell: (digest, token) => `${token} of ${digest}`,
    inspect: () => Promise.resolve({ kind: 'admit', site: undefined }),
    offer: () => undefined,
    deniedTokens: [],
    sleep: () => Promise.resolve(),
    waitMs: 40,
  })
  const request = { requestId: 'r', path: '/', dialect: 'chat', headers: {}, remote: '' } as const
  return admission({ ...request, body })
}

describe('createAdmission', () => {
  const engines = [engine('first', 'vocabulary'), engine('second', 'other vocabulary')]

  it('binds by the engine that serves the model, not by the first that is attached', async () => {
    expect(await admit(engines, { model: 'second' })).toMatchObject({
      binding: { program: 'program of other vocabulary', stopToken: 'other vocabulary'.length },
    })
    expect(await admit(engines, { model: 'first' })).toMatchObject({
      binding: { program: 'program of vocabulary' },
    })
  })

  it('refuses a model that could be served by engines of different vocabularies', async () => {
    await expect(admit(engines, { model: 'an alias' })).rejects.toThrow(/different vocabularies/)
    await expect(admit(engines.slice(0, 1), { model: 'an alias' })).resolves.toMatchObject({
      binding: { program: 'program of vocabulary' },
    })
  })
})
