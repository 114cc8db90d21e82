/** Check digits, each as its standard gives it. Input is digits (or letters) without separators. */

const digit = (text: string, i: number): number => text.charCodeAt(i) - 48

/** ISO/IEC 7812-1 Annex B. */
export function luhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const d = digit(digits, digits.length - 1 - i)
    const twice = d * 2
    sum += i % 2 === 0 ? d : twice > 9 ? twice - 9 : twice
  }
  return sum % 10 === 0
}

/** ISO 7064 MOD 97-10 over letters and digits, as ISO 13616 uses it. */
export function mod97(text: string): number {
  let rest = 0
  for (const c of text) {
    const value = Number.parseInt(c, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest
}

/** ISO 7064 MOD 11,10: the German tax number. */
export function mod11_10(digits: string): boolean {
  let product = 10
  for (let i = 0; i < digits.length - 1; i++) {
    const sum = (digit(digits, i) + product) % 10 || 10
    product = (sum * 2) % 11
  }
  return (11 - product) % 10 === digit(digits, digits.length - 1)
}

/** Weighted sum modulo 11 with weights from `first` down. */
function weighted(digits: string, count: number, first: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += digit(digits, i) * (first - i)
  return sum
}

/** NHS data dictionary: weights 10 to 2, check digit 11 − remainder, 10 is invalid. */
export function nhs(digits: string): boolean {
  const check = (11 - (weighted(digits, 9, 10) % 11)) % 11
  return check !== 10 && check === digit(digits, 9)
}

/** The Dutch eleven test: weights 9 to 2, and −1 for the last digit. */
export function elevenTest(digits: string): boolean {
  return Number(digits) > 0 && (weighted(digits, 8, 9) - digit(digits, 8)) % 11 === 0
}

/** Spanish DNI and NIE: the letter is the number modulo 23. */
export function spanishLetter(text: string): boolean {
  const number = Number(text.slice(0, -1).replace(/^[XYZ]/, (c) => String('XYZ'.indexOf(c))))
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23] === text.at(-1)
}

/** French NIR: 13 characters and a key of 97 − (number mod 97); Corsica counts 2A as 19, 2B as 18. */
export function nirKey(text: string): boolean {
  const body = text.slice(0, 13).replace('2A', '19').replace('2B', '18')
  return 97 - Number(BigInt(body) % 97n) === Number(text.slice(13))
}

// Values of characters in odd places, decree of 12 March 1974; digits count as A to J.
const ODD = [
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
]

/** Italian codice fiscale: 16 characters, the last one is a check letter. */
export function codiceFiscale(text: string): boolean {
  let sum = 0
  for (let i = 0; i < 15; i++) {
    const code = text.charCodeAt(i)
    const value = code < 58 ? code - 48 : code - 65
    sum += i % 2 === 0 ? (ODD[value] ?? 0) : value
  }
  return String.fromCharCode(65 + (sum % 26)) === text[15]
}

// The dihedral group D5 and its permutation, Verhoeff 1969.
const D5 = (a: number, b: number): number => {
  if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b) % 5)
  return b < 5 ? 5 + ((((a - b) % 5) + 5) % 5) : (((a - b) % 5) + 5) % 5
}
const PERMUTATION = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

/** Aadhaar: Verhoeff's check over 12 digits. */
export function verhoeff(digits: string): boolean {
  let c = 0
  for (let i = 0; i < digits.length; i++) {
    let d = digit(digits, digits.length - 1 - i)
    for (let k = 0; k < i % 8; k++) d = PERMUTATION[d] ?? 0
    c = D5(c, d)
  }
  return c === 0
}
