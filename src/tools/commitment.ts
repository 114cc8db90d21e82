/**
 * What stands in logs in place of a value: HMAC-SHA-256 under a salt that the log's owner keeps. Who
 * has the salt and a guess can check it; the log alone tells nothing.
 */
import { createHmac } from 'node:crypto'

export function commit(salt: Uint8Array, value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null)
  return createHmac('sha256', salt).update(text).digest('hex')
}
