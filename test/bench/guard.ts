/**
 * The guard and its sessions alone: what one Step costs, and what the sidecar weighs.
 *
 * Run: npm run bench:guard [-- --json] [-- --record]. o200k and LDNOOBW where the data folder is
 * present, else a made-up vocabulary of the same size. Held fixed: 64 rows, one token each, states
 * reported and compared, nothing found. Tokens are real text, so states move through open matches.
 */
import type { ProgramState } from '../../src/model/engine.ts'
import { performance } from 'node:perf_hooks'
import { Guard } from '../../src/guard.ts'
import { createProgramKit } from '../../src/main/rows/program-kit.ts'
import type { Ban } from '../../src/model/ban.ts'
import type { Step } from '../../src/model/step.ts'
import type { LoadedProgram } from '../../src/programs/program-book.ts'
import { DEFAULT_LIMITS } from '../../src/session/limits.ts'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'
import type { Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import { allow, engineInfo, openedRow } from '../step/fakes.ts'
import { dataFolder, readData } from './data-folder.ts'
import { report } from './report.ts'

const ROWS = 64
const TOKENS = 4_096
const MEMORY_ROWS = 256
const REQUESTS = 100_000

function vocabularyOf(folder: string | undefined): Vocabulary {
  if (folder === undefined) {
    const words = Array.from({ length: 200_000 }, (_, i) => Buffer.from(` ${i.toString(36)}`))
    return createVocabulary(words, words.length)
  }
  const text = readData(folder, 'tokenizers/tok_openai/o200k_base.tiktoken.gz')
  const tokens = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line.split(' ')[0] ?? '', 'base64'))
  return createVocabulary(tokens, tokens.length)
}

function bansOf(folder: string | undefined): readonly Ban[] {
  const words =
    folder === undefined
      ? Array.from({ length: 403 }, (_, i) => `bad${i} word`)
      : readData(folder, 'train/ldnoobw/en.txt').split('\n')
  return words
    .filter((word) => word.trim() !== '')
    .map((text, i) => ({
      id: `ban-${i}`,
      kind: 'phrase',
      text,
      match: 'word',
      folds: ['case'],
      pending: 'allow',
    }))
}

/** Tokens whose walk never dies, as a masked engine would sample them. */
function sample(program: LoadedProgram, size: number, count: number): number[] {
  const out: number[] = []
  let state = program.start
  let seed = 1
  while (out.length < count) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    const token = seed % size
    const next = program.next(state, token)
    if (program.isDead(next)) continue
    out.push(token)
    state = next
  }
  return out
}

const quantile = (sorted: readonly number[], q: number): number =>
  Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(1))

const kit = createProgramKit({})
const folder = dataFolder()
const vocabulary = vocabularyOf(folder)
const bans = bansOf(folder)
const startedMs = performance.now()
const image = await kit.compile(bans, vocabulary)
const compileMs = performance.now() - startedMs
// The thread ends by itself when it has been idle for a while; what stays is measured.
await kit.close()
const program = kit.load(image)
const text = sample(program, vocabulary.size, TOKENS)
const states: number[] = []
for (let state: ProgramState = program.start, i = 0; i < text.length; i++) {
  state = program.next(state, text[i] ?? 0)
  states.push(program.report?.(state) ?? Number(state))
}

const guard = new Guard({
  policy: () => ({ digest: 'p'.repeat(64), onFailure: 'resident' as const }),
  decide: (policy) => allow(policy.digest),
  vocabulary: () => vocabulary,
  programs: { find: () => program, expected: () => program },
  watch: () => [],
  observe: () => undefined,
  isObserved: () => false,
  now: () => performance.now(),
  sleep: () => Promise.resolve(),
  limits: DEFAULT_LIMITS,
})
const info = { logitsWidth: vocabulary.size, vocabularyDigest: vocabulary.digest, slots: 1_024 }
const seat = guard.attach(engineInfo(info), () => undefined)
const empty = {
  engine: 'bench',
  awaited: false,
  opened: [],
  closed: [],
  slot: [],
  generation: [],
  position: [],
  token: [],
  state: [],
  probe: [],
}
let sequence = 0
const step = (more: Partial<Step>): void => {
  seat.step({ ...empty, sequence: ++sequence, ...more })
}
const opened = (slot: number, generation: number) =>
  openedRow({
    slot,
    generation,
    requestId: `r${slot}-${generation}`,
    program: program.digest,
  })
const rows = (count: number) => Array.from({ length: count }, (_, i) => i)

function timeSteps(): number[] {
  const times: number[] = []
  const slot = rows(ROWS)
  for (let round = 1; round <= 3; round++) {
    step({ opened: slot.map((s) => opened(s, round)) })
    for (let at = 0; at < TOKENS; at++) {
      const one: Partial<Step> = {
        slot,
        generation: slot.map(() => round),
        position: slot.map(() => at),
        token: slot.map(() => text[at] ?? 0),
        state: slot.map(() => states[at] ?? 0),
      }
      const before = performance.now()
      step(one)
      if (round > 1) times.push((performance.now() - before) * 1_000)
    }
    step({ closed: slot.map((s) => ({ slot: s, generation: round, finalPosition: TOKENS })) })
  }
  return times.toSorted((a, b) => a - b)
}

const rssMb = (): number => Math.round(process.memoryUsage().rss / 1_048_576)
const times = timeSteps()

const many = rows(MEMORY_ROWS)
step({ opened: many.map((slot) => opened(slot, 10)) })
for (let at = 0; at < TOKENS; at++) {
  step({
    slot: many,
    generation: many.map(() => 10),
    position: many.map(() => at),
    token: many.map(() => text[at] ?? 0),
    state: many.map(() => states[at] ?? 0),
  })
}
const fullMb = rssMb()

/** Requests of 16 tokens, one after the other in every slot; memory must not follow their number. */
const marks: number[] = []
for (let request = 0; request < REQUESTS / ROWS; request++) {
  const generation = 20 + request
  const slot = rows(ROWS)
  for (let at = 0; at < 16; at++) {
    step({
      opened: at === 0 ? slot.map((s) => opened(s, generation)) : [],
      slot,
      generation: slot.map(() => generation),
      position: slot.map(() => at),
      token: slot.map(() => text[at] ?? 0),
      state: slot.map(() => states[at] ?? 0),
    })
  }
  if (request % Math.floor(REQUESTS / ROWS / 10) === 0) marks.push(rssMb())
}
const result = {
  vocabulary: folder === undefined ? 'made up' : 'o200k',
  phrases: bans.length,
  compile_in_thread_ms: Math.round(compileMs),
  program_bytes: image.blob.length,
  rows_64: { step_us_p50: quantile(times, 0.5), step_us_p99: quantile(times, 0.99) },
  rss_mb_256_sessions: fullMb,
  rss_mb_over_100k_requests: { first: marks[1], last: marks.at(-1), max: Math.max(...marks) },
  divergences: guard.counters.divergences + guard.counters.violations,
  live_rows: guard.liveRows,
}
report('guard', result)
