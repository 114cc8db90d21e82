/**
 * Policies swapped under load: 64 streams, 20 reloads of a folder as the kubelet makes it, one of them
 * broken. `npm run bench:reload`; `-- --json`, `-- --record`.
 *
 * Every stream scans a token's text and decides at each step, under the revision that it opened with;
 * the phrase that is forbidden differs between revisions, so a stream that changed revision would be
 * decided wrongly and count as dropped. Steps are taken every 2 ms; the pause of a step is how late it
 * begins plus how long it takes, less the same without reloads.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompiledPolicy } from '../../src/policy/compiled.ts'
import { ChannelDecider } from '../../src/policy/channel.ts'
import { loadPolicies, readPolicyFiles } from '../../src/policy/file.ts'
import { createPolicyScanner } from '../../src/policy/scan.ts'
import type { PolicyScanner } from '../../src/policy/scan.ts'
import { watchPolicies } from '../../src/policy/watch-file.ts'
import { context } from '../policy/findings.ts'

const STREAMS = 64
const RELOADS = 20
const BROKEN = 9
const STEP_MS = 2
const TOKENS = 200
const EVERY_MS = 1_000

const argv = new Set(process.argv.slice(2))

function yaml(revision: number): string {
  const rules = Array.from({ length: 20 }, (_, i) => {
    const phrases = Array.from(
      { length: 10 },
      (__, k) => `filler ${i} ${k} of revision ${revision}`,
    )
    return `  - {name: filler-${i}, trigger: {type: keywords, folds: [case], any: [${phrases.join(', ')}]}, actions: [{type: audit}]}`
  })
  return `name: p
rules:
  - {name: mine, phase: midstream, trigger: {type: keywords, folds: [case], any: [secret ${revision}]}, actions: [{type: redact}]}
${rules.join('\n')}
`
}

/** A stream says the secret of every revision near its end; only its own may be found. */
class Stream {
  readonly revision: number
  found: string[] = []
  position = 0
  readonly #scanner: PolicyScanner
  readonly #channel: ChannelDecider

  constructor(revision: number, policy: CompiledPolicy) {
    this.revision = revision
    this.#scanner = createPolicyScanner(policy)
    this.#channel = new ChannelDecider(policy, () => ({
      ...context,
      phase: 'midstream',
      position: this.position,
    }))
  }

  step(): void {
    const isSecret = this.position === TOKENS - 2
    const all = Array.from({ length: RELOADS + 2 }, (_, i) => ` secret ${i} `).join('.')
    const matches = this.#scanner.push(isSecret ? all : ' some words of an answer')
    const findings = matches.map((m) => ({ kind: 'match' as const, ...m }))
    const { firings } = this.#channel.decide(findings)
    this.found.push(...firings.map((f) => f.rule))
    this.position++
  }

  get isDone(): boolean {
    return this.position >= TOKENS
  }

  get isRight(): boolean {
    return this.found.length === 1 && this.found[0] === 'mine'
  }
}

async function run(isReloading: boolean) {
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
  let current = loadPolicies(folder).combined
  let revision = 0
  const revisions = new Map<string, number>([[current.digest, 0]])
  const watch = watchPolicies(
    folder,
    (change) => {
      if (change.kind === 'loaded') current = change.library.combined
    },
    { initial: readPolicyFiles(folder), debounceMs: 5, intervalMs: 50 },
  )
  const opened = (): Stream => new Stream(revisions.get(current.digest) ?? 0, current)
  const streams = Array.from({ length: STREAMS }, opened)
  const pauses: number[] = []
  let dropped = 0
  let finished = 0
  let next = performance.now()
  const end = next + (RELOADS + 1) * EVERY_MS
  let reloadAt = next + EVERY_MS
  while (performance.now() < end) {
    const begun = performance.now()
    for (const [i, stream] of streams.entries()) {
      stream.step()
      if (!stream.isDone) continue
      finished++
      if (!stream.isRight) dropped++
      streams[i] = opened()
    }
    pauses.push(performance.now() - next)
    next = Math.max(next + STEP_MS, performance.now())
    if (isReloading && begun >= reloadAt && revision < RELOADS) {
      revision++
      reloadAt = begun + EVERY_MS
      swap(revision === BROKEN ? 'name: p\nrules: [{nmae: x}]\n' : yaml(revision))
    }
    await sleep(Math.max(0, next - performance.now()))
  }
  watch.close()
  rmSync(folder, { recursive: true, force: true })
  return { pauses, dropped, finished, reloads: watch.reloads, refusals: watch.refusals }
}

const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length * q)] ?? Number.NaN
const round = (n: number): number => Math.round(n * 100) / 100

await run(true) // warms the worker and the code up
const quiet = await run(false)
const busy = await run(true)
const result = {
  streams: STREAMS,
  finished: busy.finished,
  dropped: busy.dropped,
  reloads: busy.reloads,
  refused: busy.refusals,
  pause_ms_p99: round(Math.max(0, quantile(busy.pauses, 0.99) - quantile(quiet.pauses, 0.99))),
  pause_ms_max: round(Math.max(...busy.pauses)),
  quiet_ms_p99: round(quantile(quiet.pauses, 0.99)),
}
if (argv.has('--record')) {
  const record = {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? '',
    node: process.version,
    ...result,
  }
  const out = resolve(import.meta.dirname, 'record/reload.json')
  writeFileSync(out, `${JSON.stringify(record, undefined, 2)}\n`)
}
if (argv.has('--json')) console.log(JSON.stringify(result))
else for (const [key, value] of Object.entries(result)) console.log(`${key.padEnd(14)} ${value}`)
process.exit(0)
