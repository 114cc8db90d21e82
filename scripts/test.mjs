// npm test: sets up what is missing on the Node and the Python side, runs everything that needs no
// GPU and no torch, and ends with one line of totals.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, Refusal, ROOT, run } from './setup.mjs'

const VENV = join(ROOT, '.venv')
const PYTHON = join(VENV, 'bin', 'python')
// What the torch-free part of the plugin and its tests import, and the clients of test/e2e.
const PACKAGES = [
  'anthropic>=0.50',
  'grpcio>=1.66',
  'h2>=4.1',
  'numpy>=1.26',
  'openai>=1.60',
  'protobuf>=5',
  'pytest>=8',
  'pyyaml>=6',
]
const LEAST_PYTHON = '3.11'

/** A virtual environment of the project; made again when the list of packages changes. */
async function ensurePython() {
  const stamp = join(VENV, '.packages')
  const wanted = createHash('sha256').update(PACKAGES.join('\n')).digest('hex')
  if (existsSync(PYTHON) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  const python = ['python3.13', 'python3.12', 'python3.11', 'python3'].find(isRecent)
  if (python === undefined)
    throw new Refusal(`Python ${LEAST_PYTHON} or newer is needed for the plugin's tests`)
  console.log('Setting up Python …')
  if ((await run(python, ['-m', 'venv', VENV], ROOT)) !== 0)
    throw new Refusal(`${python} -m venv failed`)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]
  if ((await run(PYTHON, pip, ROOT)) !== 0)
    throw new Refusal('pip install failed; its message is above')
  writeFileSync(stamp, wanted)
}

function isRecent(python) {
  const test = `import sys; sys.exit(sys.version_info < (${LEAST_PYTHON.replace('.', ', ')}))`
  return spawnSync(python, ['-c', test]).status === 0
}

/** Runs a test runner with its report in a file; gives the totals of that report. */
function runTests(command, args, cwd, env, totals) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' })
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      done({ passed: 0, failed: 1, skipped: 0 })
    })
    child.on('exit', (code) => {
      const counted = totals()
      // A runner that failed without a failed test (a file that cannot be loaded) counts as one.
      const silent = code !== 0 && counted.failed === 0 ? 1 : 0
      done({ ...counted, failed: counted.failed + silent })
    })
  })
}

function vitest(folder, filters) {
  const report = join(folder, 'vitest.json')
  const bin = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  return runTests(process.execPath, [bin, 'run', ...reporters, ...filters], ROOT, {}, () => {
    if (!existsSync(report)) return { passed: 0, failed: 0, skipped: 0 }
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    return {
      passed: numPassedTests,
      failed: numFailedTests,
      skipped: numPendingTests + numTodoTests,
    }
  })
}

function pytest(folder) {
  const plugin = join(ROOT, 'plugin')
  if (!existsSync(join(plugin, 'tests'))) return { passed: 0, failed: 0, skipped: 0 }
  const report = join(folder, 'pytest.xml')
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', `--junitxml=${report}`, 'tests']
  const env = { PYTHONPATH: plugin, PYTHONDONTWRITEBYTECODE: '1' }
  return runTests(PYTHON, args, plugin, env, () => {
    if (!existsSync(report)) return { passed: 0, failed: 0, skipped: 0 }
    const text = readFileSync(report, 'utf8')
    const of = (name) =>
      Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(text)?.[1] ?? 0)
    const failed = of('failures') + of('errors')
    return { passed: of('tests') - failed - of('skipped'), failed, skipped: of('skipped') }
  })
}

async function main(filters) {
  checkNode()
  await ensureInstalled()
  await ensureBuilt()
  // With filters (npm test -- NAME) only the Node tests that match are run.
  const isAll = filters.length === 0
  if (isAll) await ensurePython()
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-test-'))
  try {
    const node = await vitest(folder, filters)
    const python = isAll ? await pytest(folder) : { passed: 0, failed: 0, skipped: 0 }
    const sum = (key) => node[key] + python[key]
    console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
    return sum('failed') === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`checkstream: ${error.message}`)
  process.exitCode = 1
}
