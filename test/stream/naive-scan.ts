/** A scanner for tests: phrases by comparison, slow and plainly right. */
import type { PhraseMatch, TextScan } from '../../src/stream/guard-options.ts'

export function naiveScan(phrases: readonly string[]): TextScan<PhraseMatch> {
  const longest = Math.max(0, ...phrases.map((phrase) => phrase.length))
  let tail = ''
  let length = 0
  return {
    push(more) {
      const found: PhraseMatch[] = []
      for (const char of more.split('')) {
        tail = (tail + char).slice(-longest)
        length++
        for (const ban of phrases) {
          if (tail.endsWith(ban)) found.push({ ban, start: length - ban.length, end: length })
        }
      }
      return found
    },
    end: () => [],
    get openFrom() {
      for (let from = 0; from < tail.length; from++) {
        const open = tail.slice(from)
        if (phrases.some((phrase) => phrase !== open && phrase.startsWith(open))) {
          return length - open.length
        }
      }
      return length
    },
  }
}
