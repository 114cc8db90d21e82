import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createPiiScanner, scanPii } from '../../src/pii/scanner.ts'

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

const time = (text: string): number => {
  const begin = performance.now()
  scanPii(text)
  return performance.now() - begin
}

describe('hostile input', () => {
  it.each([
    ['digits', '1', 1_000_000],
    ['@', '@', 1_000_000],
    ['a@', 'a@', 400_000],
    ['1 ', '1 ', 200_000],
    ['1-', '1-', 400_000],
    ['(', '(', 400_000],
    ['A1', 'A1', 400_000],
    [':', ':', 400_000],
    ['1.', '1.', 400_000],
    ['sk-', 'sk-', 400_000],
    ['password=', 'password=', 400_000],
    ['a://b:', 'a://b:', 400_000],
    ['eyJ', 'eyJaaaaaaaaa.', 400_000],
  ])('reads a long run of %s in linear time', (_name, unit, length) => {
    const quarter = unit.repeat(Math.ceil(length / 4 / unit.length))
    const small = Math.max(time(quarter), 5)
    const large = time(quarter.repeat(4))
    // Linear would be 4; quadratic 16. The margin is for a busy machine.
    expect(large / small).toBeLessThan(12)
    expect(large).toBeLessThan(10_000)
  })
})
