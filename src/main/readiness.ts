/**
 * When the sidecar may say that it is ready: an engine is attached, it holds the programs, and a
 * canary has proved that masks bind in it. Looked at again whenever the attached engines change.
 */
import type { EngineView } from '../guard.ts'
import type { DriftState } from '../classifiers/drift.ts'
import type { Check, Readiness } from '../proxy/parts.ts'
import type { CanaryResult } from './canary.ts'

export type ReadinessParts = {
  readonly engines: () => readonly EngineView[]
  /** Digest of the canary program for an engine, once it is compiled. */
  readonly canaryProgram: (engine: EngineView) => string | undefined
  readonly canary: (engine: EngineView, program: string) => Promise<CanaryResult>
  /** Told of every change. */
  readonly changed: (ready: boolean, checks: readonly Check[]) => void
  readonly now: () => number
}

const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 15_000

export class ReadinessWatch {
  readonly #parts: ReadinessParts
  #proven = ''
  #canary: Check = { name: 'canary', ok: false, detail: 'not run yet' }
  #running = false
  #retryAt = 0
  #retryMs = FIRST_RETRY_MS
  #wasReady: boolean | undefined

  constructor(parts: ReadinessParts) {
    this.#parts = parts
  }

  readiness(): Readiness {
    const engines = this.#parts.engines()
    const held = engines.every((engine) => this.#isHeld(engine))
    const proven = engines.length > 0 && this.#proven === signature(engines)
    const checks: Check[] = [
      {
        name: 'engine',
        ok: engines.length > 0,
        detail:
          engines.length === 0
            ? 'no engine is attached: start vLLM with --logits-processors checkstream_vllm:CheckStream'
            : engines.map(({ engine }) => `${engine.id} (${engine.model})`).join(', '),
      },
      {
        name: 'programs',
        ok: engines.length > 0 && held,
        detail:
          held && engines.length > 0 ? 'held by every engine' : 'not yet held by every engine',
      },
      proven || !this.#canary.ok
        ? this.#canary
        : { name: 'canary', ok: false, detail: 'engines changed; to be run again' },
    ]
    return { ready: checks.every((check) => check.ok), checks }
  }

  /** Called every so often: starts a canary when one is due. Never rejects. */
  async tick(): Promise<void> {
    const engines = this.#parts.engines()
    const due =
      !this.#running &&
      engines.length > 0 &&
      engines.every((engine) => this.#isHeld(engine)) &&
      this.#proven !== signature(engines) &&
      this.#parts.now() >= this.#retryAt
    if (due) await this.run()
    this.#tell()
  }

  /** Runs the canary now, whatever is known; for doctor. */
  async run(): Promise<Check> {
    this.#running = true
    const engines = this.#parts.engines()
    const tested = signature(engines)
    try {
      const results = await Promise.all(engines.map((engine) => this.#prove(engine)))
      const failed = results.find((result) => !result.bound)
      const detail = (failed ?? results[0])?.detail ?? 'no engine is attached'
      this.#settle(failed === undefined && results.length > 0, detail, tested)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.#settle(false, `the canary could not be run: ${why}`, tested)
    } finally {
      this.#running = false
    }
    this.#tell()
    return this.#canary
  }

  #prove(engine: EngineView): Promise<CanaryResult> {
    const program = this.#parts.canaryProgram(engine)
    if (program !== undefined) return this.#parts.canary(engine, program)
    return Promise.resolve({ bound: false, detail: 'the canary program is not compiled yet' })
  }

  #settle(ok: boolean, detail: string, tested: string): void {
    this.#canary = { name: 'canary', ok, detail }
    this.#proven = ok ? tested : ''
    this.#retryMs = ok ? FIRST_RETRY_MS : Math.min(this.#retryMs * 2, MAX_RETRY_MS)
    this.#retryAt = this.#parts.now() + this.#retryMs
  }

  #isHeld(engine: EngineView): boolean {
    const digest = this.#parts.canaryProgram(engine)
    return digest !== undefined && engine.programs.some((p) => p.digest === digest && p.ready)
  }

  #tell(): void {
    const { ready, checks } = this.readiness()
    if (ready === this.#wasReady) return
    this.#wasReady = ready
    this.#parts.changed(ready, checks)
  }
}

/** Engines by worker and vocabulary: a restarted worker has another process id. */
const signature = (engines: readonly EngineView[]): string =>
  engines
    .map(({ engine }) => `${engine.id} ${engine.vocabularyDigest}`)
    .sort()
    .join('\n')

/** Files that could not be loaded are shown; the last good ones are in force, so it stays ready. */
export const inForce = (name: string, error: string | undefined): Check => ({
  name,
  ok: true,
  detail: error === undefined ? 'in force' : `the last good ones are in force: ${error}`,
})

/** Scores that moved do not make the sidecar unready: whoever calibrated it has to look. */
export function driftChecks(states: readonly DriftState[]): readonly Check[] {
  if (states.length === 0) return []
  const moved = states.filter(({ drifted }) => drifted).map(({ label }) => label)
  const detail =
    moved.length === 0
      ? 'live scores are as calibrated'
      : `live scores have left the calibration: ${moved.join(', ')}`
  return [{ name: 'drift', ok: true, detail }]
}
