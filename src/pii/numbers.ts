/**
 * Detectors of numbers with checksums: cards, IBAN, national identifiers. Each pattern has bounded
 * repeats, so a piece is read in linear time.
 */
import {
  codiceFiscale,
  elevenTest,
  luhn,
  mod11_10,
  mod97,
  nhs,
  nirKey,
  spanishLetter,
  verhoeff,
} from './checksums.ts'
import type { Hit, Piece, PiiType } from './finding.ts'

type Rule = {
  readonly type: PiiType
  readonly pattern: RegExp
  /** Confidence of a match, or 0 when it is none. `compact` has no separators. */
  readonly judge: (compact: string, raw: string, context: boolean) => number
  /** Words that make a weak number a strong one; looked for before it. */
  readonly context?: RegExp
  /** Words directly before it that make it something else. */
  readonly unless?: RegExp
}

// Issuer ranges of ISO/IEC 7812 as the networks publish them, with the lengths they use.
const NETWORKS: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(5[1-5]|2(22[1-9]|2[3-9]|[3-6]|7[01]|720))/, [16]],
  [/^3[47]/, [15]],
  [/^3(0[0-5]|[689])/, [14, 16]],
  [/^6(011|5|4[4-9])/, [16, 19]],
  [/^35/, [16]],
  [/^62/, [16, 17, 18, 19]],
  [/^(5[0678]|6[0-9])/, [12, 13, 14, 15, 16, 17, 18, 19]],
  [/^(1800|2131)/, [15]],
]

const spaced = (raw: string): boolean => /[ .-]/.test(raw)

/** One number in ten passes Luhn by chance, so unusual lengths need a word or groups beside it. */
function card(digits: string, raw: string, context: boolean): number {
  if (raw.includes('.') && !/^\d{4}(?:\.\d{4}){3}$/.test(raw)) return 0
  if (!luhn(digits) || /^(\d)\1+$/.test(digits)) return 0
  const known = NETWORKS.some(
    ([range, sizes]) => range.test(digits) && sizes.includes(digits.length),
  )
  if (!known) return 0
  if (context) return 0.97
  const usual = digits.length >= 14 && digits.length <= 16
  if (spaced(raw)) return usual ? 0.95 : 0.7
  return usual ? 0.9 : 0.45
}

// SWIFT IBAN registry, release 99.
const IBAN_LENGTH: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 ' +
    'DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 ' +
    'IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 ' +
    'MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 ' +
    'SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)

function ssn(digits: string, raw: string, context: boolean): number {
  const area = digits.slice(0, 3)
  if (area === '000' || area === '666' || area[0] === '9') return 0
  if (digits.slice(3, 5) === '00' || digits.slice(5) === '0000') return 0
  if (context) return 0.95
  return raw.length < 11 ? 0 : raw.includes('-') ? 0.8 : 0.55
}

// IRS: the fourth and fifth digits of an ITIN are 50–65, 70–88, 90–92 or 94–99.
const ITIN_GROUP = /^9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])/

function itin(digits: string, raw: string, context: boolean): number {
  if (!ITIN_GROUP.test(digits)) return 0
  return context ? 0.95 : raw.length === 11 && raw.includes('-') ? 0.75 : 0
}

function taxId(digits: string): boolean {
  const counts = [...'0123456789'].map((d) => digits.slice(0, 10).split(d).length - 1)
  // Since 2016 one digit may come two or three times among the first ten, the others at most once.
  return Math.max(...counts) <= 3 && counts.filter((n) => n > 1).length === 1 && mod11_10(digits)
}

const RULES: readonly Rule[] = [
  {
    type: 'card',
    pattern: /(?<![\w.-])\d(?:[ .-]?\d){11,18}(?!\w|[.-]\d)/g,
    context: /card|visa|maestro|mastercard|amex|\bcc\b|credit|debit|karte|carte|tarjeta|carta/i,
    judge: card,
  },
  {
    type: 'us_ssn',
    pattern: /(?<![\d-])\d{3}([- ]?)\d{2}\1\d{4}(?![\d]|-\d)/g,
    context: /\b(ssn|social security|social)\b/i,
    unless: /\b(?:suite|apt|apartment|unit|room|floor|box|no)\.? $/i,
    judge: ssn,
  },
  {
    type: 'us_itin',
    pattern: /(?<![\d-])9\d{2}([- ]?)\d{2}\1\d{4}(?![\d]|-\d)/g,
    context: /\b(itin|taxpayer|tax id)/i,
    judge: itin,
  },
  {
    type: 'uk_nino',
    pattern:
      /(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])/gi,
    context: /\b(?:ni|nino|national insurance|insurance)\b/i,
    judge: (text, _raw, context) =>
      /^(BG|GB|NK|KN|TN|NT|ZZ)/i.test(text) || (!context && /[a-z]/.test(text)) ? 0 : 0.9,
  },
  {
    type: 'uk_nhs',
    pattern: /(?<![\d-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\d]|-\d)/g,
    context: /\b(nhs|patient|medical record)\b/i,
    judge: (digits, _raw, context) => (context && nhs(digits) ? 0.95 : 0),
  },
  {
    type: 'de_tax_id',
    pattern: /(?<![\d-])[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?![\d]|-\d)/g,
    context: /steuer|tax id|identifikationsnummer|\bidnr\b|\btin\b/i,
    judge: (digits, raw, context) =>
      taxId(digits) ? (context ? 0.95 : /^\d\d \d{3} /.test(raw) ? 0.8 : 0) : 0,
  },
  {
    type: 'fr_nir',
    pattern:
      /(?<![\dA-Z])[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\d)/g,
    judge: (text) => (nirKey(text) ? 0.95 : 0),
  },
  {
    type: 'es_dni',
    pattern:
      /(?<![A-Za-z0-9.])(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z](?![A-Za-z0-9])/gi,
    context: /\b(?:dni|nie|nif|documento)\b/i,
    judge: (text, _raw, context) =>
      spanishLetter(text.toUpperCase()) && (context || !/[a-z]/.test(text)) ? 0.9 : 0,
  },
  {
    type: 'it_cf',
    pattern:
      /(?<![A-Za-z0-9])[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?![A-Za-z0-9])/gi,
    judge: (text) => (codiceFiscale(text.toUpperCase()) ? 0.98 : 0),
  },
  {
    type: 'nl_bsn',
    pattern:
      /(?<![\d.-])\d{9}(?![\d]|[.-]\d)|(?<![\d.-])\d{3}[. ]\d{2}[. ]\d{4}(?!\d)|(?<![\d.-])\d{4}[. ]\d{2}[. ]\d{3}(?!\d)/g,
    context: /\b(bsn|burgerservicenummer|sofi|sofinummer|citizen service number)\b/i,
    judge: (digits, _raw, context) => (context && elevenTest(digits) ? 0.9 : 0),
  },
  {
    type: 'in_aadhaar',
    pattern: /(?<![\d-])[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?![\d]|[ -]\d)/g,
    context: /aadha+r|\buid(ai)?\b/i,
    judge: (digits, raw, context) =>
      verhoeff(digits) ? (context ? 0.95 : spaced(raw) ? 0.75 : 0) : 0,
  },
  {
    type: 'in_pan',
    pattern: /(?<![A-Za-z0-9])[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?![A-Za-z0-9])/g,
    context: /\b(pan|permanent account|income tax)\b/i,
    judge: (_text, _raw, context) => (context ? 0.9 : 0.6),
  },
]

const SEPARATORS = /[ .-]/g

export function findNumbers(piece: Piece): Hit[] {
  const hits: Hit[] = []
  for (const { type, pattern, judge, context, unless } of RULES) {
    for (const match of piece.text.matchAll(pattern)) {
      const near = piece.before + piece.text.slice(0, match.index)
      if (unless?.test(near.slice(-60)) === true) continue
      const named = context?.test(near.slice(-60)) ?? false
      const confidence = judge(match[0].replaceAll(SEPARATORS, ''), match[0], named)
      if (confidence > 0) {
        hits.push({ type, start: match.index, end: match.index + match[0].length, confidence })
      }
    }
  }
  return hits
}

const IBAN_HEAD = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ ]?[A-Za-z0-9])/g

/** An IBAN has its country's exact length, so it is read from its head and not by a pattern. */
export function findIbans({ text }: Piece): Hit[] {
  const hits: Hit[] = []
  for (const { index } of text.matchAll(IBAN_HEAD)) {
    const wanted = IBAN_LENGTH[text.slice(index, index + 2).toUpperCase()] ?? 0
    let compact = ''
    let end = index
    while (end < text.length && compact.length < wanted) {
      const c = text[end] ?? ''
      if (/[A-Za-z0-9]/.test(c)) compact += c.toUpperCase()
      else if (c !== ' ' && c !== '-') break
      end++
    }
    const whole = compact.length === wanted && !/[A-Za-z0-9]/.test(text[end] ?? '')
    if (wanted > 0 && whole && mod97(compact.slice(4) + compact.slice(0, 4)) === 1) {
      hits.push({ type: 'iban', start: index, end, confidence: 0.99 })
    }
  }
  return hits
}
