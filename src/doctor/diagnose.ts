/**
 * From what was found out to one line a check: what is, and what to do about it. Pure, so that every
 * advice is tested. A check that cannot be made because an earlier one failed says so (`skip`).
 */
import type { EngineStatus, StepStatus } from '../model/status.ts'

export type Verdict = 'ok' | 'warn' | 'fail' | 'skip'
export type DoctorCheck = {
  readonly name: string
  readonly verdict: Verdict
  readonly detail: string
  /** What to do; absent when nothing is to be done. */
  readonly advice?: string
}

/** Something that was tried: what came of it, or why nothing did. */
export type Tried<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string }

/** The plugin as a Python has it installed. */
export type PluginFacts = {
  /** Undefined when it is not installed there. */
  readonly version?: string
  readonly protocolMajor?: number
  /** Of the plugin's dependencies, and vLLM. */
  readonly missing: readonly string[]
}

export type Facts = {
  /** Asked for by --python. */
  readonly python?: {
    readonly path: string
    readonly protocolMajor: number
    readonly plugin: Tried<PluginFacts>
  }

  readonly socket: string
  readonly backend: string
  readonly sidecarUrl: string
  /** Models that the upstream serves. */
  readonly models: Tried<readonly string[]>
  /** What the gRPC health service on the socket answers: SERVING, NOT_SERVING. */
  readonly health: Tried<string>
  readonly status: Tried<StepStatus>
  readonly canary: Tried<{ readonly ok: boolean; readonly detail: string }>
}

export function diagnose(facts: Facts): readonly DoctorCheck[] {
  const checks = [...checkPython(facts), checkBackend(facts), checkSidecar(facts)]
  if (!facts.status.ok) {
    // Without it nobody makes the socket.
    const socket = facts.health.ok ? [checkSocket(facts)] : []
    const names = ['socket', 'policies', 'plugin', 'vocabulary', 'programs', 'states']
    const skipped = [...names, 'plugin health', 'canary'].slice(socket.length)
    return [
      ...checks,
      ...socket,
      ...skipped.map((name) => skip(name, 'the sidecar does not answer')),
    ]
  }
  const status = facts.status.value
  checks.push(checkSocket(facts), ...checkPolicies(status), checkPlugin(facts, status))
  if (status.engines.length === 0) {
    const skipped = ['vocabulary', 'programs', 'states', 'plugin health', 'canary']
    return [...checks, ...skipped.map((name) => skip(name, 'no engine is attached'))]
  }
  const programs = checkPrograms(status)
  return [
    ...checks,
    checkVocabulary(status),
    programs,
    checkStates(status),
    checkPluginHealth(status),
    programs.verdict === 'fail'
      ? skip('canary', 'no program of it is in the engine')
      : checkCanary(facts),
  ]
}

const skip = (name: string, detail: string): DoctorCheck => ({ name, verdict: 'skip', detail })
const short = (digest: string): string => digest.slice(0, 12)

function checkPython({ python }: Facts): DoctorCheck[] {
  if (python === undefined) return []
  const { path, plugin, protocolMajor } = python
  const name = 'python'
  const fail = (detail: string, advice: string): DoctorCheck[] => [
    { name, verdict: 'fail', detail: `${path}${detail}`, advice },
  ]
  if (!plugin.ok) return fail(`: ${plugin.error}`, 'name the Python that runs vLLM')
  const { version, protocolMajor: speaks, missing } = plugin.value
  const install = `${path} -m pip install -U checkstream-vllm, then restart vLLM`
  if (version === undefined) return fail(' has no checkstream_vllm, the plugin', install)
  if (speaks !== protocolMajor) {
    return fail(
      ` has plugin ${version} of step protocol ${speaks ?? 'unknown'}, this sidecar speaks ${protocolMajor}`,
      `install the plugin of the sidecar's release: ${install}`,
    )
  }
  if (missing.length > 0) {
    return fail(
      ` has the plugin, but not ${missing.join(', ')}`,
      missing.includes('vllm') ? 'name the Python that runs vLLM' : install,
    )
  }
  return [{ name, verdict: 'ok', detail: `${path} has plugin ${version}` }]
}

function checkPolicies(status: StepStatus): readonly DoctorCheck[] {
  const { policyError, policyWarnings = [], tenantsError } = status
  const policies: DoctorCheck =
    policyError === undefined
      ? policiesInForce(policyWarnings)
      : {
          name: 'policies',
          verdict: 'fail',
          detail: `the last good ones are in force, not those on disk: ${policyError}`,
          advice:
            'put the file right (checkstream policy check FILE); it is read again when it changes',
        }
  if (tenantsError === undefined) return [policies]
  const tenants: DoctorCheck = {
    name: 'tenants',
    verdict: 'fail',
    detail: `the last good tenants are in force, not those on disk: ${tenantsError}`,
    advice: 'put policies.tenants_file right; it is read again when it changes',
  }
  return [policies, tenants]
}

function policiesInForce(warnings: readonly string[]): DoctorCheck {
  const [first] = warnings
  if (first === undefined) return { name: 'policies', verdict: 'ok', detail: 'in force' }
  const more = warnings.length === 1 ? '' : ` (and ${warnings.length - 1} more, in the log)`
  return {
    name: 'policies',
    verdict: 'warn',
    detail: `in force, but ${first}${more}`,
    advice: 'put the policy right, or name the model that it asks in classifiers.models',
  }
}

function checkBackend({ models, backend }: Facts): DoctorCheck {
  if (!models.ok) {
    return {
      name: 'vLLM',
      verdict: 'fail',
      detail: `${backend} does not answer: ${models.error}`,
      advice: 'start vLLM (vllm serve MODEL --uds PATH), or set backend.url to where it listens',
    }
  }
  return { name: 'vLLM', verdict: 'ok', detail: `${backend} serves ${models.value.join(', ')}` }
}

function checkSidecar({ status, sidecarUrl }: Facts): DoctorCheck {
  if (status.ok) {
    const { version } = status.value
    return { name: 'sidecar', verdict: 'ok', detail: `${sidecarUrl} runs version ${version}` }
  }
  return {
    name: 'sidecar',
    verdict: 'fail',
    detail: `${sidecarUrl} does not answer: ${status.error}`,
    advice: 'start it (checkstream serve), run doctor where it runs, or allow it in (server.admin)',
  }
}

function checkSocket({ health, socket }: Facts): DoctorCheck {
  if (!health.ok) {
    return {
      name: 'socket',
      verdict: 'fail',
      detail: `${socket}: ${health.error}`,
      advice:
        'both sides must see one socket: vllm.socket (VLLM_SOCKET) here, VLLM_SIDECAR_SOCKET in the engine, on a shared volume',
    }
  }
  const isServing = health.value === 'SERVING'
  return {
    name: 'socket',
    verdict: isServing ? 'ok' : 'warn',
    detail: `${socket} answers, health is ${health.value}`,
    ...(isServing ? {} : { advice: 'not ready yet: the checks below say why' }),
  }
}

function checkPlugin(facts: Facts, { engines, refused }: StepStatus): DoctorCheck {
  const { socket } = facts
  if (refused !== undefined) {
    const who = refused.engine === '' ? 'an engine' : refused.engine
    return {
      name: 'plugin',
      verdict: 'fail',
      detail: `${who} was turned away: ${refused.reason}`,
      advice:
        refused.code === 'protocol_unsupported' || refused.code === 'vocabulary_invalid'
          ? "install the plugin of the sidecar's release beside vLLM (pip install -U checkstream-vllm) and restart vLLM"
          : 'see the log of vLLM for checkstream; plugin and sidecar must be of the same release',
    }
  }
  if (engines.length === 0 && !facts.models.ok) return skip('plugin', 'vLLM does not answer')
  if (engines.length === 0 && !facts.health.ok) return skip('plugin', 'the socket does not answer')
  if (engines.length === 0) {
    return {
      name: 'plugin',
      verdict: 'fail',
      detail: 'no engine is attached',
      advice: `pip install checkstream-vllm beside vLLM, start it with --logits-processors checkstream_vllm:CheckStream and VLLM_SIDECAR_SOCKET=${socket}, and look for checkstream in its log`,
    }
  }
  const told = engines.map(
    ({ id, name, version, runner, model }) => `${id} (${name} ${version}, ${runner}, ${model})`,
  )
  return { name: 'plugin', verdict: 'ok', detail: `attached: ${told.join('; ')}` }
}

function checkVocabulary({ engines, vocabularies }: StepStatus): DoctorCheck {
  const known = new Map(vocabularies.map((one) => [one.digest, one.size]))
  for (const engine of engines) {
    const size = known.get(engine.vocabularyDigest)
    if (size === engine.logitsWidth) continue
    const here = size === undefined ? 'not known here' : `${size} entries here`
    return {
      name: 'vocabulary',
      verdict: 'fail',
      detail: `${engine.id}: ${short(engine.vocabularyDigest)}, ${engine.logitsWidth} entries, ${here}`,
      advice:
        'plugin and sidecar must be of the same release; restart vLLM so that it sends its vocabulary again',
    }
  }
  const told = [...known].map(([digest, size]) => `${short(digest)} (${size} entries)`)
  return { name: 'vocabulary', verdict: 'ok', detail: `same on both sides: ${told.join(', ')}` }
}

function checkPrograms({ engines, vocabularies }: StepStatus): DoctorCheck {
  const wanted = new Map(vocabularies.map((one) => [one.digest, one.programs]))
  for (const engine of engines) {
    const programs = wanted.get(engine.vocabularyDigest)
    if (programs === undefined) {
      return {
        name: 'programs',
        verdict: 'fail',
        detail: `${engine.id}: not compiled`,
        advice: 'the log of the sidecar says why they cannot be compiled, or that they still are',
      }
    }
    const problem = programProblem(engine, programs)
    if (problem !== undefined) return problem
  }
  const count = new Set([...wanted.values()].flatMap((programs) => programs ?? [])).size
  return { name: 'programs', verdict: 'ok', detail: `${count} held by every engine` }
}

function programProblem(
  engine: EngineStatus,
  programs: readonly string[],
): DoctorCheck | undefined {
  const told = new Map(engine.programs.map((one) => [one.digest, one]))
  const refused = engine.programs.find((one) => !one.ready && programs.includes(one.digest))
  if (refused !== undefined) {
    return {
      name: 'programs',
      verdict: 'fail',
      detail: `${engine.id} refused ${short(refused.digest)}: ${refused.error}`,
      advice: 'plugin and sidecar must be of the same release',
    }
  }
  const missing = programs.find((digest) => told.get(digest)?.ready !== true)
  if (missing === undefined) return undefined
  return {
    name: 'programs',
    verdict: 'fail',
    detail: `${engine.id} does not hold ${short(missing)}, which the policy in force compiles to; it holds ${held(engine)}`,
    advice: 'look into the log of vLLM for checkstream, and restart vLLM so that it is sent again',
  }
}

const held = ({ programs }: EngineStatus): string => {
  const ready = programs.filter((one) => one.ready).map(({ digest }) => short(digest))
  return ready.length === 0 ? 'none' : ready.join(', ')
}

/** Whether asking again shortly may show another picture: programs still compile or travel. */
export function isSettling({ engines, vocabularies }: StepStatus): boolean {
  const wanted = new Map(vocabularies.map((one) => [one.digest, one.programs]))
  return engines.some((engine) => {
    const programs = wanted.get(engine.vocabularyDigest)
    const told = new Set(engine.programs.map(({ digest }) => digest))
    return programs === undefined || programs.some((digest) => !told.has(digest))
  })
}

function checkStates({ totals }: StepStatus): DoctorCheck {
  const { divergences, violations, tokens, gaps, unmaskedRows, foreignPrograms } = totals
  const foreign = foreignPrograms === 0 ? '' : `, ${foreignPrograms} rows on a foreign program`
  const told = `${tokens} tokens followed: ${divergences} divergences, ${violations} violations, ${gaps} gaps, ${unmaskedRows} rows without a mask${foreign}`
  if (divergences + violations > 0) {
    return {
      name: 'states',
      verdict: 'fail',
      detail: told,
      advice:
        'the engine does not execute what it was sent: update both sides, load the plugin by the flag only, and report it with both logs',
    }
  }
  if (gaps + unmaskedRows + foreignPrograms > 0) {
    return {
      name: 'states',
      verdict: 'warn',
      detail: told,
      advice:
        'gaps: the sidecar is slower than the engine, or was restarted; rows without a mask opened before their program was there; a foreign program is one of an earlier sidecar',
    }
  }
  return { name: 'states', verdict: 'ok', detail: told }
}

function checkPluginHealth({ engines }: StepStatus): DoctorCheck {
  const name = 'plugin health'
  for (const { id, stats } of engines) {
    if (stats === undefined) continue
    if (stats.breaker === 'open' || stats.breaker === 'half_open') {
      return {
        name,
        verdict: 'fail',
        detail: `${id}: the breaker is ${stats.breaker}; ${stats.missedDeadlines} deadlines missed`,
        advice: 'the sidecar answers too late: give it CPU of its own, or raise vllm.deadline',
      }
    }
    if (stats.errors > 0) {
      return {
        name,
        verdict: 'warn',
        detail: `${id}: ${stats.errors} errors caught, last: ${stats.lastError}`,
        advice: 'see the log of vLLM for the whole error',
      }
    }
    if (stats.missedDeadlines > 0) {
      const { missedDeadlines, awaitedSteps } = stats
      return {
        name,
        verdict: 'warn',
        detail: `${id}: ${missedDeadlines} of ${awaitedSteps} awaited steps were answered too late`,
        advice: 'give the sidecar CPU of its own, or raise vllm.deadline',
      }
    }
  }
  const silent = engines.filter(({ stats }) => stats === undefined).length
  const detail = silent === 0 ? 'no errors, no missed deadlines' : `${silent} told nothing yet`
  return { name, verdict: 'ok', detail }
}

function checkCanary({ canary }: Facts): DoctorCheck {
  const advice =
    'masks are not proved to bind: check the flag --logits-processors, and that no speculative decoding switched the plugin off'
  if (!canary.ok) return { name: 'canary', verdict: 'fail', detail: canary.error, advice }
  const { ok, detail } = canary.value
  return ok
    ? { name: 'canary', verdict: 'ok', detail }
    : { name: 'canary', verdict: 'fail', detail, advice }
}

const SIGN: Readonly<Record<Verdict, string>> = {
  ok: '✓',
  warn: '!',
  fail: '✗',
  skip: '-',
}

/** One line per check, and one more where there is something to do. */
export function toLines(checks: readonly DoctorCheck[]): readonly string[] {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return checks.flatMap(({ name, verdict, detail, advice }) => {
    const line = `${SIGN[verdict]} ${name.padEnd(width)}  ${detail}`
    return advice === undefined ? [line] : [line, `  ${' '.repeat(width)}  → ${advice}`]
  })
}
