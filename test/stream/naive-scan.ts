/** A scanner for tests: phrases by comparison, slow and plainly right. */
import type { PhraseMatch, TextScan } from '../../src/stream/guard-options.ts'

export function naiveScan(phrases: readonly string[]): TextScan<PhraseMatch> {
  const longest = Math.max(0, ...phrases.map((phrase) => phrase.length))
  let text = ''
  let ended = false
  return {
    push(more) {
      const found: PhraseMatch[] = []
      for (const char of more.split('')) {
        text += char
        for (const ban of phrases) {
          if (text.endsWith(ban))
            found.push({ ban, start: text.length - ban.length, end: text.length })
        }
      }
      return found
    },
    end() {
      ended = true
      return []
    },
    get openFrom() {
      if (ended) return undefined
      for (let from = Math.max(0, text.length - longest); from < text.length; from++) {
        const tail = text.slice(from)
        if (phrases.some((phrase) => phrase !== tail && phrase.startsWith(tail))) return from
      }
      return text.length
    },
  }
}
