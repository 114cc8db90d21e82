/** `checkstream doctor` as it is typed, beside a running sidecar with something wrong: one ✗ each. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { runDoctorCommand } from '../../src/cli/doctor-cli.ts'
import { loadConfig } from '../../src/config/file.ts'
import { startSidecar } from '../../src/main.ts'
import type { Sidecar } from '../../src/main.ts'
import { createProgramKit } from '../../src/main/rows/program-kit.ts'
import { startFakeEngine } from '../main/fake-engine.ts'
import type { FakeEngine } from '../main/fake-engine.ts'
import { siteFlags } from '../main/site.ts'
import { completionOf, json, temp } from '../proxy/upstream.ts'
import { TestEngine } from '../step/client.ts'
import { byteVocabulary, hello, vocabularyChunk } from '../step/fakes.ts'

const PLUGIN = join(import.meta.dirname, '../../plugin/checkstream_vllm')
const POLICY = `name: words
rules:
  - name: no-zebra
    trigger: { type: keywords, any: [zebra] }
    actions: [{ type: ban }]
`
const SLOW = { timeout: 20_000 }
vi.setConfig({ testTimeout: 60_000 })

const open: (() => Promise<void> | void)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of open.splice(0).toReversed()) await close()
})

type Stage = {
  readonly sidecar: Sidecar
  readonly engine: FakeEngine
  readonly socket: string
  readonly policy: string
  readonly tenantsFile: string
  readonly flags: readonly string[]
}

async function stage(tenants?: string): Promise<Stage> {
  const engine = await startFakeEngine((response) => json(response, completionOf('hello')))
  open.push(() => engine.upstream.close())
  const socket = temp('checkstream.sock')
  const policies = join(dirname(socket), 'policies')
  mkdirSync(policies)
  const policy = join(policies, 'words.yaml')
  writeFileSync(policy, POLICY)
  const banned = join(dirname(socket), 'banned.json')
  writeFileSync(banned, '[]')
  const tenantsFile = join(dirname(socket), 'tenants.yaml')
  if (tenants !== undefined) writeFileSync(tenantsFile, tenants)
  const config = loadConfig({
    env: {},
    flags: siteFlags({
      'vllm.socket': socket,
      'backend.url': engine.upstream.url,
      'policies.path': policies,
      'guardrails.preventive.logit_masking.banned_tokens_file': banned,
      ...(tenants === undefined ? {} : { 'policies.tenants_file': tenantsFile }),
    }),
  })
  const kit = createProgramKit({})
  open.push(() => kit.close())
  const sidecar = await startSidecar(config, kit)
  open.push(() => sidecar.stop())
  const flags = ['--url', sidecar.url, '--socket', socket, '--backend', engine.upstream.url]
  const more = ['--banned-tokens', banned]
  return { sidecar, engine, socket, policy, tenantsFile, flags: [...flags, ...more] }
}

type Says = {
  readonly hello?: Readonly<Record<string, unknown>>
  readonly vocabulary?: Readonly<Record<string, unknown>>
  /** What it says of a program that it is told to hold; undefined: nothing. */
  readonly status?: (digest: Buffer) => Readonly<Record<string, unknown>> | undefined
}

/** An engine's worker: says what the plugin says, or something that is wrong in one place. */
function attach(socket: string, says: Says = {}): TestEngine {
  const client = new TestEngine(socket)
  open.push(() => client.close())
  const status = says.status ?? ((digest) => ({ digest, ready: true, error: '' }))
  client.stream.on('data', (message: Received) => {
    if (message.welcome?.needVocabulary === true) client.send(vocabularyChunk(says.vocabulary))
    for (const digest of message.bindings?.livePrograms ?? []) {
      const programStatus = status(digest)
      if (programStatus !== undefined) client.send({ programStatus })
    }
  })
  client.send(hello(says.hello))
  return client
}
type Received = {
  readonly welcome?: { readonly needVocabulary: boolean }
  readonly bindings?: { readonly livePrograms: readonly Buffer[] }
}

async function doctor(flags: readonly string[]) {
  let text = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part)
    return true
  })
  const code = await runDoctorCommand(flags).finally(() => write.mockRestore())
  const lines = text.trimEnd().split('\n')
  return { code, lines, wrong: lines.filter((line) => line.startsWith('✗')) }
}

/** What doctor says when one thing is wrong: its ✗ line, and the advice under it. */
async function onlyWrong(flags: readonly string[], name: string): Promise<string> {
  const { code, lines, wrong } = await doctor(flags)
  expect(code).toBe(1)
  expect(wrong).toEqual([expect.stringMatching(new RegExp(`^✗ ${name} `))])
  const advice = lines[lines.indexOf(wrong[0] ?? '') + 1]
  expect(advice).toMatch(/^ +→ ./)
  return `${wrong[0]} ${advice?.trim()}`
}

const isReady = (sidecar: Sidecar) => expect.poll(() => sidecar.readiness().ready, SLOW).toBe(true)

describe('checkstream doctor', () => {
  it('has nothing to say when all is well', async () => {
    const { sidecar, socket, flags } = await stage()
    attach(socket)
    await isReady(sidecar)
    const { code, lines } = await doctor(flags)
    expect(lines.map((line) => line[0])).toEqual(lines.map(() => '✓'))
    expect(lines).toHaveLength(10)
    expect(code).toBe(0)
  })

  it('vLLM is down', async () => {
    const { engine, flags } = await stage()
    await engine.upstream.close()
    expect(await onlyWrong(flags, 'vLLM')).toMatch(/does not answer: .*ENOENT.*start vLLM/)
  })

  it('the sidecar is down, and its socket with it', async () => {
    const { sidecar, flags } = await stage()
    await sidecar.stop()
    expect(await onlyWrong(flags, 'sidecar')).toMatch(/does not answer.*ECONNREFUSED.*start it/)
  })

  it('the socket is missing where the configuration says that it is', async () => {
    const { flags, socket } = await stage()
    rmSync(socket)
    expect(await onlyWrong(flags, 'socket')).toMatch(/there is no such file.*VLLM_SIDECAR_SOCKET/)
  })

  it('vLLM runs without the plugin', async () => {
    const { flags } = await stage()
    expect(await onlyWrong(flags, 'plugin')).toMatch(/no engine is attached.*--logits-processors/)
  })

  it('the plugin speaks another version of the protocol', async () => {
    const { flags, socket } = await stage()
    expect((await attach(socket, { hello: { protocolMajor: 2 } }).end()).code).toBe(9)
    expect(await onlyWrong(flags, 'plugin')).toMatch(
      /this sidecar speaks version 1, the engine version 2.*install the plugin of the sidecar's/,
    )
    attach(socket)
    await expect.poll(async () => (await doctor(flags)).code, SLOW).toBe(0)
  })

  it('the vocabulary is not the one of its digest', async () => {
    const { flags, socket } = await stage()
    const data = byteVocabulary().data.map((byte) => (byte === 65 ? 66 : byte))
    await attach(socket, { vocabulary: { data } }).end()
    expect(await onlyWrong(flags, 'plugin')).toMatch(/test\/1\/dp0 was turned away: .*digest/)
  })

  it('the engine holds no program of the policy in force', async () => {
    const { flags, socket } = await stage()
    attach(socket, { status: () => undefined })
    expect(await onlyWrong(flags, 'programs')).toMatch(
      /does not hold [0-9a-f]{12}, .*; it holds none → .*restart vLLM/,
    )
  })

  it('the engine refused a program', async () => {
    const { flags, socket } = await stage()
    attach(socket, { status: (digest) => ({ digest, ready: false, error: 'no base' }) })
    expect(await onlyWrong(flags, 'programs')).toMatch(/refused [0-9a-f]{12}: no base → /)
  })

  it('the policy on disk is not the one in force', async () => {
    const { flags, socket, policy, sidecar } = await stage()
    attach(socket)
    await isReady(sidecar)
    writeFileSync(policy, 'name: words\nrulez: []\n')
    await sidecar.reload()
    expect(await onlyWrong(flags, 'policies')).toMatch(/words\.yaml:2:1.*rulez.*policy check/)
  })

  it('the policy asks a classifier that no model answers for', async () => {
    const { flags, socket, policy, sidecar } = await stage()
    attach(socket)
    await isReady(sidecar)
    const asks = '{ type: classifier, classifier: risk, threshold: 0.9 }'
    const rule = `  - { name: risky, trigger: ${asks}, actions: [{ type: stop }] }\n`
    writeFileSync(policy, POLICY + rule)
    await sidecar.reload()
    const { code, lines } = await doctor(flags)
    expect(code).toBe(0)
    expect(lines.find((line) => line.startsWith('! policies'))).toMatch(
      /in force, but .*words\.yaml:6:\d+ warning: rule risky: no model answers for risk here/,
    )
    writeFileSync(policy, POLICY)
    await sidecar.reload()
    expect((await doctor(flags)).lines.map((line) => line[0])).not.toContain('!')
  })

  it('the tenants on disk are not those in force', async () => {
    const good = 'unknown: refuse\ntenants:\n  retail: { policy: words, api_keys: [KEY] }\n'
    const keyed = good.replace('KEY', `"sha256:${'0'.repeat(64)}"`)
    const { flags, socket, policy, tenantsFile, sidecar } = await stage(keyed)
    attach(socket)
    await isReady(sidecar)
    writeFileSync(tenantsFile, keyed.replace('policy: words', 'policy: wrds'))
    await sidecar.reload()
    expect(await onlyWrong(flags, 'tenants')).toMatch(
      /last good tenants are in force.*tenants\.yaml:3:\d+ .*wrds.*words.* → put policies\.tenants_file right/,
    )
    writeFileSync(policy, 'name: words\nrulez: []\n')
    await sidecar.reload()
    expect((await doctor(flags)).wrong.map((line) => line.split(/ +/)[1])).toEqual([
      'policies',
      'tenants',
    ])
    writeFileSync(policy, POLICY)
    writeFileSync(tenantsFile, keyed)
    await sidecar.reload()
    expect((await doctor(flags)).code).toBe(0)
  })

  it('masks do not bind', async () => {
    const { flags, socket, engine, sidecar } = await stage()
    attach(socket)
    await isReady(sidecar)
    engine.binds = false
    expect(await onlyWrong(flags, 'canary')).toMatch(/--logits-processors/)
  })
})

const hasPython = (): boolean => {
  try {
    return execFileSync('python3', ['-c', 'print(1)'], { encoding: 'utf8' }) === '1\n'
  } catch {
    return false
  }
}

describe('checkstream doctor --python', () => {
  const flags = ['--python', 'python3', '--socket', '/nowhere.sock', '--url', 'http://127.0.0.1:9']
  const python = async (more: readonly string[] = flags) => (await doctor(more)).lines[0]

  it('names a Python that cannot be run', async () => {
    expect(await python(['--python', '/nowhere/python', ...flags.slice(2)])).toMatch(
      /^✗ python +\/nowhere\/python: .*ENOENT$/,
    )
  })

  it.skipIf(!hasPython())('looks for the plugin there, and what it speaks', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'checkstream-doctor-'))
    open.push(() => rmSync(folder, { recursive: true }))
    vi.stubEnv('PYTHONPATH', folder)
    expect(await python()).toMatch(/^✗ python +python3 has no checkstream_vllm, the plugin$/)
    cpSync(PLUGIN, join(folder, 'checkstream_vllm'), { recursive: true })
    for (const name of ['vllm', 'h2', 'numpy', 'google/protobuf']) {
      mkdirSync(join(folder, name), { recursive: true })
    }
    expect(await python()).toMatch(/^✓ python +python3 has plugin /)
    writeFileSync(join(folder, 'checkstream_vllm', 'wire.py'), 'MAJOR, MINOR = 7, 0\n')
    expect(await python()).toMatch(/of step protocol 7, this sidecar speaks 1$/)
  })
})
