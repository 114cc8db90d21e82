import { describe, expect, it } from 'vitest'
import { compileAutomaton, compileScanMachine } from '../../src/automata/automaton.ts'
import { createTextScanner } from '../../src/automata/scan.ts'
import { packScan, parcelBuffers, unpackScan } from '../../src/automata/scan-parcel.ts'
import { FOLDS } from '../../src/model/ban.ts'
import type { Ban } from '../../src/model/ban.ts'

const ban = (id: string, text: string, extra: Partial<Ban> = {}): Ban => ({
  id,
  kind: 'phrase',
  text,
  match: 'word',
  folds: ['case'],
  pending: 'allow',
  place: '',
  ...extra,
})
const bans = [
  ban('a', 'risk free'),
  ban('b', 'guarantee', { folds: FOLDS.filter((fold) => fold !== 'split') }),
  ban('c', '[a-f]{2,3}x', { kind: 'regex', match: 'substring' }),
]
const text = 'A RISK free offer, g.u.a.r.a.n.t.e.e and bcx; gu4rantee'

const scan = (machine: Parameters<typeof createTextScanner>[0]) => {
  const scanner = createTextScanner(machine)
  return [...scanner.push(text), ...scanner.end()]
}

describe('packScan', () => {
  it('gives another thread a machine that finds what the automaton finds', () => {
    const whole = scan(compileAutomaton(bans))
    expect(whole.map((match) => match.ban).toSorted()).toEqual(['a', 'b', 'b', 'c'])
    const machine = compileScanMachine(bans)
    const parcel = packScan(machine)
    const moved = structuredClone(parcel, { transfer: parcelBuffers(parcel) as ArrayBuffer[] })
    expect(scan(unpackScan(moved))).toEqual(whole)
    expect(scan(machine)).toEqual(whole)
  })
})
