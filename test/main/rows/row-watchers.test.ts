import { describe, expect, it } from 'vitest'
import { createWatchers } from '../../../src/main/rows/row-watchers.ts'
import type { SitePolicy } from '../../../src/main/site/site-policies.ts'
import type { Finding } from '../../../src/model/finding.ts'
import { decide } from '../../../src/policy/decide/decide.ts'
import { Row } from '../../../src/session/row.ts'
import { Session } from '../../../src/session/session.ts'
import { context, policyOf } from '../../policy/findings.ts'
import { byteVocabulary, openedRow } from '../../step/fakes.ts'

function rowOf(yaml: string) {
  const compiled = policyOf(yaml)
  const policy: SitePolicy = {
    name: 'p',
    compiled,
    digest: compiled.digest,
    onFailure: 'open',
    bans: [],
  }
  const session = new Session({
    opened: openedRow({ policy: 'p' }),
    vocabulary: byteVocabulary(),
    walk: undefined,
    isCompared: false,
    maxTextBytes: 1_000,
  })
  const row = new Row(session, policy, undefined, 0)
  row.watchers = createWatchers(row, () => undefined, {
    sources: [],
    calls: () => undefined,
  })
  const say = (text: string): Finding[] =>
    [...Buffer.from(text)].flatMap((byte) => {
      session.advance(session.position, byte, undefined)
      const found = row.watchers.flatMap((watcher) => watcher.advance())
      row.find(found)
      return found
    })
  const decided = () =>
    decide(compiled, row.findings, { ...context, phase: 'step', position: row.position })
  return { row, say, decided }
}

const rule = (body: string): string => `name: p\nrules:\n  - {name: r, phase: step, ${body}}\n`

describe('createWatchers', () => {
  it('lets a match adapt for some tokens, and then no longer', () => {
    const { say, decided } = rowOf(
      rule(
        'trigger: {type: keywords, any: [risk]}, actions: [{type: adapt, temperature: 0.2, for_tokens: 5}]',
      ),
    )
    say('a risk ')
    expect(decided().adapt).toEqual({ temperature: 0.2 })
    say('123')
    expect(decided().adapt).toEqual({ temperature: 0.2 })
    say('4567')
    expect(decided().adapt).toBeUndefined()
  })

  it('places a match at the token that completed it, however many tokens come at once', () => {
    const text = 'é a risk is what éé it is; risk '
    const body = 'trigger: {type: keywords, any: [risk]}, actions: [{type: adapt, top_k: 1}]'
    const single = rowOf(rule(body))
    const one = single.say(text)
    const coalesced = rowOf(rule(body))
    const { row } = coalesced
    for (const byte of Buffer.from(text)) {
      row.session.advance(row.session.position, byte, undefined)
    }
    const many = row.watchers.flatMap((watcher) => watcher.advance())
    row.find(many)
    const placed = many.flatMap((f) => (f.kind === 'match' ? [f.position] : []))
    // One byte is one token here.
    const ends = [...text.matchAll(/risk/g)].map(({ index }) =>
      Buffer.byteLength(text.slice(0, index + 4)),
    )
    expect(placed).toEqual(ends)
    expect(one.flatMap((f) => (f.kind === 'match' ? [f.position] : []))).toEqual(ends)
    expect(coalesced.decided().firings[0]?.position).toBe(ends[0])
  })

  it('asks a rule about the position when it is reached, and again after a rewind', () => {
    const { row, say, decided } = rowOf(
      rule(
        'trigger: {type: context, field: position, value: ">=4"}, actions: [{type: adapt, top_k: 1}]',
      ),
    )
    say('abc')
    expect(decided().adapt).toBeUndefined()
    expect(say('d')).not.toEqual([])
    expect(decided().adapt).toEqual({ topK: 1 })
    row.session.seek(2)
    row.rewind(2)
    expect(decided().adapt).toBeUndefined()
    expect(say('cd')).not.toEqual([])
    expect(decided().adapt).toEqual({ topK: 1 })
  })

  it('finds personal data for rules of the step phase', () => {
    const { say, decided } = rowOf(
      rule('trigger: {type: pii, types: [email]}, actions: [{type: adapt, temperature: 0}]'),
    )
    say('write to anna.example@bank.example now. ')
    expect(decided().adapt).toEqual({ temperature: 0 })
  })

  it('watches nothing of a policy that needs nothing', () => {
    expect(rowOf('name: p\n').row.watchers).toEqual([])
  })
})
