/**
 * Token programs: what compiling and running them costs.
 *
 * Run: npm run bench:mask [-- --json] [-- --record]. Held fixed: the vocabulary is read and its trie
 * prepared before (`prepare_ms`, once per engine); every compile starts from the bans. Medians of
 * wall time. Keys are null where a part is not here (`notes` says which).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { compileTokenProgram, type TokenProgram } from '../../src/automata/program.ts'
import { FOLDS, type Ban, type Fold } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { tokenBytes } from '../../src/vocabulary/vocabulary.ts'
import { isDenied } from '../automata/reference.ts'
import { createRandom } from '../automata/random.ts'
import { benchPhrases, benchVocabulary } from './vocabularies.ts'
import { report } from './report.ts'

const notes: string[] = []
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0
const round = (x: number): number => Math.round(x * 10) / 10

function toBans(phrases: readonly string[], folds: readonly Fold[], match: Ban['match']): Ban[] {
  return phrases.map((text, i) => ({
    id: `b${i}`,
    kind: 'phrase',
    text,
    match,
    folds,
    pending: 'allow',
  }))
}

const started = performance.now()
const { name, vocabulary } = benchVocabulary()
const phrases = benchPhrases()
const compile = (bans: readonly Ban[]): TokenProgram =>
  compileTokenProgram(compileAutomaton(bans), vocabulary)

function timed(repeats: number, bans: (i: number) => readonly Ban[]): number | null {
  const times: number[] = []
  for (let i = 0; i < repeats; i++) {
    const list = bans(i)
    const begin = performance.now()
    try {
      compile(list)
    } catch (error) {
      notes.push(`${list.length} phrases, ${list[0]?.folds.length ?? 0} folds: ${String(error)}`)
      return null
    }
    times.push(performance.now() - begin)
  }
  return round(median(times))
}

const bans = toBans(phrases, ['case'], 'substring')
const program = compile(bans)
const prepareMs = round(performance.now() - started)
const compileMs = timed(9, () => bans)
const words = toBans(phrases, ['case'], 'word')
const wordProgram = compile(words)
const wordMs = timed(5, () => words)
const changedMs = timed(5, (i) =>
  toBans([...phrases, `changed phrase ${i}`], ['case'], 'substring'),
)

const random = createRandom(3)
const syllables = 'ba ce di fo gu ka le mi no pu ra se ti vo wy xa zo cra ste pli'.split(' ')
const many = [
  ...new Set(
    Array.from({ length: 60_000 }, () =>
      Array.from({ length: 3 + random.below(3) }, () => random.pick(syllables)).join(''),
    ),
  ),
].slice(0, 48_000)
const manyMs = timed(1, () => toBans(many, ['case'], 'substring'))
const point = FOLDS.filter((f) => !['leet', 'spacing', 'split'].includes(f))
const pointMs = timed(3, () => toBans(phrases, point, 'substring'))
const everyFold = toBans(phrases, FOLDS, 'substring')
const allFirstMs = timed(1, () => everyFold)
const allMs = timed(3, () => everyFold)
const allWordMs = timed(2, () => toBans(phrases, FOLDS, 'word'))
const allProgram = compile(everyFold)

/** One pass over the vocabulary's bytes into a trie: what this machine takes for known work. */
function walkMs(): number {
  const begin = performance.now()
  const next = new Map<number, number>()
  let nodes = 0
  for (let id = 0; id < vocabulary.size; id++) {
    let node = 0
    for (let i = vocabulary.offsets[id] ?? 0; i < (vocabulary.offsets[id + 1] ?? 0); i++) {
      const key = node * 256 + (vocabulary.data[i] ?? 0)
      const known = next.get(key) ?? ++nodes
      next.set(key, known)
      node = known
    }
  }
  return round(performance.now() - begin)
}

function advanceP99(): number {
  const times: number[] = []
  let state: ProgramState = program.start
  for (let i = 0; i < 200_000; i++) {
    const token = random.below(vocabulary.size)
    const begin = process.hrtime.bigint()
    const next = program.next(state, token)
    times.push(Number(process.hrtime.bigint() - begin))
    state = program.isDead(next) ? program.start : next
  }
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.99)] ?? 0
}

function mismatches(): number {
  const few = bans.filter((_, i) => i % 40 === 0)
  const small = compile(few)
  let wrong = 0
  for (let walk = 0; walk < 20; walk++) {
    const tokens: number[] = []
    let state: ProgramState = small.start
    for (let step = 0; step < 4; step++) {
      const denied = small.deniedTokens(state)
      const sample = Array.from({ length: 40 }, () => random.below(vocabulary.size))
      for (let i = 0; i < 40 && denied.length > 0; i++)
        sample.push(denied[random.below(denied.length)] ?? 0)
      for (const t of sample) {
        if (small.isDenied(state, t) !== isDenied(few, vocabulary, tokens, t)) wrong++
      }
      const t = random.below(vocabulary.size)
      if (small.isDenied(state, t)) break
      tokens.push(t)
      state = small.next(state, t)
    }
  }
  return wrong
}

type PluginFigures = { plugin_apply_us_p50: number | null; dense_us_p50: number | null }
function plugin(measured: TokenProgram): PluginFigures {
  const root = resolve(import.meta.dirname, '../..')
  const python = process.env['CHECKSTREAM_PYTHON'] ?? join(root, '.venv-vllm/bin/python')
  const none = { plugin_apply_us_p50: null, dense_us_p50: null }
  if (!existsSync(python)) {
    notes.push('plugin: no Python with torch (CHECKSTREAM_PYTHON)')
    return none
  }
  const folder = mkdtempSync(join(tmpdir(), 'mask-'))
  try {
    writeFileSync(join(folder, 'program'), measured.blob)
    const script = join(import.meta.dirname, 'plugin_apply.py')
    const run = spawnSync(
      python,
      [script, join(folder, 'program'), String(vocabulary.size), join(root, 'plugin')],
      { encoding: 'utf8' },
    )
    const line = run.stdout.trim().split('\n').at(-1) ?? ''
    if (run.status === 0) return JSON.parse(line) as PluginFigures
    notes.push(`plugin: ${run.stderr.trim().split('\n').at(-1) ?? 'failed'}`)
    return none
  } finally {
    rmSync(folder, { recursive: true })
  }
}

type PeerFigures = Readonly<Record<string, number | null>>
/** The same phrases and vocabulary in other engines of masks, where a virtual environment has them. */
function measurePeers(): PeerFigures {
  const folder = mkdtempSync(join(tmpdir(), 'mask-'))
  try {
    const tokens = Array.from({ length: vocabulary.size }, (_, id) =>
      Buffer.from(tokenBytes(vocabulary, id)).toString('hex'),
    )
    const given = join(folder, 'given.json')
    writeFileSync(given, JSON.stringify({ phrases, tokens }))
    return {
      ...peer('xgrammar_excludes.py', given, { xgrammar_compile_ms: null, xgrammar_fill_us: null }),
      ...peer('llguidance_excludes.py', given, {
        llguidance_compile_ms: null,
        llguidance_fill_us: null,
        llguidance_fill_again_us: null,
      }),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function peer(script: string, given: string, none: PeerFigures): PeerFigures {
  const root = resolve(import.meta.dirname, '../..')
  const pythons = [
    process.env['CHECKSTREAM_PYTHON'],
    join(root, '.venv-vllm/bin/python'),
    join(root, '.venv/bin/python'),
  ]
  for (const python of pythons) {
    if (python === undefined || !existsSync(python)) continue
    const run = spawnSync(python, [join(import.meta.dirname, script), given], { encoding: 'utf8' })
    const line = run.stdout.trim().split('\n').at(-1) ?? ''
    if (run.status === 0) return JSON.parse(line) as PeerFigures
    notes.push(`${script}: ${run.stderr.trim().split('\n').at(-1) ?? 'failed'}`)
  }
  return none
}

const allPlugin = plugin(allProgram)
const ownPlugin = plugin(program)
const peers = measurePeers()
const out = {
  vocabulary: name,
  phrases: phrases.length,
  prepare_ms: prepareMs,
  compile_ms: compileMs,
  compile_ms_word: wordMs,
  compile_ms_point_folds: pointMs,
  compile_ms_all_folds: allMs,
  compile_ms_all_folds_first: allFirstMs,
  compile_ms_all_folds_word: allWordMs,
  compile_ms_48000: manyMs,
  compile_ms_changed: changedMs,
  advance_ns_p99: advanceP99(),
  program_bytes: program.blob.length,
  program_bytes_word: wordProgram.blob.length,
  program_bytes_all_folds: allProgram.blob.length,
  mismatches: mismatches(),
  ...ownPlugin,
  plugin_apply_all_folds_us_p50: allPlugin.plugin_apply_us_p50,
  ...peers,
  vocabulary_walk_ms: walkMs(),
  notes,
}
// Side by side, of one run; a row of ours is a 64th of all, and applied to the logits.
const row = ownPlugin.plugin_apply_us_p50
report('mask-peers', {
  compile_ms: compileMs,
  row_us: row === null ? null : round(row / 64),
  ...peers,
})
report('mask', out)
