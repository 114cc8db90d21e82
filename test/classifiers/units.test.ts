import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  clearUnit,
  cutUnits,
  endsUnit,
  openUnit,
  pushByte,
  SLOTS,
  writeFeatures,
} from '../../src/classifiers/units.ts'

type Case = {
  readonly text: string
  readonly units: readonly string[]
  readonly features: readonly (readonly number[])[]
}

const file = join(import.meta.dirname, '../data/classifiers/units.jsonl')
const cases = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

function cutInParts(parts: readonly Uint8Array[]): string[] {
  const open = openUnit()
  const found: string[] = []
  const close = (): void => {
    if (open.length > 0)
      found.push(Buffer.from(open.bytes.subarray(0, open.length)).toString('hex'))
    clearUnit(open)
  }
  for (const byte of parts.flatMap((part) => [...part])) {
    if (endsUnit(open, byte)) close()
    pushByte(open, byte)
  }
  close()
  return found
}

describe('cutUnits', () => {
  it.each(cases)('gives the units of the training side for %j', ({ text, units }) => {
    expect(cutUnits(bytesOf(text)).map((u) => Buffer.from(u).toString('hex'))).toEqual(units)
  })

  it('gives the same units however the bytes arrive', () => {
    for (const { text, units } of cases) {
      const data = bytesOf(text)
      for (let cut = 0; cut <= data.length; cut++) {
        expect(cutInParts([data.subarray(0, cut), data.subarray(cut)])).toEqual(units)
      }
    }
  })
})

describe('writeFeatures', () => {
  it('hashes as the training side does', () => {
    for (const { text, features } of cases) {
      const units = cutUnits(bytesOf(text))
      const out = new Int32Array(SLOTS)
      for (const [i, unit] of units.entries()) {
        writeFeatures(unit, unit.length, out, 0)
        expect([...out]).toEqual(features[i])
      }
    }
  })
})
