/**
 * Labelled files for `eval` and `calibrate`: JSON lines of {text, label?, group?, evidence_end?}.
 * A line that is none is an error that names the file and the line.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'

const rowSchema = z.object({
  text: z.string(),
  label: z.union([z.literal(0), z.literal(1), z.boolean()]).optional(),
  group: z.string().optional(),
  /** UTF-16 offset at which a reader could first know the label. */
  evidence_end: z.int().nonnegative().optional(),
})

export type LabelledRow = {
  readonly text: string
  readonly label: 0 | 1
  readonly group?: string
  readonly evidenceEnd?: number
}

export type LabelledFile = { readonly rows: readonly LabelledRow[]; readonly digest: string }

function parseLine(path: string, line: string, number: number): LabelledRow {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new GuardError('request_invalid', `${path}:${number}: expected a JSON object`, {
      cause: error,
    })
  }
  const found = rowSchema.safeParse(value)
  if (!found.success) {
    const issue = found.error.issues[0]
    throw new GuardError(
      'request_invalid',
      `${path}:${number}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
    )
  }
  const { text, label, group, evidence_end: evidenceEnd } = found.data
  return {
    text,
    label: label === true || label === 1 ? 1 : 0,
    ...(group === undefined ? {} : { group }),
    ...(evidenceEnd === undefined ? {} : { evidenceEnd }),
  }
}

export function readLabelled(path: string): LabelledFile {
  let raw: Buffer
  try {
    raw = readFileSync(path)
  } catch (error) {
    throw new GuardError('request_invalid', `${path}: expected a readable file`, { cause: error })
  }
  const text = (path.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
  const lines = text.split('\n')
  const rows = lines.flatMap((line, i) =>
    line.trim() === '' ? [] : [parseLine(path, line, i + 1)],
  )
  return { rows, digest: createHash('sha256').update(raw).digest('hex') }
}
