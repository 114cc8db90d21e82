/**
 * Keys and tokens by the shapes that their providers document. A shape begins with a literal, so one
 * pass finds every place where any of them could begin and only that shape is tried there.
 */
import type { Hit } from './finding.ts'

/** Literal beginning → what follows it. Every repeat is bounded. */
const SHAPES: readonly (readonly [string, string])[] = [
  // Clouds
  ...['AKIA', 'ASIA', 'ABIA', 'ACCA'].map((p) => [p, '[A-Z2-7]{16}(?![A-Z0-9])'] as const),
  ['ABSK', '[A-Za-z0-9+/]{109,269}={0,2}'], // Amazon Bedrock
  ['AIza', '[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])'], // Google API key
  ['ya29.', '[A-Za-z0-9_-]{20,500}'], // Google OAuth access token
  ['GOCSPX-', '[A-Za-z0-9_-]{28}'],
  ['AccountKey=', '[A-Za-z0-9+/]{80,90}={0,2}'], // Azure storage
  ['SharedAccessSignature sr=', '[^\\s"\']{20,300}'],
  ['LTAI', '[A-Za-z0-9]{20}(?![A-Za-z0-9])'], // Alibaba
  ...['dop_v1_', 'doo_v1_', 'dor_v1_'].map((p) => [p, '[0-9a-f]{64}'] as const), // DigitalOcean
  ['v1.0-', '[a-f0-9]{24}-[a-f0-9]{146}'], // Cloudflare origin CA
  ['HRKU-AA', '[A-Za-z0-9_-]{58}'], // Heroku
  ['fo1_', '[A-Za-z0-9_-]{43}'], // Fly.io
  ['fm2_', '[A-Za-z0-9+/]{100,600}={0,3}'],
  // Source and packages
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((p) => [p, '[A-Za-z0-9]{36,255}'] as const),
  ['github_pat_', '[A-Za-z0-9_]{22,255}'],
  ...['glpat-', 'glptt-', 'gldt-', 'glrt-', 'glcbt-', 'glagent-', 'glsoat-', 'gloas-', 'glft-'].map(
    (p) => [p, '[A-Za-z0-9_.-]{20,300}'] as const,
  ),
  ['npm_', '[A-Za-z0-9]{36}(?![A-Za-z0-9])'],
  ['pypi-', 'AgE[A-Za-z0-9_-]{47,1000}'],
  ['rubygems_', '[a-f0-9]{48}'],
  ['dckr_pat_', '[A-Za-z0-9_-]{27}'], // Docker Hub
  ['oy2', '[a-z0-9]{43}(?![a-z0-9])'], // NuGet
  ['AKCp', '[A-Za-z0-9]{69}'], // Artifactory
  ['ATATT3', '[A-Za-z0-9_=-]{180,230}'], // Atlassian
  ['PMAK-', '[a-f0-9]{24}-[a-f0-9]{34}'], // Postman
  ['sgp_', '(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}'], // Sourcegraph
  // Chat, mail, calls
  ...[
    'xoxb-',
    'xoxa-',
    'xoxp-',
    'xoxe-',
    'xoxo-',
    'xoxr-',
    'xoxs-',
    'xoxe.xoxb-',
    'xoxe.xoxp-',
  ].map((p) => [p, '[A-Za-z0-9-]{10,250}'] as const),
  ['xapp-', '\\d-[A-Za-z0-9]{1,32}-\\d{1,32}-[a-z0-9]{1,128}'],
  ['https://hooks.slack.com/', '(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,80}'],
  ['SG.', '[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{20,64}'], // SendGrid
  ['xkeysib-', '[a-f0-9]{64}-[A-Za-z0-9]{16}'], // Brevo
  ['key-', '[0-9a-f]{32}(?![0-9a-f])'], // Mailgun
  ...['AC', 'SK'].map((p) => [p, '[0-9a-f]{32}(?![0-9a-f])'] as const), // Twilio
  // Models
  ['sk-ant-', '[a-z0-9]{2,10}-[A-Za-z0-9_-]{20,200}'], // Anthropic
  ['sk-', '(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}'], // OpenAI and those who copy it
  ['hf_', '[A-Za-z0-9]{30,50}'], // Hugging Face
  ['gsk_', '[A-Za-z0-9]{40,60}'], // Groq
  ['pplx-', '[A-Za-z0-9]{48}'], // Perplexity
  ['xai-', '[A-Za-z0-9]{70,90}'],
  ['r8_', '[A-Za-z0-9]{37}(?![A-Za-z0-9])'], // Replicate
  // Money and shops
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'sk_prod_', 'pk_live_', 'whsec_'].map(
    (p) => [p, '[A-Za-z0-9]{10,99}'] as const,
  ),
  ...['shpat_', 'shpca_', 'shppa_', 'shpss_'].map((p) => [p, '[0-9a-fA-F]{32}'] as const),
  ...['EAAA', 'sq0atp-', 'sq0csp-'].map((p) => [p, '[A-Za-z0-9_-]{22,60}'] as const), // Square
  ...['shippo_live_', 'shippo_test_'].map((p) => [p, '[a-fA-F0-9]{40}'] as const),
  ...['EZAK', 'EZTK'].map((p) => [p, '[A-Za-z0-9]{54}'] as const), // EasyPost
  // Operations
  ['dapi', '[0-9a-f]{32}(?:-\\d)?'], // Databricks
  ['hvs.', '[A-Za-z0-9_-]{24,200}'], // HashiCorp Vault
  ['hvb.', '[A-Za-z0-9_-]{138,300}'],
  ['glsa_', '[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}'], // Grafana
  ['glc_', '[A-Za-z0-9+/]{32,400}={0,3}'],
  ['dt0c01.', '[A-Za-z0-9]{24}\\.[A-Za-z0-9]{64}'], // Dynatrace
  ['dp.pt.', '[A-Za-z0-9]{43}'], // Doppler
  ['pul-', '[a-f0-9]{40}'], // Pulumi
  ['pscale_', '(?:tkn|oauth|pw)_[A-Za-z0-9=._-]{32,64}'], // PlanetScale
  ['sntryu_', '[a-f0-9]{64}'], // Sentry
  ['sntrys_', 'eyJ[A-Za-z0-9+/=_]{80,500}'],
  ['NRAK-', '[A-Z0-9]{27}'], // New Relic
  ['lin_api_', '[A-Za-z0-9]{40}'], // Linear
  ['ntn_', '[0-9]{11}[A-Za-z0-9]{35}'], // Notion
  ['sha256~', '[A-Za-z0-9_-]{43}'], // OpenShift
  ['AGE-SECRET-KEY-1', '[A-Z0-9]{58}'],
  ['ops_eyJ', '[A-Za-z0-9+/]{250,2000}={0,3}'], // 1Password
  ['A3-', '[A-Z0-9]{6}-[A-Z0-9-]{11,13}(?:-[A-Z0-9]{5}){3}'],
  // RFC 7519: two JSON objects in base64url, then the signature.
  ...['eyJ', 'eyK'].map(
    (p) =>
      [p, '[A-Za-z0-9_-]{8,2000}\\.ey[JK][A-Za-z0-9_-]{8,2000}\\.[A-Za-z0-9_-]{0,1000}'] as const,
  ),
]

/** Shapes whose literal stands inside; tried only when the literal is there. */
const INSIDE: readonly (readonly [string, RegExp])[] = [
  ['Q~', /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])/g], // Entra
  [':AA', /(?<![A-Za-z0-9])\d{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])/g], // Telegram bot
  ['.atlasv1.', /(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}/g], // Terraform
  ['.', /(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}/g], // Discord
  ['pat', /(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/g], // Airtable
  ['_mmk', /(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk/g], // MaxMind
]

const quote = (text: string): string => text.replaceAll(/[.+*?^${}()|[\]\\/]/g, String.raw`\$&`)
// Longest first: `sk-ant-` is tried before `sk-`.
const SORTED = SHAPES.toSorted(([a], [b]) => b.length - a.length)
const BEGINS = new RegExp(`(?<![A-Za-z0-9])(?:${SORTED.map(([p]) => quote(p)).join('|')})`, 'g')
const BY_PREFIX = new Map(SORTED.map(([p, rest]) => [p, new RegExp(quote(p) + rest, 'y')]))

/** Bits per character of the text's own letter frequencies. */
export function entropy(text: string): number {
  const counts = new Map<string, number>()
  for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1)
  let bits = 0
  for (const n of counts.values()) bits -= (n / text.length) * Math.log2(n / text.length)
  return bits
}

/** Keys of providers in a piece. A run of one letter behind a prefix is a placeholder, not a key. */
export function findProviderKeys(text: string): Hit[] {
  const hits: Hit[] = []
  const take = (start: number, value: string): void => {
    if (entropy(value) <= 2.5) return
    hits.push({ type: 'secret', start, end: start + value.length, confidence: 0.95 })
  }
  let past = 0
  for (const match of text.matchAll(BEGINS)) {
    const shape = BY_PREFIX.get(match[0])
    // What lies inside a key that was found is part of it.
    if (shape === undefined || match.index < past) continue
    shape.lastIndex = match.index
    const found = shape.exec(text)
    if (found === null) continue
    past = match.index + found[0].length
    take(match.index, found[0])
  }
  for (const [hint, shape] of INSIDE) {
    if (!text.includes(hint)) continue
    for (const match of text.matchAll(shape)) take(match.index, match[0])
  }
  return hits
}
