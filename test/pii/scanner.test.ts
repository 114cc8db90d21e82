import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createPiiScanner, scanPii } from '../../src/pii/scanner.ts'
import { HOSTILE } from './hostile.ts'

type Case = { readonly text: string; readonly found: readonly (readonly [string, string])[] }

const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/pii/cases.yaml'), 'utf8'),
) as readonly Case[]

const seen = (text: string): [string, string][] =>
  scanPii(text).map((f) => [f.type, text.slice(f.start, f.end)])

describe('scanPii', () => {
  it.each(cases)('finds what is there in $text', ({ text, found }) => {
    expect(seen(text)).toEqual(found)
  })

  it('masks every finding without its private part', () => {
    for (const { text } of cases) {
      for (const finding of scanPii(text)) {
        const raw = text.slice(finding.start, finding.end)
        expect(finding.masked).not.toContain(raw)
        expect(finding.confidence).toBeGreaterThan(0)
      }
    }
  })
})

describe('createPiiScanner', () => {
  it('finds the same wherever the text is cut', () => {
    for (const { text } of cases) {
      const whole = scanPii(text)
      for (let cut = 0; cut <= text.length; cut++) {
        const scanner = createPiiScanner()
        const parts = [
          scanner.push(text.slice(0, cut)),
          scanner.push(text.slice(cut)),
          scanner.end(),
        ]
        expect(parts.flat()).toEqual(whole)
      }
    }
  })

  it('finds the same when it comes character by character', () => {
    for (const { text } of cases) {
      const scanner = createPiiScanner()
      const parts = [...text].map((c) => scanner.push(c))
      expect([...parts, scanner.end()].flat()).toEqual(scanPii(text))
    }
  })

  it('never finds anything before openFrom later', () => {
    for (const { text } of cases) {
      const scanner = createPiiScanner()
      for (const c of text) {
        const before = scanner.openFrom
        for (const finding of scanner.push(c)) {
          expect(finding.start).toBeGreaterThanOrEqual(before)
          expect(finding.end).toBeLessThanOrEqual(scanner.openFrom)
        }
      }
    }
  })

  it('holds nothing back after prose and a space', () => {
    const scanner = createPiiScanner()
    scanner.push('just some words ')
    expect(scanner.openFrom).toBe(16)
  })
})

/** Processor time, so that what else the machine does is not measured. */
const cost = (text: string): number => {
  const begin = process.cpuUsage()
  scanPii(text)
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

const least = (text: string): number => Math.min(cost(text), cost(text))

describe('hostile input', () => {
  it.each(HOSTILE)('reads a long run of %j in linear time', (unit) => {
    const text = unit.repeat(Math.ceil(40_000 / unit.length))
    cost(text)
    const small = Math.max(least(text), 4)
    // Eight times the text: linear is 8, quadratic 64, and no noise of a busy machine lies between.
    // The bench records the ratio of a quiet one.
    expect(least(text.repeat(8)) / small).toBeLessThan(24)
  })
})
