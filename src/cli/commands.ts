/**
 * The table of commands, loaded when they are asked for. A mistake is one clear line and exit code
 * 2, a failure is one clear line and exit code 1.
 */
import { join } from 'node:path'
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { suggestion } from '../model/nearest.ts'
import type { Calibration } from '../policy/compile/calibrated.ts'
import type { CompiledPolicy } from '../policy/compiled.ts'
import { CLASSIFIERS } from '../policy/compile/names.ts'
import { toLine } from './mistakes.ts'

const MODELS = join(import.meta.dirname, '../../models')

async function calibrationsOf(folder = MODELS): Promise<Calibration> {
  const { readCalibrations } = await import('../main/site/calibrations.ts')
  return readCalibrations(folder, CLASSIFIERS)
}

async function judgeText(policy: CompiledPolicy, text: string): Promise<readonly Finding[]> {
  const { judgeOnce } = await import('../main/scores/judge-once.ts')
  return judgeOnce(policy, text)
}

type Run = (argv: readonly string[]) => Promise<number>
type Command = { readonly summary: string; readonly load: () => Promise<Run> }

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the sidecar: step server and proxy',
    load: async () => (await import('./serve-cli.ts')).runServe,
  },
  config: {
    summary: 'print the effective configuration and where each value came from',
    load: async () => (await import('./config-cli.ts')).runConfig,
  },
  policy: {
    summary: 'check, test, explain, diff, compile and start policies',
    load: async () => {
      const { runPolicy } = await import('../policy/command/cli.ts')
      const { readVersion } = await import('../main/version-file.ts')
      const models = { version: readVersion(), calibration: calibrationsOf, judge: judgeText }
      return (argv) => runPolicy(argv, models)
    },
  },
  doctor: {
    summary: 'check the engine, the plugin and that masks bind',
    load: async () => (await import('./doctor-cli.ts')).runDoctorCommand,
  },
  engine: {
    summary: 'run the embedded engine in the place of vLLM',
    load: async () => (await import('../engine/engine-cli.ts')).runEngine,
  },
  eval: {
    summary: 'measure a classifier on labelled files',
    load: async () => (await import('../classifiers/eval-cli.ts')).runEval,
  },
  calibrate: {
    summary: "turn the site's own traffic into thresholds",
    load: async () => {
      const { runCalibrate } = await import('../classifiers/calibrate-cli.ts')
      const { readVersion } = await import('../main/version-file.ts')
      return (argv) => runCalibrate(argv, readVersion())
    },
  },
  probe: {
    summary: "fit a probe on a model's own hidden states",
    load: async () => (await import('./probe-cli.ts')).runProbe,
  },
  watch: {
    summary: 'the live view in a terminal',
    load: async () => (await import('../watch/watch-cli.ts')).runWatch,
  },
}

const HELP = ['help', '--help', '-h']

async function dispatch(argv: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = argv
  if (HELP.includes(name)) {
    console.log(usage())
    return 0
  }
  if (name === '--version' || name === '-v') {
    const { readVersion } = await import('../main/version-file.ts')
    console.log(readVersion())
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    const near = suggestion(name, Object.keys(COMMANDS))
    throw new GuardError(
      'config_invalid',
      `unknown command ${name}${near}${near === '' ? '. ' : ' '}Try checkstream help`,
    )
  }
  const run = await command.load()
  return run(rest)
}

function usage(): string {
  const names = Object.entries(COMMANDS)
  const width = Math.max(...names.map(([name]) => name.length))
  const lines = names.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'checkstream COMMAND [flags]',
    '',
    ...lines,
    '',
    'Flags: checkstream COMMAND --help',
  ].join('\n')
}

/** Exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv)
  } catch (error) {
    const { line, code } = toLine(error)
    console.error(line)
    return code
  }
}
