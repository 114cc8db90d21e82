/**
 * Benign rows of the development sets, for false alarms of stop and ban rules. The folder is optional:
 * CHECKSTREAM_DATA, else `../shared/data` beside the repository.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'

const ROOT = resolve(import.meta.dirname, '../..')
export const DATA = process.env['CHECKSTREAM_DATA'] ?? resolve(ROOT, '../shared/data')
export const hasBenign = existsSync(resolve(DATA, 'dev/mt_bench_questions'))

const read = (path: string, folder = 'dev'): string => {
  const bytes = readFileSync(resolve(DATA, folder, path))
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
}
const lines = (path: string): unknown[] =>
  read(path)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line))

/** Every string below a value: whatever a row calls its fields. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(strings)
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(strings)
  return []
}

type Row = Readonly<Record<string, unknown>>
const pick = (row: unknown, ...keys: string[]): string =>
  keys.map((key) => strings((row as Row)[key]).join('\n')).join('\n')

/** The second column of a CSV with quoted fields. */
function secondColumn(csv: string): string[] {
  const rows = csv.matchAll(/(?:^|\n)(?:"(?:[^"]|"")*"|[^",\n]*),("(?:[^"]|"")*"|[^",\n]*)/g)
  return [...rows].map((m) => (m[1] ?? '').replace(/^"|"$/g, '').replaceAll('""', '"')).slice(1)
}

/** The first column of a CSV with quoted fields. */
function firstColumn(csv: string): string[] {
  const rows = csv.matchAll(/(?:^|\n)("(?:[^"]|"")*"|[^",\n]*),/g)
  return [...rows].map((m) => (m[1] ?? '').replace(/^"|"$/g, '').replaceAll('""', '"')).slice(1)
}

/** `{split: [[text, intent], …]}` → every text. */
const intents = (json: string): string[] =>
  Object.values(JSON.parse(json) as Record<string, [string, string][]>).flatMap((rows) =>
    rows.map(([text]) => text),
  )

/** Name of the set → its benign texts. */
export function benignSets(): Record<string, readonly string[]> {
  const piarena = ['squad_v2', 'nq_rag', 'hotpotqa_rag', 'dolly_closed_qa', 'dolly_summarization']
  const json = (path: string): unknown[] => JSON.parse(read(path)) as unknown[]
  return {
    banking77: firstColumn(read('banking77/train.csv.gz', 'train')),
    clinc150: intents(read('clinc150/data_full.json.gz', 'train')),
    mt_bench_questions: lines('mt_bench_questions/question.jsonl').map((r) => pick(r, 'turns')),
    awesome_chatgpt_prompts_2026: secondColumn(
      read('awesome_chatgpt_prompts_2026/prompts_2026-01.csv.gz'),
    ),
    mitre_frr: json('purplellama_mitre_frr/mitre_frr.json.gz').map((r) =>
      pick(r, 'mutated_prompt'),
    ),
    piarena: piarena.flatMap((name) =>
      json(`piarena/${name}.json.gz`).map((r) => pick(r, 'target_inst', 'context')),
    ),
    bfcl: ['BFCL_v4_simple_python.json.gz', 'BFCL_v4_multiple.json.gz'].flatMap((name) =>
      lines(`bfcl/${name}`).map((r) => pick(r, 'question')),
    ),
  }
}
