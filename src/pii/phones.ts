/**
 * Phone numbers: shapes by pattern, validity by libphonenumber, and words beside them. A number that
 * stands behind "licence", "order" or "account" is none, whatever its shape.
 */
import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/max'
import type { Hit, Piece } from './finding.ts'

const CANDIDATE =
  /(?<![\p{L}\p{N}.])(?:\+|00)?\(?\d[\d().\-–/ ]{4,24}\d(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\p{L}\p{N}])/gu
const NAMED =
  /\b(?:phone|telephone|tel|mobile|cell|call|call me|fax|contact|whatsapp|sms|text me|dial|ring|answering|desk|office|number is|telefon|tel\.|handy|téléphone|teléfono|móvil|telefono|telefoon|hotline|reach)\b(?:[^\n]{0,30}|\W{0,4}\s{0,3})$/i
/** Directly beside the number: even a short one is meant to be called. */
const CALLED = /\b(?:phone|telephone|tel|mobile|cell|call|fax|dial|ring|telefon)\b\W{0,3}$/i
/** What a number behind these words counts is something else. */
const OTHER =
  /\b(?:licen[cs]e|account|card|order|reference|ref|policy|passport|invoice|tracking|serial|member(?:ship)?|customer|case|ticket|id|vat|tax|isbn|nhs|bsn|ssn|model|part|suite|apt|apartment|room|unit|route|p\.? ?o\.? box)\.?(?: (?:number|no|num|nr))?\.?(?: (?:is|was))?[ :#]{0,3}$/i
/** Business cards and signatures name the line behind the number. */
const AFTER = /^[-\s(,/]{0,3}(?:office|offi\b|fax|home|mobile|cell|work|phone|tel\b|direct)/i
const US_SHAPE =
  /^(?:1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?$/
const COUNTRIES: readonly CountryCode[] = ['US', 'GB', 'DE', 'FR', 'ES', 'IT', 'NL', 'IN']
const DATE = /^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}$/

type Context = 'none' | 'near' | 'called' | 'other'

function contextOf(before: string, after: string): Context {
  if (CALLED.test(before) || AFTER.test(after)) return 'called'
  if (OTHER.test(before)) return 'other'
  return NAMED.test(before) ? 'near' : 'none'
}

/** Confidence that `text` is a phone number; 0 when it is none. */
function judgePhone(text: string, context: Context): number {
  const digits = text.replaceAll(/\D/g, '').length
  const least = context === 'called' ? 6 : 7
  if (digits < least || digits > 18 || DATE.test(text)) return 0
  const named = context === 'near' || context === 'called'
  const international = text.startsWith('00') ? `+${text.slice(2)}` : text
  if (international.startsWith('+')) {
    const found = parsePhoneNumberFromString(international)
    if (found?.isValid() === true) return 0.97
    return found?.isPossible() === true ? 0.7 : named ? 0.5 : 0
  }
  if (context === 'other') return 0
  if (US_SHAPE.test(text)) {
    if (parsePhoneNumberFromString(text, 'US')?.isPossible() === true) return named ? 0.9 : 0.75
  }
  if (!named && !/^\(?0\d/.test(text)) return 0
  const valid = COUNTRIES.some((c) => parsePhoneNumberFromString(text, c)?.isValid() === true)
  if (valid) return named ? 0.85 : /[ ()/-]/.test(text) ? 0.6 : 0.4
  return named ? 0.55 : 0
}

export function findPhones({ text, before, after }: Piece): Hit[] {
  const hits: Hit[] = []
  for (const match of text.matchAll(CANDIDATE)) {
    const end = match.index + match[0].length
    const near = (before + text.slice(0, match.index)).slice(-60)
    const context = contextOf(near, (text.slice(end, end + 16) + after).slice(0, 16))
    const confidence = judgePhone(match[0].trim(), context)
    if (confidence > 0) hits.push({ type: 'phone', start: match.index, end, confidence })
  }
  return hits
}
