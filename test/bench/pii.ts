/**
 * PII: precision and recall by type on the Presidio development sets, what is found in text that
 * holds none, and whether time grows with the text and no faster.
 *
 * Run: npm run bench:pii [-- --json] [-- --record] [-- --misses] [-- --set train|dev]. A finding counts
 * as right when it overlaps a labelled span of its type. Findings of types that the set does not
 * label are listed as `unlabelled`.
 */
import { wilson } from '../../src/classifiers/calibration.ts'
import type { PiiType } from '../../src/pii/finding.ts'
import { scanPii } from '../../src/pii/scanner.ts'
import { HOSTILE } from '../pii/hostile.ts'
import { dataFolder, readData } from './data-folder.ts'
import { report } from './report.ts'

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
        misses.push(`unlabelled ${f.type}: ${text.slice(Math.max(0, f.start - 30), f.end)}`)
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

/** Texts of banks, assistants and benchmarks: whatever is found there at 0.5 is looked at by hand. */
const CLEAN: readonly (readonly [string, (line: string) => string])[] = [
  ['dev/mt_bench_questions/question.jsonl', (line) => JSON.stringify(JSON.parse(line))],
  ['train/tau2_banking/documents.jsonl.gz', (line) => (JSON.parse(line) as Document).content],
  ['train/banking77/train.csv.gz', (line) => line],
]
type Document = { readonly content: string }

function cleanText(folder: string, misses: string[]): Record<string, unknown> {
  const found: Record<string, number> = {}
  let characters = 0
  for (const [name, read] of CLEAN) {
    const lines = readData(folder, name).split('\n')
    for (const text of lines.filter((line) => line.trim() !== '').map(read)) {
      characters += text.length
      for (const f of scanPii(text).filter((one) => one.confidence >= 0.5)) {
        found[f.type] = (found[f.type] ?? 0) + 1
        misses.push(`clean ${f.type}: ${text.slice(Math.max(0, f.start - 40), f.end + 10)}`)
      }
    }
  }
  return { characters, found }
}

/** Milliseconds of processor time. */
const ms = (text: string): number => {
  const begin = process.cpuUsage()
  scanPii(text)
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

const least = (text: string): number => Math.min(...Array.from({ length: 7 }, () => ms(text)))

/** Time for 2 n characters over time for n: 2 is linear, 4 quadratic. */
function growth(): Record<string, number> {
  return Object.fromEntries(
    HOSTILE.map((unit) => {
      const text = unit.repeat(Math.ceil(200_000 / unit.length))
      ms(text)
      const small = least(text)
      return [unit, Number((least(text.repeat(2)) / small).toFixed(2))]
    }),
  )
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
const clean = cleanText(folder, misses)
const ratios = growth()
if (process.argv.includes('--misses')) console.log(misses.join('\n'))
report('pii', {
  set,
  rows: rows.length,
  types,
  clean,
  hostile_ms: {
    digits_1mb: Math.round(ms('1'.repeat(1e6))),
    at_1mb: Math.round(ms('@'.repeat(1e6))),
  },
  growth_twice_the_text: ratios,
  growth_max: Math.max(...Object.values(ratios)),
})
