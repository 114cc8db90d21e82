/** Detectors of e-mail addresses, IP addresses and phone numbers. */
import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/max'
import type { Hit, Piece } from './finding.ts'

const LOCAL = /[\p{L}\p{N}._%+'-]/u
// RFC 5321 §4.5.3.1: 64 octets before the @, 255 after it.
const LOCAL_MAX = 64
const DOMAIN = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}\p{L}{2,24}/u

export function findEmails({ text }: Piece): Hit[] {
  const hits: Hit[] = []
  let from = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    while (start > from && at - start < LOCAL_MAX && LOCAL.test(text[start - 1] ?? '')) start--
    while (start < at && /[.'-]/.test(text[start] ?? '')) start++
    const domain = DOMAIN.exec(text.slice(at + 1, at + 256))?.[0]
    if (start === at || domain === undefined || text[at - 1] === '.') continue
    from = at + 1 + domain.length
    hits.push({ type: 'email', start, end: from, confidence: 0.97 })
  }
  return hits
}

const IPV4 =
  /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d]|\.\d)/g
const IPV6 = /(?<![0-9A-Za-z:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![0-9A-Za-z:])/g

/** RFC 4291 §2.2: eight groups, or fewer with exactly one "::". */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2 || !text.includes(':')) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  if (groups.some((g) => !/^[0-9A-Fa-f]{1,4}$/.test(g))) return false
  return halves.length === 2 ? groups.length < 8 && groups.length > 1 : groups.length === 8
}

const VERSION = /(?:\bv|version|release|build)\s*[:=]?\s*$/i

export function findIps({ text, before }: Piece): Hit[] {
  const hits: Hit[] = []
  for (const match of text.matchAll(IPV4)) {
    const near = (before + text.slice(0, match.index)).slice(-20)
    const confidence = VERSION.test(near) ? 0.3 : 0.9
    hits.push({ type: 'ip', start: match.index, end: match.index + match[0].length, confidence })
  }
  for (const match of text.matchAll(IPV6)) {
    if (!isIpv6(match[0])) continue
    hits.push({
      type: 'ip',
      start: match.index,
      end: match.index + match[0].length,
      confidence: 0.9,
    })
  }
  return hits
}

const CANDIDATE =
  /(?<![\p{L}\p{N}.])(?:\+|00)?\(?\d[\d().\-–/ ]{5,24}\d(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\p{L}\p{N}])/gu
const CONTEXT =
  /\b(phone|telephone|tel|mobile|cell|call|call me|fax|contact|whatsapp|sms|text me|dial|ring|answering|desk|office|number is|telefon|tel\.|handy|téléphone|teléfono|móvil|telefono|telefoon|hotline|reach)\b(?:[^\n]{0,30}|\W{0,4}\s{0,3})$/i
const US_SHAPE =
  /^(?:1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?$/
const COUNTRIES: readonly CountryCode[] = ['US', 'GB', 'DE', 'FR', 'ES', 'IT', 'NL', 'IN']
const DATE = /^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}$/

/** Confidence that `text` is a phone number; 0 when it is none. */
function judgePhone(text: string, context: boolean): number {
  const digits = text.replaceAll(/\D/g, '').length
  if (digits < 7 || digits > 18 || DATE.test(text)) return 0
  const international = text.startsWith('00') ? `+${text.slice(2)}` : text
  if (international.startsWith('+')) {
    const found = parsePhoneNumberFromString(international)
    if (found?.isValid() === true) return 0.97
    return found?.isPossible() === true ? 0.7 : context ? 0.5 : 0
  }
  if (US_SHAPE.test(text)) {
    if (parsePhoneNumberFromString(text, 'US')?.isPossible() === true) return context ? 0.9 : 0.75
  }
  if (!context && !/^\(?0\d/.test(text)) return 0
  const valid = COUNTRIES.some((c) => parsePhoneNumberFromString(text, c)?.isValid() === true)
  if (valid) return context ? 0.85 : /[ ()/-]/.test(text) ? 0.6 : 0.4
  return context ? 0.55 : 0
}

export function findPhones({ text, before }: Piece): Hit[] {
  const hits: Hit[] = []
  for (const match of text.matchAll(CANDIDATE)) {
    const near = (before + text.slice(0, match.index)).slice(-60)
    const confidence = judgePhone(match[0].trim(), CONTEXT.test(near))
    if (confidence > 0) {
      hits.push({
        type: 'phone',
        start: match.index,
        end: match.index + match[0].length,
        confidence,
      })
    }
  }
  return hits
}
