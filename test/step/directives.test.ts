import { describe, expect, it } from 'vitest'
import { DenySets } from '../../src/step/deny-sets.ts'
import { toMessages } from '../../src/step/directives.ts'
import type { Directive } from '../../src/model/directive.ts'

const row = (directive: Partial<Directive>) => ({
  slot: 1,
  generation: 2,
  directive: { fromPosition: 3, sync: false, ...directive },
})

describe('toMessages', () => {
  it('sends a deny set once, sorted and distinct, before the row that names it', () => {
    const sets = new DenySets()
    const deny = [{ tokens: [9, 3, 3], invert: false }]
    expect(toMessages(5, [row({ deny })], sets)).toMatchObject([
      { denySet: { id: 1, invert: false, token: [3, 9] } },
      { directives: { sequence: 5, rows: [{ slot: 1, generation: 2, denySets: [1] }] } },
    ])
    const same = [{ tokens: [9, 3, 3], invert: false }]
    expect(toMessages(6, [row({ deny: same })], sets)).toHaveLength(1)
    const inverted = [{ tokens: [9, 3, 3], invert: true }]
    expect(toMessages(7, [row({ deny: inverted })], sets)).toMatchObject([
      { denySet: { id: 2, invert: true } },
      {},
    ])
  })

  it('never sends temperature 0, which would read as unset', () => {
    const [message] = toMessages(1, [row({ adapt: { temperature: 0 } })], new DenySets())
    const rows = message !== undefined && 'directives' in message ? message.directives.rows : []
    expect(rows[0]?.adapt).toMatchObject({ temperature: 1e-5, topP: 0 })
  })

  it('says allow with an empty directive', () => {
    expect(toMessages(0, [row({})], new DenySets())).toEqual([
      {
        directives: {
          sequence: 0,
          rows: [
            {
              slot: 1,
              generation: 2,
              fromPosition: 3,
              untilPosition: 0,
              denySets: [],
              force: [],
              stop: false,
              sync: false,
            },
          ],
        },
      },
    ])
  })
})

describe('DenySets', () => {
  it('forgets the set that was not named for longest, and never uses an id again', () => {
    const sets = new DenySets(2)
    const set = (token: number) => ({ tokens: [token], invert: false })
    expect(sets.name(set(1))).toEqual({ id: 1, fresh: true })
    expect(sets.name(set(2))).toEqual({ id: 2, fresh: true })
    expect(sets.name(set(1))).toEqual({ id: 1, fresh: false })
    expect(sets.name(set(3))).toEqual({ id: 3, fresh: true })
    expect(sets.name(set(2))).toEqual({ id: 4, fresh: true })
    expect(sets.size).toBe(2)
  })
})
