/** What npm start refuses, each as one clear line, and what the engine refuses before it serves. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { parseEngineArgs } from '../../src/engine/engine-cli.ts'
import { openModelFolder } from '../../src/engine/model-file.ts'
import { clearSocketPath } from '../../src/step/socket.ts'

const ROOT = join(import.meta.dirname, '../..')
// A busy machine may take long to start; nothing here measures time.
vi.setConfig({ testTimeout: 300_000 })

const MODEL = join(ROOT, 'models/demo-lm')
const folder = mkdtempSync(join(tmpdir(), 'checkstream-start-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a line of setup.mjs; gives what it printed. */
function setup(code: string, user: { readonly uid?: number } = {}): string {
  const script = `import * as setup from ${JSON.stringify(join(ROOT, 'scripts/setup.mjs'))}
try { ${code}; console.log('fine') } catch (error) { console.log(error.message) }`
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    ...user,
  }).trim()
}

const outputOf = async (command: string, args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(command, args)).stdout

describe('setup', () => {
  it.each([
    ['18.20.4', 'too old'],
    ['20.18.3', 'too old'],
    ['20.19.0', 'fine'],
    ['24.1.0', 'fine'],
  ])('judges Node %s: %s', (version, expected) => {
    expect(setup(`setup.checkNode('${version}')`)).toContain(expected)
  })

  it('names a lockfile that is missing', () => {
    const empty = JSON.stringify(folder)
    expect(setup(`await setup.ensureInstalled(${empty})`)).toMatch(/package-lock.json is missing/)
  })

  it('lets one of several commands set up at a time, and takes over from one that died', async () => {
    const root = mkdtempSync(join(folder, 'shared-'))
    const log = join(root, 'log')
    const died = spawnSync(process.execPath, ['-e', ''])
    writeFileSync(join(root, '.checkstream-setup'), String(died.pid))
    const script = `import { appendFileSync as log } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { alone } from ${JSON.stringify(join(ROOT, 'scripts/setup.mjs'))}
await alone(${JSON.stringify(root)}, console.log, async () => {
  log(${JSON.stringify(log)}, '(')
  await sleep(300)
  log(${JSON.stringify(log)}, ')')
})`
    const said = await Promise.all(
      [1, 2, 3].map(() => outputOf(process.execPath, ['--input-type=module', '-e', script])),
    )
    expect(readFileSync(log, 'utf8')).toBe('()()()')
    expect(said.filter((text) => text.includes('Waiting for another setup')).length).toBe(2)
    expect(readdirSync(root)).toEqual(['log'])
  })

  it('names a folder that it may not write to', () => {
    const root = join(folder, 'read-only')
    mkdirSync(join(root, 'src'), { recursive: true })
    writeFileSync(
      join(root, 'package-lock.json'),
      '{"packages": {"node_modules/a": {"version": "1"}}}',
    )
    for (const name of ['tsconfig.json', 'tsconfig.build.json']) writeFileSync(join(root, name), '')
    writeFileSync(join(root, 'src/a.ts'), '')
    chmodSync(root, 0o555)
    chmodSync(folder, 0o755)
    // Root may write anywhere: as root the child runs as nobody.
    const user = process.getuid?.() === 0 ? { uid: 65_534 } : {}
    const at = JSON.stringify(root)
    expect(setup(`await setup.ensureInstalled(${at})`, user)).toMatch(/read-only is not writable/)
    expect(setup(`await setup.ensureBuilt(${at})`, user)).toMatch(/read-only is not writable/)
    chmodSync(root, 0o755)
  })

  it('ends what it was running when it is told to stop', async () => {
    const script = `import { run } from ${JSON.stringify(join(ROOT, 'scripts/setup.mjs'))}
run(process.execPath, ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'], '/')
  .catch((error) => { console.log(error.message) })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    let out = ''
    child.stdout.on('data', (part: Buffer) => (out += part.toString()))
    await expect.poll(() => out, { timeout: 30_000 }).toMatch(/^\d+\n/)
    child.kill('SIGTERM')
    await ended(child)
    expect(out).toContain('stopped while')
    expect(() => process.kill(Number.parseInt(out, 10), 0)).toThrow(/ESRCH/)
  })

  it('finds packages that are missing or have another version', () => {
    const root = join(folder, 'packages')
    mkdirSync(join(root, 'node_modules/a'), { recursive: true })
    const packages = { '': {}, 'node_modules/a': { version: '1.0.0' } }
    const write = (path: string, value: object): void =>
      writeFileSync(join(root, path), JSON.stringify({ packages: value }))
    write('package-lock.json', { ...packages, 'node_modules/b': { version: '2.0.0' } })
    write('node_modules/.package-lock.json', packages)
    const lock = JSON.stringify(join(root, 'package-lock.json'))
    const code = `console.log(setup.missingPackages(${JSON.stringify(root)}, ${lock}))`
    expect(setup(code)).toContain("[ 'node_modules/b' ]")
  })
})

describe('scripts/start.mjs', () => {
  it.each([
    [['--engine', 'abacus'], '--engine: expected embedded or vllm, got abacus'],
    [['--port', '99999'], '--port: expected 1 to 65535, got 99999'],
    [['--policies', '/nowhere/at/all.yaml'], '/nowhere/at/all.yaml does not exist'],
    [['--colour', 'red'], "Unknown option '--colour'"],
  ])('refuses %j in one line', (args, message) => {
    const ran = spawnSync(process.execPath, ['scripts/start.mjs', ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(ran.status).toBe(1)
    expect(ran.stderr).toContain(message)
    expect(ran.stderr.trim().split('\n').length).toBe(1)
  })

  it.each([
    [[], 'no-model', /no-model: config\.json, .* not found; .* --engine vllm$/],
    [[], 'damaged', /damaged\/model\.safetensors: damaged \(SHA-256 differs from SHA256SUMS\)$/],
    [['--engine', 'vllm'], 'no-model', /no-model: there is no such folder$/],
    [['--engine', 'vllm'], 'file', /file: expected the folder of a model, got a file$/],
    [['--engine', 'vllm'], 'no-config', /no-config: config\.json not found/],
    [['--engine', 'vllm'], 'bad-config', /bad-config: config\.json: .*JSON/],
    [['--engine', 'vllm'], 'no-weights', /no-weights: no weights \(/],
  ])(
    'refuses with %j a model folder (%s) before anything is started',
    async (args, name, message) => {
      const at = mkdtempSync(join(folder, 'models-'))
      cpSync(MODEL, join(at, 'damaged'), { recursive: true })
      appendFileSync(join(at, 'damaged', 'model.safetensors'), 'x')
      writeFileSync(join(at, 'file'), '')
      for (const one of ['no-config', 'bad-config', 'no-weights']) mkdirSync(join(at, one))
      writeFileSync(join(at, 'bad-config', 'config.json'), '{"a": ')
      writeFileSync(join(at, 'no-weights', 'config.json'), '{}')
      const { temporary, child, output } = start([...args, '--model', join(at, name)])
      expect(await ended(child)).toBe(1)
      await expect.poll(() => output.err).toContain('\n')
      expect(output.err.trim().split('\n')).toEqual([expect.stringMatching(message)])
      expect(readdirSync(temporary)).toEqual([])
    },
  )

  it('refuses a folder for temporary files whose sockets would have too long a path', async () => {
    const long = join(folder, 'x'.repeat(100))
    mkdirSync(long)
    const ran = spawnSync(process.execPath, ['scripts/start.mjs'], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: long },
    })
    expect(ran.status).toBe(1)
    expect(ran.stderr).toMatch(
      /^checkstream: TMPDIR: \S+ is too long for Unix sockets: by \d+ bytes\n$/,
    )
    expect(readdirSync(long)).toEqual([])
  })

  it('refuses a policy with a mistake in one line, and leaves nothing', async () => {
    const policies = join(mkdtempSync(join(folder, 'policy-')), 'bad.yaml')
    writeFileSync(policies, 'name: x\nrulez: []\n')
    const { temporary, child, output } = start(['--policies', policies])
    expect(await ended(child)).toBe(1)
    await expect
      .poll(() => output.err)
      .toMatch(/^checkstream: \S+bad\.yaml:2:1 error: rulez: unknown key; did you mean rules\?\n$/)
    expect(readdirSync(temporary)).toEqual([])
    expect(processesOf(temporary)).toEqual([])
  })

  it('refuses an environment without vLLM, or with half of it, before anything is started', async () => {
    const none = mkdtempSync(join(folder, 'venv-'))
    const half = environment('echo vllm h2')
    for (const [venv, message] of [
      [none, /^checkstream: CHECKSTREAM_VLLM_VENV: .*bin\/python does not exist$/],
      [half, /^checkstream: .*bin\/python has no vllm, h2: install vLLM there$/],
    ] as const) {
      const { temporary, child, output } = start(['--engine', 'vllm'], undefined, venv)
      expect(await ended(child)).toBe(1)
      await expect.poll(() => output.err.trim()).toMatch(message)
      expect(readdirSync(temporary)).toEqual([])
    }
  })

  it('says why vLLM ended, keeps the logs of that run, and only those of the last', async () => {
    const said = `(Worker pid=7) ERROR 11-26 17:12:08 [executor.py:9] ${TRACEBACK}
(Worker pid=7) ERROR 11-26 17:12:08 [executor.py:9]   File "llama.py", line 5, in load_weights
(Worker pid=7) ERROR 11-26 17:12:08 [executor.py:9] OSError: no space for the weights
${TRACEBACK}
  File "core.py", line 2, in main
RuntimeError: Engine core initialization failed. See root cause above.`
    const venv = environment(`cat >&2 <<'END'\n${said}\nEND\nexit 3`)
    const { temporary, child, output } = start(
      ['--engine', 'vllm'],
      (at) => mkdirSync(join(at, 'checkstream-failed-before')),
      venv,
    )
    expect(await ended(child)).toBe(1)
    await expect.poll(() => output.err).toContain('Logs: ')
    const [line, around, logs, ...more] = output.err.trim().split('\n')
    expect(line).toBe(
      'checkstream: the engine ended (exit code 3): OSError: no space for the weights',
    )
    expect(around).toContain('line 5, in load_weights')
    expect(more).toEqual([])
    const [kept, ...others] = readdirSync(temporary)
    expect(logs).toBe(`Logs: ${join(temporary, kept ?? '')}`)
    expect(others).toEqual([])
    const names = readdirSync(join(temporary, kept ?? '')).toSorted()
    expect(names).toEqual(['banned.json', 'config.yaml', 'engine.log', 'sidecar.log'])
    expect(processesOf(temporary)).toEqual([])
  })

  it('takes another port when its own is taken, clears what a killed run left, and Ctrl-C ends all of it', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()))
    const { port } = taken.address() as AddressInfo
    const { temporary, child, output } = start(['--port', String(port)], (at) => {
      mkdirSync(join(at, 'checkstream-run-killed'))
      writeFileSync(join(at, 'checkstream-run-killed', 'pid'), '2147483646')
      writeFileSync(join(at, 'checkstream-run-killed', 'step.sock'), '')
    })
    await expect.poll(() => output.out, { timeout: 280_000 }).toContain('CheckStream is ready')
    expect(output.out).toContain(`Port ${port} is taken`)
    const page = await fetch(/playground\s+(\S+)/.exec(output.out)?.[1] ?? '')
    expect(await page.text()).toContain('CheckStream playground')
    expect(runsIn(temporary).length).toBe(1)
    expect(processesOf(temporary).length).toBe(2)
    child.kill('SIGINT')
    expect(await ended(child)).toBe(0)
    // Nothing of onnxruntime's either, which reports to its maker when nobody forbids it.
    expect(readdirSync(temporary)).toEqual([])
    expect(processesOf(temporary)).toEqual([])
    taken.close()
  })
})

const TRACEBACK = 'Traceback (most recent call last):'

/** A folder whose Python runs a line of shell, but finds every module when it is asked for them. */
function environment(line: string): string {
  const venv = mkdtempSync(join(folder, 'venv-'))
  mkdirSync(join(venv, 'bin'))
  const asked = line.startsWith('echo') ? line : 'true'
  const text = `#!/bin/sh\nif [ "$1" = -c ]; then ${asked}; exit 0; fi\n${line}\n`
  writeFileSync(join(venv, 'bin', 'python'), text, { mode: 0o755 })
  return venv
}

/** Runs start.mjs with a folder for temporary files of its own. */
function start(
  args: readonly string[],
  prepare: (temporary: string) => void = () => undefined,
  venv = environment('exit 9'),
) {
  const temporary = mkdtempSync(join(folder, 't-'))
  prepare(temporary)
  const child = spawn(process.execPath, ['scripts/start.mjs', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temporary, CHECKSTREAM_VLLM_VENV: venv },
  })
  const output = { out: '', err: '' }
  child.stdout.on('data', (part: Buffer) => (output.out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (output.err += part.toString()))
  return { temporary, child, output }
}

/** Folders of runs. */
const runsIn = (temporary: string): string[] =>
  readdirSync(temporary).filter((name) => name.startsWith('checkstream-run-'))

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('exit', resolve)
  })

/** Ids of the processes that name the folder on their command line. */
function processesOf(temporary: string): string[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return ids.filter((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(temporary)
    } catch {
      return false // ended meanwhile
    }
  })
}

describe('openModelFolder', () => {
  const copy = (name: string): string => {
    const path = join(folder, name)
    cpSync(MODEL, path, { recursive: true })
    return path
  }

  it('names every file that is missing', () => {
    expect(() => openModelFolder(join(folder, 'none'))).toThrow(/config.json, tokenizer.json/)
    const path = copy('no-weights')
    rmSync(join(path, 'model.safetensors'))
    expect(() => openModelFolder(path)).toThrow(/model.safetensors not found/)
  })

  it('finds one flipped bit in the weights', () => {
    const path = copy('flipped')
    const file = join(path, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 1
    writeFileSync(file, bytes)
    expect(() => openModelFolder(path)).toThrow(/model.safetensors: damaged/)
  })

  it('finds weights that are cut off, digests or not', () => {
    const path = copy('cut')
    const file = join(path, 'model.safetensors')
    writeFileSync(file, readFileSync(file).subarray(0, 1_000_000))
    rmSync(join(path, 'SHA256SUMS'))
    expect(() => openModelFolder(path)).toThrow(/damaged \(wanted \d+ bytes, got 1000000\)/)
  })
})

describe('the engine', () => {
  it('refuses flags that make no sense', () => {
    expect(() => parseEngineArgs([], {})).toThrow(/--uds is missing/)
    expect(() => parseEngineArgs(['--uds', 'a', '--threads', 'x'], {})).toThrow(/--threads/)
    const env = { CHECKSTREAM_ON_FAILURE: 'maybe' }
    expect(() => parseEngineArgs(['--uds', 'a'], env)).toThrow(/closed, open, resident, got maybe/)
  })

  it('takes over a stale socket and nothing else', async () => {
    const path = join(folder, 'file.sock')
    writeFileSync(path, 'precious')
    await expect(clearSocketPath(path)).rejects.toThrow(/regular file is in the way/)
    const busy = join(folder, 'busy.sock')
    const server = createServer().listen(busy)
    await new Promise((resolve) => {
      server.once('listening', resolve)
    })
    await expect(clearSocketPath(busy)).rejects.toThrow(/another process listens/)
    server.close()
  })
})
