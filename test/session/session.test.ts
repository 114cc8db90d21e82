import { describe, expect, it } from 'vitest'
import type { Opened } from '../../src/model/step.ts'
import { steered } from '../../src/session/row.ts'
import { HISTORY, NOTICED, Session } from '../../src/session/session.ts'
import type { Walk } from '../../src/session/session.ts'
import { byteVocabulary, openedRow, walkX } from '../step/fakes.ts'

const vocabulary = byteVocabulary()
const opened = (outputTokenIds: readonly number[] = []): Opened =>
  openedRow({ program: walkX.digest, outputTokenIds })

const session = (walk: Walk = walkX, resumed: readonly number[] = []): Session =>
  new Session({
    opened: opened(resumed),
    vocabulary,
    walk,
    isCompared: true,
    maxTextBytes: 100_000,
  })

/** A walk whose state is a hash of everything read: any mistake in a rewind shows. */
const hashing: Walk = {
  digest: 'b'.repeat(64),
  start: 17,
  next: (state, token) => (Math.imul(Number(state) ^ token, 0x9e3779b1) >>> 1) & 0x3fffffff,
  isDead: () => false,
}

describe('steered', () => {
  const deny = [{ tokens: [1], invert: true }]

  it('masks the very next token only, and goes on waiting', () => {
    const directive = steered({ fromPosition: 0, sync: false }, { sync: true, deny }, 7)
    expect(directive).toEqual({ fromPosition: 7, untilPosition: 8, sync: true, deny })
  })

  it('does not end what a rule wants with the mask', () => {
    const adapt = { temperature: 0.2 }
    const directive = steered({ fromPosition: 0, sync: false, adapt }, { sync: true, deny }, 7)
    expect(directive).toEqual({ fromPosition: 7, sync: true, deny, adapt })
  })
})

describe('Session', () => {
  it(`goes back to each of the last ${HISTORY} positions as if the rest had not been`, () => {
    const tokens = Array.from({ length: 600 }, (_, i) => 97 + ((i * 7) % 26))
    const states = [Number(hashing.start)]
    for (const token of tokens) states.push(Number(hashing.next(states.at(-1) ?? 0, token)))
    for (let back = 1; back <= HISTORY; back++) {
      const row = session(hashing)
      tokens.forEach((token, i) => row.advance(i, token, states[i + 1]))
      const to = tokens.length - back
      const noticed = row.advance(to, tokens[to] ?? 0, states[to + 1])
      expect(noticed).toBe(NOTICED.rewind)
      expect(row.position).toBe(to + 1)
      expect(row.state).toBe(states[to + 1])
      expect(row.text.toString()).toBe(String.fromCharCode(...tokens.slice(0, to + 1)))
    }
  })

  it('calls a rewind beyond its memory a gap and takes the engine at its word from there', () => {
    const row = session(hashing)
    for (let i = 0; i < 600; i++) row.advance(i, 97, Number(hashing.next(row.state, 97)))
    const noticed = row.advance(600 - HISTORY - 1, 98, 12_345)
    expect(noticed & NOTICED.gap).toBe(NOTICED.gap)
    expect(row.state).toBe(12_345)
    expect(row.text.toString()).toBe('\ufffdb')
    expect(row.advance(600 - HISTORY, 98, Number(hashing.next(12_345, 98)))).toBe(0)
  })

  it('compares what a program of matches reports, and is lost after a gap that it cannot read', () => {
    const many: Walk = {
      ...hashing,
      next: (state, token) => [Number(String(state).split(',').at(-1)) % 7, token],
      isDead: (state) => String(state).endsWith(',99'),
      report: (state) => (typeof state === 'number' ? state : (state[1] ?? 0) * 10),
      fromReport: () => undefined,
    }
    const row = session(many)
    expect(row.advance(0, 97, 970)).toBe(0)
    expect(row.advance(1, 98, 970)).toBe(NOTICED.divergence)
    const other = session(many)
    other.advance(0, 97, 970)
    expect(other.advance(5, 98, 980)).toBe(NOTICED.gap)
    expect(other.advance(6, 99, 980)).toBe(0)
  })

  it('never joins the text before missing tokens with the text after them', () => {
    const row = session()
    row.advance(0, 97, 0)
    expect(row.advance(5, 98, 0)).toBe(NOTICED.gap)
    expect(row.text.toString()).toBe('a\ufffdb')
    expect(row.advance(1, 99, 0) & NOTICED.gap).toBe(NOTICED.gap)
  })

  it('notices once that the engine is in another state', () => {
    const row = session()
    expect(row.advance(0, 120, 1)).toBe(0)
    expect(row.advance(1, 97, 1)).toBe(NOTICED.divergence)
    expect(row.advance(2, 97, 1)).toBe(0)
  })

  it('notices that a banned text was sampled all the same', () => {
    const row = session()
    expect(row.advance(0, 120, undefined)).toBe(0)
    expect(row.advance(1, 88, undefined)).toBe(NOTICED.violation)
    expect(row.isViolated).toBe(true)
  })

  it('goes on after the tokens of a resumed request', () => {
    const row = session(walkX, [104, 105, 120])
    expect(row.position).toBe(3)
    expect(row.state).toBe(1)
    expect(row.text.toString()).toBe('hix')
    expect(row.advance(3, 33, 0)).toBe(0)
    expect(row.advance(1, 97, 0)).toBe(NOTICED.rewind)
    expect(row.text.toString()).toBe('ha')
  })
})
