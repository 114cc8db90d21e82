/** Hostile variants of bytes and texts, the same every time. */

export type Random = (below: number) => number

/** A generator of whole numbers below a bound. */
export function numbers(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What JSON is made of, and what breaks its texts. */
export const JSON_SPLINTERS: readonly string[] = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  '\\u',
  ',',
  ':',
  'null',
  '1e999',
  '\u0000',
]

const SPLINTERS = [
  ...JSON_SPLINTERS,
  '\n\n',
  '\r\n\r\n',
  '\r',
  'data: ',
  'data: [DONE]\n\n',
  'event: x\n',
  ': comment\n',
  'id: 1\n',
  '\\ud83d',
  '-1',
  '{"choices":[{"index":0,"delta":{"content":"secret"}}]}',
  '"index":7,',
  '"content":"sec","content":"ret",',
  '\ufeff',
  'é',
  '\u{1f600}',
]

/** `text` with a few cuts, copies, moves, broken bytes and foreign parts. */
export function mutated(bytes: Uint8Array, random: Random): Buffer {
  let out: Buffer = Buffer.from(bytes)
  const rounds = 1 + random(4)
  for (let i = 0; i < rounds && out.length > 0; i++) {
    const at = random(out.length)
    const end = Math.min(out.length, at + 1 + random(40))
    const part = out.subarray(at, end)
    const elsewhere = random(out.length)
    const kind = random(6)
    if (kind === 0) out = Buffer.concat([out.subarray(0, at), out.subarray(end)])
    else if (kind === 1) out = insert(out, elsewhere, part)
    else if (kind === 2) out[at] = random(256)
    else if (kind === 3)
      out = insert(out, at, Buffer.from(SPLINTERS[random(SPLINTERS.length)] ?? ''))
    else if (kind === 4) out = out.subarray(0, at)
    else out = insert(Buffer.concat([out.subarray(0, at), out.subarray(end)]), 0, part)
  }
  return out
}

const insert = (bytes: Buffer, at: number, part: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)])

/** Rising places below `length`, at most `most` bytes apart. */
export function cutsOf(length: number, most: number, random: Random): number[] {
  const cuts: number[] = []
  for (let at = 1 + random(most); at < length; at += 1 + random(most)) cuts.push(at)
  return cuts
}
