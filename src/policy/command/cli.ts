/**
 * `checkstream policy …`: check, test, explain, diff, compile, new. Exit 0: good; 1: something in the
 * policies is wrong, or differs as `diff --fail-on` says; a mistake in the command itself is thrown as
 * GuardError.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { compileAutomaton } from '../../automata/automaton.ts'
import type { Automaton } from '../../automata/automaton.ts'
import { compileTokenProgram } from '../../automata/program.ts'
import { GuardError } from '../../model/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { suggestion } from '../../model/nearest.ts'
import { flag, parseFlags } from './cli-flags.ts'
import type { Flags } from './cli-flags.ts'
import type { Calibration } from '../compile/calibrated.ts'
import type { CompiledPolicy } from '../compiled.ts'
import { diffPolicies } from '../diff/diff.ts'
import type { Change } from '../diff/diff.ts'
import { COLOURED, explainText, PLAIN } from './explain.ts'
import { readPolicyFiles } from '../files/file.ts'
import { buildLibrary, requireLibrary, requirePolicy } from '../files/library.ts'
import type { LibraryResult, PolicyFile, PolicyLibrary } from '../files/library.ts'
import { newPack } from './new-pack.ts'
import { showProblem } from '../read/problem.ts'
import { problemCases, testCases, toJunit, toSarif } from './reports.ts'
import { runPolicyTests, statedFindings } from './run-tests.ts'
import type { TestRun } from './run-tests.ts'
import { checkTexts, prepareScan } from '../decide/scan.ts'
import { policyTest } from '../schema/schema-tests.ts'
import { toVocabulary } from '../../vocabulary/tokenizer.ts'

/** What the commands ask of the program and its models; without models they go by what is stated. */
export type PolicyModels = {
  /** Of the program, for reports. */
  readonly version?: string
  /** What the calibrations of the models in a folder know; by default of those that come along. */
  readonly calibration?: (folder: string | undefined) => Promise<Calibration>
  /** What detectors and models find in a text that the policy asks for. */
  readonly judge?: (policy: CompiledPolicy, text: string) => Promise<readonly Finding[]>
}

type Command = (argv: readonly string[], models: PolicyModels) => Promise<number> | number

const COMMANDS: Readonly<Record<string, Command>> = {
  check,
  test,
  explain,
  diff,
  compile,
  new: create,
}

/** What other guards' commands are here. */
const HERE: Readonly<Record<string, string>> = {
  validate: 'here: policy check',
  benchmark: 'here: policy compile, for size and time',
  history: 'here: version control, and policy diff between two versions',
  rollback: 'put the older files back; they are read at once',
}

const USAGE = `checkstream policy COMMAND

  check PATH…          read and compile; --strict: warnings count; --format text|sarif|junit; --out FILE;
                       --models FOLDER for the calibrations of its models
  test PATH…           run the tests beside the rules; --format text|junit|json; --out FILE
  explain TEXT         what would be done, as detectors and the models that come along judge the text;
                       --path PATH, --policy NAME, --score MODEL=0.9 (repeatable) instead of models,
                       --models FOLDER for the calibrations of its models
  diff A B             what changes from one file or folder to the other: --policy NAME, --json,
                       --models FOLDER for their calibrations; exit 0, or 1 where there is a change
                       that --fail-on change|looser|stricter names (looser: unknown ones count)
  compile PATH         size and time of what a policy compiles to; --policy NAME, --json,
                       --tokenizer FOLDER|demo for the token program of that vocabulary
  new NAME             starts a pack; --description, --regulation, --phrase (repeatable), --action,
                       --mode, --out FILE; asks for what is missing in a terminal`

export async function runPolicy(
  argv: readonly string[],
  models: PolicyModels = {},
): Promise<number> {
  const [name = 'help', ...rest] = argv
  if (['help', '--help', '-h'].includes(name)) {
    print(USAGE)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    const hint = Object.hasOwn(HERE, name)
      ? `; ${HERE[name]}`
      : suggestion(name, Object.keys(COMMANDS))
    throw new GuardError('config_invalid', `policy ${name}: unknown command${hint}`)
  }
  return command(rest, models)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function write(flags: Flags, text: string): void {
  const out = flag(flags, 'out')
  if (out === undefined) print(text)
  else writeFileSync(out, `${text}\n`)
}

function filesOf(paths: readonly string[]): readonly PolicyFile[] {
  return paths.length === 0 ? readPolicyFiles('policies') : paths.flatMap(readPolicyFiles)
}

/** Everything that is wrong, with what only shows when texts are compiled. */
function build(paths: readonly string[], calibration?: Calibration): LibraryResult {
  const result = buildLibrary(filesOf(paths), {
    nowMs: Date.now(),
    ...(calibration && { calibration }),
  })
  const more = [...(result.library?.policies.values() ?? [])].flatMap(checkTexts)
  if (more.length === 0) return result
  return { library: undefined, problems: [...result.problems, ...more] }
}

async function check(argv: readonly string[], models: PolicyModels): Promise<number> {
  const flags = parseFlags(argv, { strict: false, format: true, out: true, models: true })
  const { library, problems } = build(flags.rest, await models.calibration?.(flag(flags, 'models')))
  const errors = problems.filter((p) => p.severity === 'error').length
  const format = flag(flags, 'format') ?? 'text'
  if (format === 'sarif') write(flags, toSarif(problems, models.version ?? '0'))
  else if (format === 'junit') write(flags, toJunit(problemCases(problems)))
  else {
    const warnings = problems.length - errors
    const policies = [...(library?.policies.values() ?? [])]
    const good = policies.map(
      (p) => `${p.name} ${p.digest.slice(0, 12)}: ${p.rules.length} rules, ${p.bans.length} bans`,
    )
    const total = `${errors} errors, ${warnings} warnings`
    write(flags, [...problems.map(showProblem), ...good, total].join('\n'))
  }
  const isStrict = flag(flags, 'strict') !== undefined
  return errors > 0 || (isStrict && problems.length > 0) ? 1 : 0
}

function test(argv: readonly string[]): number {
  const flags = parseFlags(argv, { format: true, out: true })
  const library = requireLibrary(build(flags.rest))
  const runs = library.sources.map((source) =>
    runPolicyTests(requirePolicy(library, source.document.name), source),
  )
  const run: TestRun = {
    results: runs.flatMap((r) => r.results),
    coverage: runs.flatMap((r) => r.coverage),
  }
  const format = flag(flags, 'format') ?? 'text'
  if (format === 'junit') write(flags, toJunit(testCases(run.results)))
  else if (format === 'json') write(flags, JSON.stringify(run))
  else write(flags, testReport(run))
  return run.results.every((result) => result.isPassed) ? 0 : 1
}

function testReport({ results, coverage }: TestRun): string {
  const failed = results.filter((result) => !result.isPassed)
  const lines = failed.map(
    ({ file, line, rule, name, message }) => `${file}:${line} ${rule ?? ''} “${name}”: ${message}`,
  )
  const silent = coverage.filter(({ firing }) => firing === 0)
  for (const { policy, rule } of silent)
    lines.push(`${policy}/${rule}: no test shows that it can fire`)
  const thin = coverage.filter(({ firing, quiet }) => firing > 0 && (firing < 2 || quiet < 2))
  for (const { policy, rule, firing, quiet } of thin) {
    lines.push(`${policy}/${rule}: only ${firing} firing and ${quiet} quiet tests`)
  }
  const shown = coverage.length - silent.length
  const share = coverage.length === 0 ? 100 : (100 * shown) / coverage.length
  lines.push(
    `${results.length - failed.length} of ${results.length} tests passed; ` +
      `${shown} of ${coverage.length} rules shown to fire (${share.toFixed(0)} %)`,
  )
  return lines.join('\n')
}

async function explain(argv: readonly string[], models: PolicyModels): Promise<number> {
  const flags = parseFlags(argv, { path: true, policy: true, score: true, models: true })
  const text = flags.rest.join(' ')
  if (text === '') throw new GuardError('config_invalid', 'policy explain: needs a text')
  const calibration = await models.calibration?.(flag(flags, 'models'))
  const library = requireLibrary(build([flag(flags, 'path') ?? 'policies'], calibration))
  const policy = choose(library, flag(flags, 'policy'))
  const scores = Object.fromEntries(
    (flags.values.get('score') ?? []).map((s) => [s.split('=')[0] ?? '', Number(s.split('=')[1])]),
  )
  const stated = policyTest.safeParse({ text, scores, fires: true })
  if (!stated.success) {
    throw new GuardError('config_invalid', 'policy explain: --score expects MODEL=0.9')
  }
  const paint = process.stdout.isTTY ? COLOURED : PLAIN
  // Scores that are stated stand for those of the models.
  const judged = flags.values.has('score') ? [] : await models.judge?.(policy, text)
  const findings = [...statedFindings(policy, stated.data), ...(judged ?? [])]
  print(explainText(policy, text, findings, paint))
  return 0
}

const choose = (library: PolicyLibrary, name: string | undefined): CompiledPolicy =>
  name === undefined ? library.combined : requirePolicy(library, name)

const FAIL_ON = ['change', 'looser', 'stricter'] as const

async function diff(argv: readonly string[], models: PolicyModels): Promise<number> {
  const known = { json: false, policy: true, models: true, 'fail-on': true }
  const flags = parseFlags(argv, known)
  const [a, b] = flags.rest
  if (a === undefined || b === undefined) {
    throw new GuardError('config_invalid', 'policy diff: needs two files or folders')
  }
  const written = flag(flags, 'fail-on')
  const failOn = written === undefined ? undefined : oneOf(FAIL_ON, 'fail-on', written)
  const name = flag(flags, 'policy')
  const calibration = await models.calibration?.(flag(flags, 'models'))
  const before = choose(requireLibrary(build([a], calibration)), name)
  const after = choose(requireLibrary(build([b], calibration)), name)
  const changes = diffPolicies(before, after)
  if (flag(flags, 'json') !== undefined) print(JSON.stringify(changes))
  else print(diffReport(changes))
  return changes.some((one) => failsOn(one, failOn)) ? 1 : 0
}

function failsOn({ direction }: Change, failOn: (typeof FAIL_ON)[number] | undefined): boolean {
  if (failOn === undefined) return false
  if (failOn === 'change') return true
  return direction === failOn || (failOn === 'looser' && direction === 'unknown')
}

function diffReport(changes: readonly Change[]): string {
  const lines = changes.map(({ kind, rule, message, direction, canNewlyFire }) => {
    const where = rule === '' ? kind : `${kind} ${rule}`
    return `${canNewlyFire ? '!' : ' '} ${direction.padEnd(8)} ${where}: ${message}`
  })
  const counts = (['stricter', 'looser', 'unknown', 'neither'] as const).map(
    (wanted) => `${changes.filter(({ direction }) => direction === wanted).length} ${wanted}`,
  )
  const newly = new Set(changes.filter((c) => c.canNewlyFire).map((c) => c.rule)).size
  lines.push(`${changes.length} changes: ${counts.join(', ')}; ${newly} rules can newly fire (!)`)
  return lines.join('\n')
}

function compile(argv: readonly string[]): number {
  const flags = parseFlags(argv, { policy: true, json: false, tokenizer: true })
  const files = filesOf(flags.rest)
  const start = performance.now()
  const library = requireLibrary(buildLibrary(files, { nowMs: Date.now() }))
  const policy = choose(library, flag(flags, 'policy'))
  const compiled = performance.now()
  const { linear } = prepareScan(policy)
  const scanned = performance.now()
  const automaton = policy.bans.length === 0 ? undefined : compileAutomaton(policy.bans)
  const done = performance.now()
  const facts = {
    policy: policy.name,
    digest: policy.digest,
    rules: policy.rules.length,
    texts: policy.texts.length,
    bans: policy.bans.length,
    linear_patterns: linear.length,
    states: automaton?.stateCount ?? 0,
    classifiers: policy.classifiers,
    compile_ms: Number((compiled - start).toFixed(1)),
    scan_ms: Number((scanned - compiled).toFixed(1)),
    automaton_ms: Number((done - scanned).toFixed(1)),
    ...programFacts(automaton, flag(flags, 'tokenizer')),
  }
  if (flag(flags, 'json') !== undefined) print(JSON.stringify(facts))
  else for (const [key, value] of Object.entries(facts)) print(`${key.padEnd(16)} ${String(value)}`)
  return 0
}

/** What the bans compile to for one vocabulary: what an engine is sent. */
function programFacts(
  automaton: Automaton | undefined,
  tokenizer: string | undefined,
): Readonly<Record<string, number>> {
  if (automaton === undefined || tokenizer === undefined) return {}
  const demo = join(import.meta.dirname, '../../../models/demo-lm')
  const folder = tokenizer === 'demo' ? demo : tokenizer
  const file = join(folder, 'tokenizer.json')
  if (!existsSync(file)) throw new GuardError('config_invalid', `--tokenizer: no file ${file}`)
  const vocabulary = toVocabulary(readFileSync(file))
  const start = performance.now()
  const { stateCount, blob } = compileTokenProgram(automaton, vocabulary)
  return {
    vocabulary: vocabulary.size,
    program_states: stateCount,
    program_bytes: blob.length,
    program_ms: Number((performance.now() - start).toFixed(1)),
  }
}

const ACTIONS = ['ban', 'stop', 'redact', 'log'] as const
const MODES = ['monitor', 'alert', 'enforce'] as const

async function create(argv: readonly string[]): Promise<number> {
  const known = {
    description: true,
    regulation: true,
    phrase: true,
    action: true,
    mode: true,
    out: true,
  }
  const flags = parseFlags(argv, known)
  const ask = process.stdin.isTTY === true && process.stdout.isTTY ? question : () => ''
  const value = async (name: string, text: string, usual: string): Promise<string> =>
    flag(flags, name) ?? ((await ask(`${text} [${usual}] `)) || usual)
  const name = flags.rest[0] ?? (await ask('Name of the pack? '))
  if (name === '') throw new GuardError('config_invalid', 'policy new: needs a name')
  const text = newPack({
    name,
    description: await value('description', 'What does it stop?', `Checks of ${name}`),
    regulation: await value('regulation', 'Which regulation?', ''),
    phrases:
      flags.values.get('phrase') ??
      (await value('phrases', 'Which phrases? (separated by commas)', 'example phrase')).split(
        /\s*,\s*/,
      ),
    action: oneOf(
      ACTIONS,
      'action',
      await value('action', `What is done? (${ACTIONS.join(', ')})`, 'log'),
    ),
    mode: oneOf(MODES, 'mode', await value('mode', `Mode? (${MODES.join(', ')})`, 'monitor')),
  })
  const out = flag(flags, 'out') ?? `${name}.yaml`
  if (existsSync(out)) throw new GuardError('config_invalid', `policy new: ${out} is there already`)
  writeFileSync(out, text)
  print(`${out} written; try: checkstream policy test ${out}`)
  return 0
}

function oneOf<T extends string>(known: readonly T[], name: string, value: string): T {
  const found = known.find((k) => k === value)
  if (found !== undefined) return found
  const hint = suggestion(value, known)
  throw new GuardError(
    'config_invalid',
    `--${name}: expected ${known.join(', ')}, got ${value}${hint}`,
  )
}

async function question(text: string): Promise<string> {
  const line = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await line.question(text)).trim()
  } finally {
    line.close()
  }
}
