/**
 * What policies cost: `decide` for one step of 64 rows under 100 rules, and the compile of 100 rules
 * with 2 000 phrases. `npm run bench:policy`; `-- --json`, `-- --record`; `-- --fuzz` breaks 50 000
 * documents instead and reads hostile ones of 0.25 to 1 MiB, `-- --benign` counts false alarms of the packs on benign texts.
 *
 * Held fixed: one findings list a row (two matches, five verdicts, one of them above a threshold), a
 * quarter of the rows firing. Decisions are summed up, so that none is optimised away.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Finding } from '../../src/model/finding.ts'
import { compilePolicy } from '../../src/policy/compile/compile.ts'
import type { CompiledPolicy } from '../../src/policy/compiled.ts'
import { contextFor } from '../../src/policy/command/explain.ts'
import { loadPolicies } from '../../src/policy/files/file.ts'
import { decide } from '../../src/policy/decide/decide.ts'
import { readPolicy } from '../../src/policy/read/document.ts'
import { prepareScan, scanText } from '../../src/policy/decide/scan.ts'
import { compileInWorker } from '../../src/policy/files/worker.ts'
import { context } from '../policy/findings.ts'
import { benignSets } from '../policy/benign.ts'
import { fuzzHostile, fuzzPolicies } from '../policy/fuzz.ts'
import { RULES, TEXT, largePolicy } from './large-policy.ts'
import { report } from './report.ts'

const ROWS = 64
const ROUNDS = 2_000

const argv = new Set(process.argv.slice(2))
const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length * q)] ?? Number.NaN
const round = (n: number): number => Math.round(n * 10) / 10

function rows(idOf: (text: string) => string): Finding[][] {
  const models = [
    'toxicity_detector',
    'finance_regulatory',
    'prompt_injection',
    'self_harm',
    'risk',
  ]
  return Array.from({ length: ROWS }, (_, row) => {
    const isFiring = row % 4 === 0
    const verdicts = models.map((model, i): Finding => {
      const probability = isFiring && i === 0 ? 0.75 : 0.1
      const about = { model, label: model, probability, span: [0, 9] as const, digest: '' }
      return { kind: 'verdict', position: 40, verdict: about }
    })
    const matches = (isFiring ? [row, row + 1] : []).map((n): Finding => {
      return { kind: 'match', ban: idOf(TEXT(n)), start: 10 * n, end: 10 * n + 8, position: 40 }
    })
    return [...matches, ...verdicts]
  })
}

async function measure(): Promise<Record<string, number>> {
  const text = largePolicy(2_000)
  const compiles: number[] = []
  const automata: number[] = []
  const workers: number[] = []
  let policy = compileOne(text)
  for (let i = 0; i < 7; i++) {
    const fresh = largePolicy(2_000, `r${i}`)
    const start = performance.now()
    policy = compileOne(fresh)
    const compiled = performance.now()
    prepareScan(policy)
    compiles.push(performance.now() - start)
    automata.push(performance.now() - compiled)
    const asked = performance.now()
    await compileInWorker([{ file: 'large.yaml', text: fresh }])
    workers.push(performance.now() - asked)
  }
  const ids = new Map(policy.texts.map((t) => [t.text.replace(/ r\d+$/, ''), t.id]))
  const findings = rows((t) => ids.get(t) ?? '')
  const steps: number[] = []
  let firings = 0
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now()
    for (const found of findings) firings += decide(policy, found, context).firings.length
    steps.push((performance.now() - start) * 1_000)
  }
  return {
    rules: RULES,
    rows: ROWS,
    firings_per_step: firings / ROUNDS,
    decide_us_p50: round(median(steps)),
    decide_us_p99: round(quantile(steps, 0.99)),
    phrases: 2_000,
    compile_ms: round(median(compiles)),
    automaton_ms: round(median(automata)),
    worker_ms: round(median(workers)),
  }
}

function compileOne(text: string) {
  const { source, problems } = readPolicy(text, 'large.yaml')
  if (source === undefined) throw new Error(JSON.stringify(problems))
  const { policy, problems: more } = compilePolicy(source, [source], { nowMs: 0 })
  if (policy === undefined) throw new Error(JSON.stringify(more))
  return policy
}

function fuzz(): Record<string, number | string> {
  const data = readFileSync(
    resolve(import.meta.dirname, '../data/policy/legacy-rules.yaml'),
    'utf8',
  )
  const small = readFileSync(resolve(import.meta.dirname, '../data/policy/small.yaml'), 'utf8')
  const documents = 50_000
  const seeds = [small, small, small, small, data]
  const { policies, slowestMs, slowestWallMs } = fuzzPolicies(seeds, documents, 7)
  const slowest = { slowest_ms: round(slowestMs), slowest_wall_ms: round(slowestWallMs) }
  const hostile = fuzzHostile()
  return {
    documents,
    policies,
    crashes: 0,
    ...slowest,
    hostile_documents: hostile.documents,
    hostile_policies: hostile.policies,
    hostile_slowest: hostile.slowest,
    hostile_slowest_ms: round(hostile.slowestMs),
    hostile_slowest_wall_ms: round(hostile.slowestWallMs),
  }
}

/** Share of benign rows on which a stop or a ban of each shipped pack fires, by set and in all. */
function benign(): Record<string, unknown> {
  const library = loadPolicies(resolve(import.meta.dirname, '../../policies'))
  const sets = Object.entries(benignSets()).map(([name, texts]) => ({ name, texts }))
  const sizes = Object.fromEntries(sets.map(({ name, texts }) => [name, texts.length]))
  const total = Object.values(sizes).reduce((sum, n) => sum + n, 0)
  const rates: Record<string, number> = {}
  for (const policy of library.policies.values()) {
    let fired = 0
    for (const { texts } of sets) for (const text of texts) if (stops(policy, text)) fired++
    rates[policy.name] = Number((fired / total).toFixed(6))
  }
  return { rows: total, rows_by_set: sizes, rates, highest_rate: Math.max(...Object.values(rates)) }
}

/** Characters of a row that are looked at. */
const MAX_ROW = 4_000

function stops(policy: CompiledPolicy, row: string): boolean {
  const text = row.slice(0, MAX_ROW)
  const found = scanText(policy, text)
  if (found.length === 0) return false
  return (['ingress', 'midstream'] as const).some((phase) =>
    decide(policy, found, contextFor(text, phase)).firings.some(
      ({ action }) => action === 'stop' || action === 'ban',
    ),
  )
}

if (argv.has('--fuzz')) report('policy-fuzz', fuzz())
else if (argv.has('--benign')) report('policy-benign', benign())
else report('policy', await measure())
process.exit(0)
