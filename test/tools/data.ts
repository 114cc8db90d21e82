/** Public agent data, where it is present. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { valueAt } from '../../src/stream/dialect.ts'

export const DATA = [
  process.env['CHECKSTREAM_DATA'],
  '../../../shared/data',
  '../../../../shared/data',
]
  .filter((path) => path !== undefined)
  .map((path) => resolve(import.meta.dirname, path))
  .find((path) => existsSync(path))

export function readLines(name: string): unknown[] {
  const path = resolve(DATA ?? '', name)
  if (DATA === undefined || !existsSync(path)) return []
  const raw = readFileSync(path)
  const text = (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString()
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as unknown)
}

/** Instructions of attackers, which the lures of the scenarios carry. */
export const attackPayloads = (): string[] =>
  readLines('train/asb_agent_security_bench/all_attack_tools.jsonl.gz').flatMap((row) => {
    const text = valueAt(row, ['Attacker Instruction']) ?? valueAt(row, ['Instruction'])
    return typeof text === 'string' ? [text] : []
  })
