/**
 * Detectors of keys, tokens and passwords: keys of providers, URLs with credentials, and
 * random-looking values beside a word such as "password".
 */
import type { Hit, Piece } from './finding.ts'
import { entropy, findProviderKeys } from './provider-keys.ts'

const URL_CREDENTIALS =
  /(?<![A-Za-z0-9+.-])[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/?#]{1,128}:[^\s@/?#]{1,256}@[^\s/?#"'<>]{1,255}/gi

export function findUrlCredentials({ text }: Piece): Hit[] {
  return [...text.matchAll(URL_CREDENTIALS)].map((match) => ({
    type: 'url_credentials',
    start: match.index,
    end: match.index + match[0].length,
    confidence: 0.97,
  }))
}

const NAME =
  '(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[ _-]?key|access[ _-]?key|auth(?:orization)?|bearer|credentials?|client[ _-]?secret|private[ _-]?key|kennwort|passwort|mot de passe|contraseña|clave|wachtwoord)'
const ASSIGNED = new RegExp(
  `${NAME}["'\`\\])]{0,2}\\s{0,3}(?:=>|:=|[:=]|\\bis\\b|\\bist\\b|\\bes\\b|\\best\\b)\\s{0,3}["'\`]?$`,
  'i',
)
const BESIDE = new RegExp(`\\b${NAME}\\W{1,3}$`, 'i')
const VALUE = /^["'`(<]?([^\s"'`<>,;)]{6,512})/
const INLINE = new RegExp(`${NAME}["'\`]?(?:=>|:=|[:=])["'\`]?([^\\s"'\`<>,;&)]{6,512})`, 'gi')

const mixed = (text: string): number =>
  [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(text)).length

function judgeValue(value: string, assigned: boolean): number {
  if (
    /^[$<{[*]|^(?:null|none|true|false|undefined|example|changeme|redacted|required|string)/i.test(
      value,
    )
  )
    return 0
  const kinds = mixed(value.replace(/[.,!?]$/, ''))
  const bits = entropy(value)
  if (value.length >= 16 && kinds >= 2 && bits >= 3) return assigned ? 0.9 : 0.75
  if (assigned && kinds >= 2 && bits >= 2.3) return 0.8
  return 0
}

function contextual({ text, before }: Piece): Hit[] {
  const hits: Hit[] = []
  const assigned = ASSIGNED.test(before.slice(-40))
  const value = assigned || BESIDE.test(before.slice(-40)) ? VALUE.exec(text) : null
  if (value?.[1] !== undefined) {
    const raw = value[1].replace(/[.!?:]+$/, '')
    const start = value[0].length - value[1].length
    const confidence = judgeValue(raw, assigned)
    if (confidence > 0) hits.push({ type: 'secret', start, end: start + raw.length, confidence })
  }
  for (const match of text.matchAll(INLINE)) {
    const raw = (match[1] ?? '').replace(/[.!?]+$/, '')
    const start = match.index + match[0].length - (match[1] ?? '').length
    const confidence = judgeValue(raw, true)
    if (confidence > 0) hits.push({ type: 'secret', start, end: start + raw.length, confidence })
  }
  return hits
}

export function findSecrets(piece: Piece): Hit[] {
  return [...findProviderKeys(piece.text), ...contextual(piece)]
}
