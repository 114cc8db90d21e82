/** What the PII scanner finds, and how each type is masked. Offsets are UTF-16, end exclusive. */

export const PII_TYPES = [
  'card',
  'iban',
  'us_ssn',
  'us_itin',
  'uk_nino',
  'uk_nhs',
  'de_tax_id',
  'fr_nir',
  'es_dni',
  'it_cf',
  'nl_bsn',
  'in_aadhaar',
  'in_pan',
  'phone',
  'email',
  'ip',
  'url_credentials',
  'secret',
] as const

/** What no form gives away: tagged by a model, so it arrives late. */
export const TAGGED_TYPES = ['name', 'address'] as const

export type TaggedType = (typeof TAGGED_TYPES)[number]
export type PiiType = (typeof PII_TYPES)[number]

export type Finding = {
  readonly type: PiiType
  readonly start: number
  readonly end: number
  /** 0 to 1: checksum and shape, raised by words beside it. */
  readonly confidence: number
  /** The text with its private part covered; never longer than the text and 24 characters. */
  readonly masked: string
}

/** What one detector says of a piece; offsets count from the start of the piece. */
export type Hit = {
  readonly type: PiiType
  readonly start: number
  readonly end: number
  readonly confidence: number
}

/** A piece of text and what stands beside it: words like "password:" before it or "fax" after it. */
export type Piece = {
  readonly text: string
  readonly before: string
  /** The next word, where it is known that the piece ends before it; else empty. */
  readonly after: string
}

/** Covers letters and digits of `text` except the last `keep` of them; separators stay. */
function cover(text: string, keep: number): string {
  let left = [...text].filter((c) => /[\p{L}\p{N}]/u.test(c)).length
  return [...text].map((c) => (/[\p{L}\p{N}]/u.test(c) ? (left-- > keep ? '*' : c) : c)).join('')
}

export function mask(type: PiiType | TaggedType, text: string): string {
  switch (type) {
    case 'name':
      return text.replaceAll(/(\p{L})[\p{L}\p{M}'’]*/gu, '$1***')
    case 'address':
      return cover(text, 0)
    case 'email': {
      const at = text.lastIndexOf('@')
      return `${text.slice(0, 1)}***@***${text.slice(Math.max(at, text.lastIndexOf('.')))}`
    }
    case 'url_credentials':
      return text.replace(/\/\/[^@]*@/, '//***:***@')
    case 'secret':
      return `${text.slice(0, Math.min(4, Math.floor(text.length / 4)))}***`
    case 'iban':
      return text.slice(0, 2) + cover(text.slice(2), 4)
    case 'ip':
      return '*.*.*.*'
    case 'card':
    case 'phone':
      return cover(text, type === 'card' ? 4 : 2)
    default:
      return cover(text, 2)
  }
}
