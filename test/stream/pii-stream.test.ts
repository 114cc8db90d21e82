/** Personal data and secrets in streams: one character a frame, redacted whole. */
import { describe, expect, it } from 'vitest'
import { createPiiScanner } from '../../src/pii/scanner.ts'
import type { StreamOptions } from '../../src/stream/guard-options.ts'
import { DIALECTS, hear, streamOf, through } from './streams.ts'

const CASES = [
  ['a mail address', 'Write to jane.doe@example.com today.', 'jane.doe@example.com'],
  ['a card', 'Card 4111 1111 1111 1111 is mine.', '4111 1111 1111 1111'],
  ['an account', 'IBAN DE89 3704 0044 0532 0130 00 please.', 'DE89 3704 0044 0532 0130 00'],
  ['a key', `Use AKIAIOSFODNN7EXAMPLQ now.`, 'AKIAIOSFODNN7EXAMPLQ'],
] as const

describe.each(DIALECTS)('%s', (dialect) => {
  it.each(CASES)('redacts %s whole, however it is cut', (_name, text, datum) => {
    const options: StreamOptions = {
      dialect,
      pii: () => createPiiScanner(),
      decide: (findings) => ({
        firings: [],
        effects: findings.flatMap((one) =>
          one.kind === 'pii'
            ? [{ kind: 'redact' as const, start: one.start, end: one.end, with: '[X]' }]
            : [],
        ),
      }),
      holdbackTokens: 8,
      onMalformed: 'closed',
    }
    for (const size of [1, 3, 7, 100]) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      const out = hear(through(options, Buffer.from(streamOf(dialect, pieces)), []))
      expect(out.text).toBe(text.replace(datum, '[X]'))
    }
  })
})
