import { describe, expect, it } from 'vitest'
import { keptValues } from '../../src/tools/json-kept.ts'
import { withRedactions } from '../../src/tools/json-merge.ts'
import { createRandom } from '../automata/random.ts'
import type { Random } from '../automata/random.ts'

const original = '{"to": "desk", "cc": ["desk", "b\\u0061d", 7], "bad": {"n": 1.0, "gone": "x"}}'
const rewritten = '{"to": "desk", "cc": ["desk", "good", 7], "bad": {"n": 1.0}}'

describe('keptValues', () => {
  const kept = keptValues(original, rewritten, ['desk'])
  const at = (text: string, from = 0): string | undefined => {
    const start = original.indexOf(text, from)
    return kept(start, start + text.length)
  }

  it('tells what policy chose from what it replaced, and from what may be redacted', () => {
    expect(at('desk')).toBe('chosen')
    expect(at('es', 20)).toBe('chosen')
    expect(at('b\\u0061')).toBe('replaced')
    expect(at('"x"')).toBe('replaced')
    expect(at('gone')).toBe('replaced')
    expect(at('7')).toBeUndefined()
    expect(at('"bad"')).toBeUndefined()
    expect(at('1.0')).toBeUndefined()
  })

  it('keeps no span that is redacted in part', () => {
    expect(at('desk", "cc')).toBeUndefined()
    expect(at('desk", "b\\u0061d')).toBe('chosen')
    expect(at('b\\u0061d", 7')).toBeUndefined()
  })

  it('keeps nothing of what is no JSON', () => {
    expect(keptValues('{"to": "desk', '{"to": "desk', ['desk'])(8, 12)).toBeUndefined()
  })

  it('reads deep and long arguments in one pass', () => {
    const deep = `${'['.repeat(100_000)}"desk"${']'.repeat(100_000)}`
    expect(keptValues(deep, deep, ['desk'])(100_001, 100_005)).toBe('chosen')
    const long = `[${'"a",'.repeat(100_000)}"desk"]`
    expect(keptValues(long, long, ['desk'])(400_002, 400_006)).toBe('chosen')
  })

  it('says what the redactions of a rewritten text do, in random arguments', () => {
    const random = createRandom(11)
    for (let round = 0; round < 2_000; round++) {
      const { text, words } = makeArguments(random)
      const word = words[random.below(words.length)] ?? ''
      const clean = text.replace(`${word}"`, '*"')
      const now = random.below(2) === 0 ? text : text.replace(/"w\d+"(?=[,}\]])/, '"safe"')
      const chosen = words.filter(() => random.below(3) === 0)
      const start = text.indexOf(`${word}"`)
      const isKept = keptValues(text, now, chosen)(start, start + word.length) !== undefined
      expect(withRedactions(text, now, clean, chosen).includes('*'), text).toBe(!isKept)
    }
  })
})

/** Nested arguments in which every text and key is another word. */
function makeArguments(random: Random): { text: string; words: string[] } {
  const words: string[] = []
  const word = (): string => {
    words.push(`w${words.length}`)
    return `"${words.at(-1)}"`
  }
  const value = (depth: number): string => {
    const kind = depth > 3 ? 0 : random.below(4)
    if (kind < 2) return word()
    const items = Array.from({ length: random.below(4) }, () => {
      const key = word()
      return kind === 2 ? value(depth + 1) : `${key}:${value(depth + 1)}`
    })
    return kind === 2 ? `[${items.join(',')}]` : `{${items.join(',')}}`
  }
  const text = `{${word()}:${value(0)},${word()}:${value(0)}}`
  return { text, words: words.filter((one) => text.includes(`${one}"`)) }
}
