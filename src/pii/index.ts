/** The room's door: the scanner and what it finds. */
export { createPiiScanner, scanPii, type PiiScanner } from './scanner.ts'
export { mask, PII_TYPES, type Finding as PiiFinding, type PiiType } from './finding.ts'
