/** Durations and sizes as people write them (`300s`, `250ms`, `4MiB`); numbers inside. */
import { z } from 'zod'

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const BYTES: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Longest duration: what a timer of Node can hold (2^31 - 1 ms, 24.8 days). */
const MAX_MS = 2 ** 31 - 1

export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text.trim())
  if (match === null) return undefined
  const ms = Number(match[1]) * (MS[match[2] ?? ''] ?? Number.NaN)
  return ms <= MAX_MS ? ms : undefined
}

export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const step = MS[unit] ?? 1
    if (ms >= step && ms % step === 0) return `${ms / step}${unit}`
  }
  return `${ms}ms`
}

export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,10})(|KiB|MiB|GiB)$/.exec(text.trim())
  if (match === null) return undefined
  return Number(match[1]) * (BYTES[match[2] ?? ''] ?? Number.NaN)
}

export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const step = BYTES[unit] ?? 1
    if (bytes >= step && bytes % step === 0) return `${bytes / step}${unit}`
  }
  return String(bytes)
}

/** A duration in the document, milliseconds in the result. */
export function duration(fallback: string) {
  return z
    .string('expected a duration such as 300s or 250ms')
    .default(fallback)
    .transform((text, context) => {
      const ms = parseDuration(text)
      if (ms !== undefined) return ms
      context.addIssue({
        code: 'custom',
        message: `expected a duration such as 300s or 250ms (at most 24 days), got ${JSON.stringify(text)}`,
      })
      return z.NEVER
    })
}

/** A number of bytes in the document (`4MiB`, or a plain number), bytes in the result. */
export function size(fallback: string, maxBytes: number) {
  return z
    .union([z.string(), z.number().int().min(0)])
    .default(fallback)
    .transform((value, context) => {
      const bytes = typeof value === 'number' ? value : parseSize(value)
      if (bytes !== undefined && bytes <= maxBytes) return bytes
      context.addIssue({
        code: 'custom',
        message: `expected a size such as 4MiB, at most ${formatSize(maxBytes)}, got ${JSON.stringify(value)}`,
      })
      return z.NEVER
    })
}
