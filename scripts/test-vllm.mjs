// `npm run test:vllm`: the plugin inside a real vLLM (CPU build), with a real sidecar.
//
// Installs vLLM into .venv-vllm on first use (about 6 GB); CHECKSTREAM_VLLM_VENV names one that
// exists. Arguments choose suites: node scripts/test-vllm.mjs v1 e2e. `--gpu` uses the vLLM of a
// machine with a GPU; `--record` writes the p values of adapt to test/bench/record. Prints one line per
// case and ends with: N passed, N failed, N skipped
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { ensureBuilt, ensureInstalled } from './setup.mjs'
import { givenFolder, installVllm, uvInstall } from './vllm-env.mjs'

const LIMIT_MS = 15 * 60_000

const root = resolve(import.meta.dirname, '..')
const folder = join(root, 'test/vllm')
const gpu = process.argv.includes('--gpu')
const isRecorded = process.argv.includes('--record')
const chosen = process.argv.slice(2).filter((name) => !name.startsWith('-'))
const V2 = { CHECKSTREAM_TEST_V2: '1' }
const ASYNC = { CHECKSTREAM_TEST_ASYNC: '1' }

const SUITES = [
  { name: 'plugin', args: ['-m', 'pytest', '-q', join(root, 'plugin/tests')], pytest: true },
  { name: 'v1', args: ['in_process.py', 'v1'] },
  { name: 'async', args: ['in_process.py', 'async'], env: gpu ? {} : ASYNC },
  { name: 'v2', args: ['in_process.py', 'v2'], env: gpu ? {} : V2 },
  { name: 'spec', args: ['in_process.py', 'spec'], env: gpu ? {} : V2 },
  { name: 'matches', args: ['matches.py', 'v1'] },
  { name: 'matches', args: ['matches.py', 'v2'], env: gpu ? {} : V2 },
  { name: 'adapt', args: ['adapt.py', ...(isRecorded ? ['record'] : [])] },
  { name: 'adapt', args: ['adapt.py', 'v2'], env: gpu ? {} : V2 },
  { name: 'tools', args: ['tools.py'] },
  { name: 'probe', args: ['probe.py', ...(isRecorded ? ['record'] : [])] },
  { name: 'probe', args: ['probe.py', 'v2'], env: gpu ? {} : V2 },
  { name: 'tp', args: ['tensor_parallel.py'] },
  { name: 'e2e', args: ['end_to_end.py'] },
  { name: 'start', args: ['start.py'] },
]

const unknown = chosen.filter((name) => !SUITES.some((suite) => suite.name === name))
if (unknown.length > 0) {
  const names = [...new Set(SUITES.map(({ name }) => name))].join(', ')
  console.error(`no suite is called ${unknown.join(' or ')}; there are ${names}`)
  process.exit(1)
}

const totals = { passed: 0, failed: 0, skipped: 0 }

function count(status, name, note = '', seconds) {
  totals[status]++
  const took = seconds === undefined ? '' : ` (${seconds} s)`
  console.log(`${status.padEnd(7)} ${name}${took}${note === '' ? '' : `: ${note}`}`)
}

function must(command, args) {
  const done = spawnSync(command, args, { stdio: 'inherit', cwd: root })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}

/** A virtual environment of the user's, or ours; the plugin is installed only into ours. */
async function prepare() {
  const given = givenFolder()
  if (given !== undefined) return join(given, 'bin/python')
  if (gpu) return 'python3'
  const found = await installVllm()
  must(found, [...uvInstall(found), '--quiet', './plugin'])
  return found
}

const hasModule = (python, name) =>
  spawnSync(python, ['-c', `import ${name}`], { stdio: 'ignore' }).status === 0

/** Runs one suite; its cases print JSON lines, everything else is kept for a failure. */
async function run(python, { name, args, env = {}, pytest = false }) {
  const paths = [join(root, 'plugin'), folder, process.env['PYTHONPATH'] ?? ''].filter(Boolean)
  const child = spawn(python, args, {
    cwd: pytest ? join(root, 'plugin') : folder,
    env: { ...process.env, ...env, PYTHONPATH: paths.join(delimiter) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  const before = totals.passed + totals.failed + totals.skipped
  const log = []
  const keep = (line) => {
    log.push(line)
    if (log.length > 60) log.shift()
  }
  createInterface({ input: child.stderr }).on('line', keep)
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{"case"')) return keep(line)
    const { case: title, status, note, seconds } = JSON.parse(line)
    count(status, title, note, seconds)
  })
  const code = await new Promise((done) => child.on('close', (status) => done(status)))
  clearTimeout(timer)
  if (pytest) return countPytest(log, code)
  const ran = totals.passed + totals.failed + totals.skipped - before
  if (code !== 0 || ran === 0) {
    console.log(log.join('\n'))
    count('failed', `${name}: ended with ${code} after ${ran} cases`)
  }
}

function countPytest(log, code) {
  const last = log.findLast((line) => /\d+ (passed|failed|skipped|error)/.test(line)) ?? ''
  const number = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(last)?.[1] ?? 0)
  totals.passed += number('passed')
  totals.skipped += number('skipped')
  totals.failed += number('failed') + number('error')
  if (code !== 0) console.log(log.join('\n'))
  if (code !== 0 && number('failed') + number('error') === 0) totals.failed++
  console.log(`plugin  unit tests: ${last}`)
}

const python = await prepare()
const model = process.env['CHECKSTREAM_TEST_MODEL'] ?? join(root, 'models/demo-lm')
await ensureInstalled()
await ensureBuilt()
for (const suite of SUITES) {
  if (chosen.length > 0 && !chosen.includes(suite.name)) continue
  if (gpu && suite.name === 'tp') count('skipped', 'tp', 'needs two GPUs')
  else if (suite.pytest && !hasModule(python, 'pytest')) {
    count('skipped', 'plugin unit tests', 'pytest is not in the virtual environment')
  } else if (!suite.pytest && !existsSync(join(model, 'config.json'))) {
    count('skipped', suite.name, `no model in ${model}`)
  } else await run(python, suite)
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(totals.failed === 0 ? 0 : 1)
