/**
 * Policies swapped under load: 64 streams, 20 reloads of a folder as the kubelet makes it, one of them
 * broken, 100 rules with 2 000 phrases each. `npm run bench:reload`; `-- --json`, `-- --record`.
 *
 * Every stream scans a token's text and decides at each step, under the revision that it opened with;
 * the phrase that is forbidden differs between revisions, so a stream that changed revision would be
 * decided wrongly and count as dropped.
 *
 * What a step can wait for is what the serving thread itself does since the step before: `pause_ms_p99`
 * is that thread's processor time per step (Linux schedstat) while a reload runs, above the same between
 * reloads of the same run; no other process can add to it. Wall time, which includes whatever else the
 * machine does, stands beside it.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompiledPolicy } from '../../src/policy/compiled.ts'
import { ChannelDecider } from '../../src/policy/decide/channel.ts'
import { loadPolicies, readPolicyFiles } from '../../src/policy/files/file.ts'
import { createPolicyScanner } from '../../src/policy/decide/scan.ts'
import type { PolicyScanner } from '../../src/policy/decide/scan.ts'
import { watchPolicies } from '../../src/policy/files/watch-file.ts'
import { context } from '../policy/findings.ts'
import { largePolicy, RULES } from './large-policy.ts'
import { report } from './report.ts'

const STREAMS = 64
const RELOADS = 20
const BROKEN = 9
const STEP_MS = 10
const TOKENS = 100
const EVERY_MS = 2_000
const PHRASES = 2_000

const MINE = (revision: number): string =>
  `  - {name: mine, phase: midstream, trigger: {type: keywords, folds: [case], any: [secret ${revision}]}, actions: [{type: redact}]}\n`
const yaml = (revision: number): string =>
  `${largePolicy(PHRASES, `of revision ${revision}`)}${MINE(revision)}`
const ALL_SECRETS = Array.from({ length: RELOADS + 2 }, (_, i) => ` secret ${i} `).join('.')

/** A stream says the secret of every revision near its end; only its own may be found. */
class Stream {
  readonly found: string[] = []
  position = 0
  readonly #scanner: PolicyScanner
  readonly #channel: ChannelDecider

  constructor(policy: CompiledPolicy, from: number) {
    this.position = from
    this.#scanner = createPolicyScanner(policy)
    this.#channel = new ChannelDecider(policy, () => ({
      ...context,
      phase: 'midstream',
      position: this.position,
    }))
  }

  step(): void {
    const matches = this.#scanner.push(this.position === TOKENS - 2 ? ALL_SECRETS : ' answer')
    const findings = matches.map((m) => ({ kind: 'match' as const, ...m }))
    this.found.push(...this.#channel.decide(findings).firings.map((f) => f.rule))
    this.position++
  }

  get isDone(): boolean {
    return this.position >= TOKENS
  }

  get isRight(): boolean {
    return this.found.length === 1 && this.found[0] === 'mine'
  }
}

/** A folder as the kubelet makes it: files → ..data → ..version. */
function configMap(): { folder: string; swap: (text: string) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-reload-'))
  let version = 0
  const swap = (text: string): void => {
    const name = `..v${version++}`
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'p.yaml'), text)
    symlinkSync(name, join(folder, '..tmp'))
    renameSync(join(folder, '..tmp'), join(folder, '..data'))
  }
  swap(yaml(0))
  symlinkSync(join('..data', 'p.yaml'), join(folder, 'p.yaml'))
  return { folder, swap }
}

/** Processor time of this thread so far, in milliseconds. */
const ownMs = (): number =>
  Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6

type Sample = { readonly own: number; readonly wall: number }

async function run(reloads: number) {
  const { folder, swap } = configMap()
  let current = loadPolicies(folder).combined
  let isReloading = false
  const compiles: number[] = []
  let swappedAt = 0
  const watch = watchPolicies(
    folder,
    (change) => {
      if (change.kind === 'loaded') {
        current = change.library.combined
        compiles.push(performance.now() - swappedAt)
      }
      isReloading = false
    },
    { initial: readPolicyFiles(folder), debounceMs: 5, scan: ['large'] },
  )
  // Streams end at different times, as they do.
  const open = (from = 0): Stream => new Stream(current, from)
  const streams = Array.from({ length: STREAMS }, (_, i) => open(i))
  const busy: Sample[] = []
  const quiet: Sample[] = []
  let dropped = 0
  let finished = 0
  let revision = 0
  let next = performance.now()
  let ownBefore = ownMs()
  let reloadAt = next + EVERY_MS
  while (revision < reloads || isReloading || performance.now() < reloadAt) {
    const wasReloading = isReloading
    for (const [i, stream] of streams.entries()) {
      stream.step()
      if (!stream.isDone) continue
      finished++
      if (!stream.isRight) dropped++
      streams[i] = open()
    }
    const own = ownMs()
    const sample = { own: own - ownBefore, wall: performance.now() - next }
    ownBefore = own
    ;(wasReloading || isReloading ? busy : quiet).push(sample)
    if (performance.now() >= reloadAt && revision < reloads && !isReloading) {
      revision++
      reloadAt = performance.now() + EVERY_MS
      const text = revision === BROKEN ? 'name: p\nrules: [{nmae: x}]\n' : yaml(revision)
      isReloading = true
      swappedAt = performance.now()
      swap(text)
    }
    next = Math.max(next + STEP_MS, performance.now())
    await sleep(Math.max(0, next - performance.now()))
  }
  watch.close()
  rmSync(folder, { recursive: true, force: true })
  return { busy, quiet, dropped, finished, compiles, ...counts(watch) }
}

const counts = ({ reloads, refusals }: { reloads: number; refusals: number }) => ({
  reloads,
  refusals,
})
const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length * q)] ?? Number.NaN
const round = (n: number): number => Math.round(n * 100) / 100

await run(2) // warms the worker and the code up
const measured = await run(RELOADS)
const spread = (samples: readonly Sample[], of: keyof Sample) => {
  const list = samples.map((sample) => sample[of])
  return {
    p50: round(quantile(list, 0.5)),
    p99: round(quantile(list, 0.99)),
    max: round(Math.max(...list)),
  }
}
const [busy, quiet] = [spread(measured.busy, 'own'), spread(measured.quiet, 'own')]
report('reload', {
  streams: STREAMS,
  rules: RULES,
  phrases: PHRASES,
  finished: measured.finished,
  dropped: measured.dropped,
  reloads: measured.reloads,
  refused: measured.refusals,
  in_force_after_ms_p50: round(quantile(measured.compiles, 0.5)),
  steps_while_reloading: measured.busy.length,
  step_ms_reloading: busy,
  step_ms_quiet: quiet,
  wall_ms_reloading: spread(measured.busy, 'wall'),
  wall_ms_quiet: spread(measured.quiet, 'wall'),
  pause_ms_p99: round(Math.max(0, busy.p99 - quiet.p99)),
  pause_ms_max: round(Math.max(0, busy.max - quiet.p50)),
})
process.exit(0)
