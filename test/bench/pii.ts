/**
 * PII: precision and recall by type on the Presidio development sets, and time on hostile input.
 *
 * Run: npm run bench:pii [-- --json] [-- --record] [-- --set train|dev]. A finding counts as right when it
 * overlaps a labelled span of its type. Types that the set does not label are left out of precision.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { wilson } from '../../src/classifiers/calibration.ts'
import type { PiiType } from '../../src/pii/finding.ts'
import { scanPii } from '../../src/pii/scanner.ts'
import { dataFolder, readData } from './data-folder.ts'

type Span = {
  readonly entity_type: string
  readonly start_position: number
  readonly end_position: number
}
type Row = { readonly full_text: string; readonly spans: readonly Span[] }
type Tally = { labelled: number; found: number; hits: number; right: number }

const NAMES: Readonly<Record<string, PiiType>> = {
  CREDIT_CARD: 'card',
  IBAN_CODE: 'iban',
  US_SSN: 'us_ssn',
  PHONE_NUMBER: 'phone',
  EMAIL_ADDRESS: 'email',
  IP_ADDRESS: 'ip',
}

const FILES = {
  dev: [
    'dev/presidio_research/generated_small.json',
    'dev/presidio_research/generated_large.json.gz',
  ],
  train: ['train/presidio_research/synth_dataset_v2.json.gz'],
}

function tally(rows: readonly Row[], misses: string[]): Map<PiiType, Tally> {
  const out = new Map<PiiType, Tally>()
  for (const type of Object.values(NAMES)) {
    out.set(type, { labelled: 0, found: 0, hits: 0, right: 0 })
  }
  for (const { full_text: text, spans } of rows) {
    const findings = scanPii(text).filter((f) => f.confidence >= 0.5)
    for (const span of spans) {
      const type = NAMES[span.entity_type]
      const entry = type === undefined ? undefined : out.get(type)
      if (entry === undefined) continue
      entry.labelled++
      const hit = findings.some(
        (f) => f.type === type && f.start < span.end_position && f.end > span.start_position,
      )
      if (hit) entry.hits++
      else
        misses.push(
          `missed ${type}: ${text.slice(Math.max(0, span.start_position - 40), span.end_position + 5)}`,
        )
    }
    for (const f of findings) {
      const entry = out.get(f.type)
      if (entry === undefined) {
        misses.push(`extra ${f.type}: ${text.slice(Math.max(0, f.start - 30), f.end)}`)
        continue
      }
      entry.found++
      const right = spans.some(
        (s) =>
          NAMES[s.entity_type] === f.type && f.start < s.end_position && f.end > s.start_position,
      )
      if (right) entry.right++
      else misses.push(`wrong ${f.type}: ${text.slice(Math.max(0, f.start - 30), f.end)}`)
    }
  }
  return out
}

const ms = (text: string): number => {
  const begin = performance.now()
  scanPii(text)
  return Math.round(performance.now() - begin)
}

const folder = dataFolder()
if (folder === undefined) throw new Error('no development data: set CHECKSTREAM_DATA')
const set = process.argv.includes('train') ? 'train' : 'dev'
const rows = FILES[set].flatMap((name) => JSON.parse(readData(folder, name)) as Row[])
const misses: string[] = []
const types = Object.fromEntries(
  [...tally(rows, misses)].map(([type, t]) => [
    type,
    {
      labelled: t.labelled,
      recall: t.labelled === 0 ? null : Number((t.hits / t.labelled).toFixed(4)),
      recall_95: wilson(t.hits, t.labelled).map((x) => Number(x.toFixed(4))),
      precision: t.found === 0 ? null : Number((t.right / t.found).toFixed(4)),
      precision_95: wilson(t.right, t.found).map((x) => Number(x.toFixed(4))),
    },
  ]),
)
const result = {
  set,
  rows: rows.length,
  types,
  hostile_ms: { digits_1mb: ms('1'.repeat(1e6)), at_1mb: ms('@'.repeat(1e6)) },
}
if (process.argv.includes('--misses')) console.log(misses.join('\n'))
console.table(types)
if (process.argv.includes('--json')) console.log(JSON.stringify(result))
if (process.argv.includes('--record')) {
  const path = join(import.meta.dirname, 'record/pii.json')
  const head = {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model,
    node: process.version,
  }
  writeFileSync(path, `${JSON.stringify({ ...head, ...result }, null, 2)}\n`)
}
