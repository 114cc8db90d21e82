import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { calibrateHead } from '../../../src/classifiers/calibration.ts'
import { DriftWatch, type DriftChange } from '../../../src/classifiers/drift.ts'
import { Judges } from '../../../src/main/scores/judges.ts'
import type { ClassifyResult } from '../../../src/model/verdict.ts'
import { chunkOf, completionOf, event, json, sse } from '../../proxy/upstream.ts'
import { startSite, type Site } from '../site.ts'

const TEXT = 'Please call Ada Lovelace at 12 Baker Street.'
const OPTIONS = { priority: 'prompt', deadlineMs: 1000 } as const

const verdict = (label: string, found: string, text = TEXT) => ({
  model: 'names',
  label,
  probability: 0.9,
  span: [text.indexOf(found), text.indexOf(found) + found.length] as const,
  digest: 'd',
})

const tagger = (answer: (text: string) => ClassifyResult): Judges =>
  new Judges([
    {
      classifier: { classify: (text) => Promise.resolve(answer(text)) },
      names: new Map([
        ['name', 'pii_detector'],
        ['address', 'pii_detector'],
      ]),
    },
  ])

describe('Judges', () => {
  it('gives names and addresses as personal data with a mask, and drops places', async () => {
    const judges = tagger(() => ({
      kind: 'verdicts',
      verdicts: [
        verdict('name', 'Ada Lovelace'),
        verdict('address', '12 Baker Street'),
        verdict('place', 'Baker'),
      ],
    }))
    const found = await judges.ask(new Set(['pii_detector']), TEXT, OPTIONS)
    expect(found).toEqual([
      { kind: 'pii', type: 'name', start: 12, end: 24, confidence: 0.9, masked: 'A*** L***' },
      {
        kind: 'pii',
        type: 'address',
        start: 28,
        end: 43,
        confidence: 0.9,
        masked: '** ***** ******',
      },
    ])
  })

  it('tells the drift watch of its model what every text scored', async () => {
    const benign = Array.from({ length: 1000 }, (_, i) => i / 1000)
    const told: DriftChange[] = []
    const heads = { risk: calibrateHead(benign, 0.01, 'test') }
    const judges = new Judges([
      {
        classifier: {
          classify: () =>
            Promise.resolve({ kind: 'verdicts', verdicts: [verdict('risk', 'Please')] }),
        },
        names: new Map([['risk', 'risk']]),
        drift: new DriftWatch('encoder', heads, (change) => told.push(change)),
      },
    ])
    for (let i = 0; i < 400; i++) await judges.ask(new Set(['risk']), TEXT, OPTIONS)
    expect(told).toMatchObject([{ model: 'encoder', label: 'risk', report: { drifted: true } }])
    expect(judges.drift()).toMatchObject([{ model: 'encoder', drifted: true, seen: 400 }])
  })

  it('says once that a late tagger did not judge', async () => {
    const judges = tagger(() => ({ kind: 'late' }))
    expect(await judges.ask(new Set(['pii_detector']), TEXT, OPTIONS)).toEqual([
      { kind: 'unjudged', model: 'pii_detector', reason: 'late' },
    ])
  })
})

const POLICY = `name: people
rules:
  - name: no-names
    phase: [ingress, egress]
    release: judged
    on_failure: closed
    trigger: { type: pii, types: [name], confidence: 0.6 }
    actions: [{ type: redact, replacement: "[name]" }]
`
const ANSWER = 'Her name is Ada Lovelace, she said.'

/** Finds the one name wherever it stands whole, as the model would. */
const finder = tagger((text) => {
  const isThere = text.includes('Ada Lovelace')
  return { kind: 'verdicts', verdicts: isThere ? [verdict('name', 'Ada Lovelace', text)] : [] }
})

describe('a policy about names', () => {
  let site: Site
  let received = ''
  beforeAll(async () => {
    site = await startSite('proxy', {
      policies: [POLICY],
      judges: finder,
      settings: { 'guardrails.midstream.check_interval': '64' },
      script(response, { body }) {
        received = JSON.stringify(body)
        if (body['stream'] !== true) return json(response, completionOf(ANSWER))
        sse(response)
        for (const content of ANSWER.match(/[^]{1,5}/g) ?? []) {
          response.write(event(chunkOf({ content })))
        }
        response.end(`${event(chunkOf({}, { finish_reason: 'stop' }))}data: [DONE]\n\n`)
      },
    })
  })
  afterAll(() => site.close())

  it.each([true, false])('takes them out of prompt and answer, streamed: %s', async (stream) => {
    const answer = await fetch(`${site.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: TEXT }] }),
    })
    const text = await answer.text()
    expect(received).toContain('Please call [name] at 12 Baker Street.')
    const said = stream
      ? [...text.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1]).join('')
      : text
    expect(said).toContain('Her name is [name], she said.')
    expect(text).not.toContain('Lovelace')
  })
})
