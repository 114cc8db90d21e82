/**
 * Text as a person would compare it, and what it says once decoded: the forms in which a value can
 * travel from untrusted content into a tool call.
 */

/** Case, width, marks, invisible characters, punctuation and white space are made equal. */
export function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
}

/** Longest text that is decoded in one piece; longer runs are cut there. */
const MAX_RUN = 8192

/** Every reading of the text that differs from it: base64, hex, percent, reversed, rot13. */
export function decodings(text: string): string[] {
  const out = [reverse(text), rot13(text)]
  const percent = percentDecode(text)
  if (percent !== text) out.push(percent)
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{8,}={0,2}/g)) {
    const decoded = printable(Buffer.from(run.slice(0, MAX_RUN), 'base64'))
    if (decoded !== undefined) out.push(decoded)
  }
  for (const [run] of text.matchAll(/(?:[0-9a-fA-F]{2}[\s:-]?){4,}/g)) {
    const hex = run.replaceAll(/[^0-9a-fA-F]/g, '').slice(0, MAX_RUN)
    const decoded = printable(Buffer.from(hex, 'hex'))
    if (decoded !== undefined) out.push(decoded)
  }
  return out
}

/** The bytes as text when they are text: valid UTF-8 without control characters. */
function printable(bytes: Uint8Array): string | undefined {
  if (bytes.length < 3) return undefined
  const text = new TextDecoder().decode(bytes)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\uFFFD\u0000-\u0008\u000E-\u001F]/.test(text) ? undefined : text
}

/** `%41` decoded where it is valid, at most three times over (double encoding). */
export function percentDecode(text: string): string {
  let current = text
  for (let round = 0; round < 3 && /%[0-9a-fA-F]{2}/.test(current); round++) {
    current = current.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (run) => {
      const bytes = Buffer.from(run.replaceAll('%', ''), 'hex')
      return new TextDecoder().decode(bytes)
    })
  }
  return current
}

function reverse(text: string): string {
  return [...text].toReversed().join('')
}

function rot13(text: string): string {
  return text.replaceAll(/[a-z]/gi, (letter) => {
    const base = letter <= 'Z' ? 65 : 97
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base)
  })
}
