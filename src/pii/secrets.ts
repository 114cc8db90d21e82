/**
 * Detectors of keys, tokens and passwords: the published prefixes of common providers, URLs with
 * credentials, and random-looking values beside a word such as "password".
 */
import type { Hit, Piece } from './finding.ts'

// Shapes as the providers document them. Every repeat is bounded.
const PROVIDERS: readonly RegExp[] = [
  /\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b/g, // AWS access key id
  /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g, // GitHub
  /\bgithub_pat_[A-Za-z0-9_]{22,255}\b/g,
  /\bgl(?:pat|ptt|dt|rt|cbt|agent|soat)-[A-Za-z0-9_-]{20,64}/g, // GitLab
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,250}/g, // Slack
  /\bxapp-\d-[A-Z0-9]{1,32}-\d{1,32}-[a-z0-9]{1,128}/gi,
  /https:\/\/hooks\.slack\.com\/services\/T[A-Z0-9]{6,12}\/B[A-Z0-9]{6,12}\/[A-Za-z0-9]{20,32}/g,
  /\b(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,99}\b/g, // Stripe
  /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, // Google
  /\bya29\.[A-Za-z0-9_-]{20,500}/g,
  /\bGOCSPX-[A-Za-z0-9_-]{28}/g,
  /\bsk-ant-[a-z0-9]{2,10}-[A-Za-z0-9_-]{20,200}/g, // Anthropic
  /\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}/g, // OpenAI and those who copy its shape
  /\bhf_[A-Za-z0-9]{30,50}\b/g, // Hugging Face
  /\bgsk_[A-Za-z0-9]{40,60}\b/g, // Groq
  /\bnpm_[A-Za-z0-9]{36}\b/g,
  /\bpypi-[A-Za-z0-9_-]{50,500}/g,
  /\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{20,64}/g, // SendGrid
  /\b(?:AC|SK)[0-9a-f]{32}\b/g, // Twilio
  /\bkey-[0-9a-f]{32}\b/g, // Mailgun
  /\b\d{8,10}:AA[A-Za-z0-9_-]{32,34}\b/g, // Telegram bot
  /\b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}/g, // Discord
  /\bdop_v1_[0-9a-f]{64}\b/g, // DigitalOcean
  /\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b/g, // Shopify
  /\b(?:EAAA|sq0atp-|sq0csp-)[A-Za-z0-9_-]{22,60}/g, // Square
  /\bdapi[0-9a-f]{32}\b/g, // Databricks
  /\bhvs\.[A-Za-z0-9_-]{24,200}/g, // HashiCorp Vault
  /\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b/g,
  /\bglsa_[A-Za-z0-9]{32}_[0-9a-f]{8}\b/g, // Grafana
  /\blin_api_[A-Za-z0-9]{40}\b/g, // Linear
  /\bey[JK][A-Za-z0-9_-]{8,2000}\.ey[JK][A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{0,1000}/g, // JWT, RFC 7519
  /\bAccountKey=[A-Za-z0-9+/]{80,90}={0,2}/g, // Azure storage
  /-----BEGIN/g,
]

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

/** Bits per character of the text's own letter frequencies. */
export function entropy(text: string): number {
  const counts = new Map<string, number>()
  for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1)
  let bits = 0
  for (const n of counts.values()) bits -= (n / text.length) * Math.log2(n / text.length)
  return bits
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

/** `inPem`: the piece lies inside a private key that began earlier. */
export function findSecrets(piece: Piece, inPem: boolean): Hit[] {
  if (inPem) return [{ type: 'secret', start: 0, end: piece.text.length, confidence: 0.95 }]
  const hits = PROVIDERS.flatMap((pattern) =>
    [...piece.text.matchAll(pattern)]
      .filter((match) => match[0] !== '-----BEGIN' && entropy(match[0]) > 2.5)
      .map((match): Hit => ({
        type: 'secret',
        start: match.index,
        end: match.index + match[0].length,
        confidence: 0.95,
      })),
  )
  return [...hits, ...contextual(piece)]
}
