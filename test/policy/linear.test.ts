import { describe, expect, it } from 'vitest'
import { compileLinear, LinearScanner, scanLinear } from '../../src/policy/compile/linear.ts'
import { parseRegex } from '../../src/policy/compile/regex.ts'

const compile = (source: string, isFolded = false) =>
  compileLinear('p', source, parseRegex(source), isFolded)
const found = (source: string, text: string, isFolded = false): string[] =>
  scanLinear(compile(source, isFolded), text).map((m) => text.slice(m.start, m.end))

describe('scanLinear', () => {
  it.each([
    [
      '(ignore|forget).*(above|rules)',
      'so IGNORE all\nforget the rules above, ok',
      true,
      ['forget the rules above'],
    ],
    ['\\d+', 'a 12 b 345', false, ['12', '345']],
    ['a(b|c)*d?', 'abcbd xx ad a', false, ['abcbd', 'ad', 'a']],
    ['x{2,3}', 'xxxxxxx', false, ['xxx', 'xxx']],
    ['^start', 'start restart', false, ['start']],
    ['end$', 'end end', false, ['end']],
    ['\\bé\\w+', 'été élan', false, ['été', 'élan']],
    ['[^a-c\\s]+', 'abc dé f', false, ['dé', 'f']],
    [
      'sk-[A-Za-z0-9]{20,}',
      'sk-abcdefghijklmnopqrstuvwxyz.',
      false,
      ['sk-abcdefghijklmnopqrstuvwxyz'],
    ],
    ['😀+', 'a😀😀b', false, ['😀😀']],
  ])('finds %s as JavaScript would', (source, text, isFolded, wanted) => {
    expect(found(source, text, isFolded)).toEqual(wanted)
    const own = [...text.matchAll(new RegExp(source, isFolded ? 'giu' : 'gu'))].map((m) => m[0])
    if (!source.includes('\\w') && !source.includes('\\b')) expect(own).toEqual(wanted)
  })

  it('tells the same matches wherever the text is cut', () => {
    const pattern = compile('(ab|a😀)+c?')
    const text = 'x aba😀abc y abab a😀c z'
    const whole = scanLinear(pattern, text)
    for (let cut = 0; cut <= text.length; cut++) {
      const scanner = new LinearScanner(pattern)
      const all = [
        ...scanner.feed(text.slice(0, cut)),
        ...scanner.feed(text.slice(cut)),
        ...scanner.end(),
      ]
      const longest = [...new Map(all.map((m) => [m.start, m])).values()]
      expect(longest).toEqual(whole)
    }
  })

  it.each([
    ['(a+)+$', 'a'.repeat(20_000) + 'b'],
    ['(a|a)*b', 'a'.repeat(20_000)],
    ['(.*,){20}x', 'a,'.repeat(5_000)],
    ['([a-z]+)*=', 'a'.repeat(20_000)],
  ])('stays linear on %s, which makes backtracking explode', (source, text) => {
    const pattern = compile(source)
    const time = (of: string): number => {
      const start = process.cpuUsage().user
      scanLinear(pattern, of)
      return process.cpuUsage().user - start
    }
    time(text)
    const half = Math.max(1_000, time(text.slice(0, text.length / 2)))
    expect(time(text)).toBeLessThan(half * 12)
  })
})

describe('parseRegex', () => {
  it.each([
    ['(?=a)b', 'look-around'],
    ['(a)\\1', 'back-references'],
    ['a**+', 'possessive'],
    ['*a', 'nothing to repeat'],
    ['(a', 'not closed'],
    ['a)', 'unmatched'],
    ['[a', 'not closed'],
    ['[z-a]', 'exchanged'],
    ['a{5,2}', 'exchanged'],
    ['a{2000}', '1000 repetitions'],
    ['((a{1000}){1000}){1000}', 'too large'],
    ['('.repeat(100), 'nested deeper'],
  ])('refuses %s and names the part', (source, reason) => {
    expect(() => compile(source)).toThrow(reason)
  })
})
