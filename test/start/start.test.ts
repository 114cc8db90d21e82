/** What npm start refuses, each as one clear line, and what the engine refuses before it serves. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseEngineArgs } from '../../src/engine/engine-cli.ts'
import { openModelFolder } from '../../src/engine/model-file.ts'
import { clearSocketPath } from '../../src/step/socket.ts'

const ROOT = join(import.meta.dirname, '../..')
const MODEL = join(ROOT, 'models/demo-lm')
const folder = mkdtempSync(join(tmpdir(), 'checkstream-start-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a line of setup.mjs; gives what it printed. */
function setup(code: string): string {
  const script = `import * as setup from ${JSON.stringify(join(ROOT, 'scripts/setup.mjs'))}
try { ${code}; console.log('fine') } catch (error) { console.log(error.message) }`
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  }).trim()
}

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
})

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
