/**
 * Labelled files for `eval` and `calibrate`: JSON lines of {text, label?, group?, evidence_end?}, or CSV
 * (RFC 4180) with these names in its first line. A line that is none is an error that names the file
 * and the line.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'

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
  try {
    return toRow(path, number, JSON.parse(line))
  } catch (error) {
    if (error instanceof GuardError) throw error
    throw new GuardError('request_invalid', `${path}:${number}: expected a JSON object`, {
      cause: error,
    })
  }
}

function toRow(path: string, number: number, value: unknown): LabelledRow {
  const found = rowSchema.safeParse(value, { reportInput: true })
  if (!found.success) {
    const mistake = firstMistake(found.error)
    throw new GuardError('request_invalid', `${path}:${number}: ${mistake.path}: ${mistake.told}`)
  }
  const { text, label, group, evidence_end: evidenceEnd } = found.data
  return {
    text,
    label: label === true || label === 1 ? 1 : 0,
    ...(group === undefined ? {} : { group }),
    ...(evidenceEnd === undefined ? {} : { evidenceEnd }),
  }
}

type Cells = { readonly line: number; readonly cells: string[] }

/** RFC 4180: quoted cells hold commas, line breaks and doubled quotes. */
function readCells(text: string): Cells[] {
  const rows: Cells[] = []
  let row: string[] = []
  let [line, first, quoted, cell] = [1, 1, false, '']
  const closeRow = (): void => {
    row.push(cell)
    if (row.length > 1 || cell !== '') rows.push({ line: first, cells: row })
    row = []
    cell = ''
    first = line
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (c === '\n') line++
    if (quoted) {
      if (c !== '"') cell += c
      else if (text[i + 1] === '"') cell += text[i++]
      else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === ',') {
      row.push(cell)
      cell = ''
    } else if (c === '\n') closeRow()
    else if (c !== '\r') cell += c
  }
  closeRow()
  return rows
}

const LABELS: Readonly<Record<string, number>> = { '0': 0, '1': 1, false: 0, true: 1 }

function parseCsv(path: string, text: string): LabelledRow[] {
  const [head, ...rows] = readCells(text)
  const names = head?.cells ?? []
  if (!names.includes('text')) {
    const message = `${path}:1: expected a column named text, got ${names.join(', ')}`
    throw new GuardError('request_invalid', message)
  }
  return rows.map(({ line, cells }) => {
    const given = names.flatMap((name, i) => {
      const cell = cells[i] ?? ''
      if (cell === '' && name !== 'text') return []
      if (name === 'label') return [[name, LABELS[cell.toLowerCase()] ?? cell] as const]
      return [[name, name === 'evidence_end' ? Number(cell) : cell] as const]
    })
    return toRow(path, line, Object.fromEntries(given))
  })
}

const parseLines = (path: string, text: string): LabelledRow[] =>
  text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [parseLine(path, line, i + 1)]))

export function readLabelled(path: string): LabelledFile {
  let raw: Buffer
  try {
    raw = readFileSync(path)
  } catch (error) {
    throw new GuardError('request_invalid', `${path}: expected a readable file`, { cause: error })
  }
  const text = (path.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
  const rows = /\.csv(\.gz)?$/.test(path) ? parseCsv(path, text) : parseLines(path, text)
  return { rows, digest: createHash('sha256').update(raw).digest('hex') }
}
