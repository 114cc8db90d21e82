/**
 * JSON text that arrives in pieces, read as what it means: escapes inside strings are decoded, so
 * that a scanner sees `pass` in `p\u0061ss`; everything else passes as it is.
 *
 * Remembers where every decoded character stood, so that a span maps back to the raw text.
 */

type Jump = { readonly decoded: number; readonly raw: number }

export type JsonText = {
  /** The newly decoded text; an escape that is not whole yet waits. */
  push(raw: string): string
  /** Raw offset of the decoded character at `offset`. */
  rawAt(offset: number): number
  /** The parts of the raw span [from, to) that lie inside strings, without their quotes. */
  stringParts(from: number, to: number): readonly (readonly [number, number])[]
}

const SIMPLE: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

export function createJsonText(): JsonText {
  // Offsets where raw and decoded part ways; between two jumps both advance together.
  const jumps: Jump[] = [{ decoded: 0, raw: 0 }]
  const quotes: number[] = []
  let inString = false
  let escape = ''
  let rawLength = 0
  let decodedLength = 0

  const finishEscape = (text: string): string => {
    jumps.push({ decoded: decodedLength, raw: rawLength - text.length })
    decodedLength++
    jumps.push({ decoded: decodedLength, raw: rawLength })
    if (text[1] === 'u') {
      const unit = Number.parseInt(text.slice(2), 16)
      return String.fromCharCode(Number.isNaN(unit) ? 0xfffd : unit)
    }
    return SIMPLE[text[1] ?? ''] ?? text[1] ?? ''
  }

  return {
    push(raw) {
      let out = ''
      for (const char of raw.split('')) {
        rawLength++
        if (escape !== '') {
          escape += char
          if (escape[1] === 'u' && escape.length < 6) continue
          out += finishEscape(escape)
          escape = ''
          continue
        }
        if (inString && char === '\\') {
          escape = char
          continue
        }
        if (char === '"') {
          quotes.push(rawLength - 1)
          inString = !inString
        }
        out += char
        decodedLength++
      }
      return out
    },
    rawAt(offset) {
      const jump = jumps[lastAtMost(jumps.length, (i) => (jumps[i]?.decoded ?? 0) <= offset)]
      return (jump?.raw ?? 0) + offset - (jump?.decoded ?? 0)
    },
    stringParts(from, to) {
      const parts: [number, number][] = []
      // Quotes alternate: even ones open a string, odd ones close it.
      let next = lastAtMost(quotes.length, (i) => (quotes[i] ?? 0) < from) + 1
      for (let at = from; at < to; next++) {
        const quote = Math.min(quotes[next] ?? to, to)
        if (next % 2 === 1 && quote > at) parts.push([at, quote])
        at = Math.max(at, quote + 1)
      }
      return parts
    },
  }
}

/** The last index for which `holds` is true, −1 for none; it is true up to a point. */
function lastAtMost(length: number, holds: (index: number) => boolean): number {
  let low = -1
  let high = length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}
