/**
 * A notice: what a `notify` action tells somebody outside, signed so that they can tell it from a
 * forgery and from a replay. Headers and signature are those of Standard Webhooks, for which libraries
 * exist: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64 HMAC-SHA256>` over
 * `id.timestamp.body`. A notice is a decision record, and so holds no text of anybody.
 */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import type { DecisionRecord } from './decision-log.ts'

/** 169.254.0.0/16, also inside IPv6, and fe80::/10: a machine's own metadata service lives there. */
export const isLinkLocal = (address: string): boolean =>
  /^(::ffff:)?169\.254\.\d{1,3}\.\d{1,3}$/i.test(address) ||
  /^::ffff:a9fe:[0-9a-f]{1,4}$/i.test(address) ||
  /^fe[89ab][0-9a-f]:/i.test(address)

const isElsewhere = (url: string): boolean =>
  !isLinkLocal(new URL(url).hostname.replaceAll(/[[\]]/g, ''))

const destination = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .refine(isElsewhere, 'link-local addresses are refused'),
  /** Environment variable with the key that signs; without one the notice is not signed. */
  secret_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .optional(),
})

/** Where notices may go: only what stands here, whatever a policy or a request says. */
export const noticesSchema = z.strictObject({
  destinations: z.record(z.string().min(1).max(128), destination),
  /** Notices that wait for one destination; past it new ones are dropped and counted. */
  max_queued: z.number().int().min(1).max(100_000).default(1_000),
  /** Tries of one notice, the first one included. */
  attempts: z.number().int().min(1).max(20).default(6),
  /** Seconds after which a notice is given up. */
  deadline_s: z.number().min(1).max(3_600).default(120),
  /** Seconds that one try may take. */
  timeout_s: z.number().min(0.1).max(60).default(5),
})

export type NoticesConfig = z.output<typeof noticesSchema>

export type Notice = { readonly id: string; readonly body: string }

export function toNotice(id: string, record: DecisionRecord): Notice {
  const { text: _, ...told } = record
  return { id, body: JSON.stringify({ ...told, kind: 'notice', id }) }
}

export function noticeHeaders(
  { id, body }: Notice,
  timestampS: number,
  secret: Uint8Array | undefined,
): Record<string, string> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'checkstream',
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
  }
  if (secret === undefined) return headers
  const mac = createHmac('sha256', secret).update(`${id}.${timestampS}.${body}`).digest('base64')
  return { ...headers, 'webhook-signature': `v1,${mac}` }
}

/** `whsec_` and base64, as Standard Webhooks writes keys; anything else is taken as it stands. */
export function parseSecret(text: string): Uint8Array {
  const encoded = /^whsec_([A-Za-z0-9+/=]+)$/.exec(text)?.[1]
  return encoded === undefined ? Buffer.from(text, 'utf8') : Buffer.from(encoded, 'base64')
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

/** Doubles with every try; `random` in [0, 1) spreads senders over the upper half. */
export function backoffMs(tries: number, random: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1))
  return full / 2 + (full / 2) * random
}
