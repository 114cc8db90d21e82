import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { runCli } from '../src/cli/commands.ts'

afterEach(() => vi.restoreAllMocks())

async function run(...argv: string[]) {
  const out = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const error = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const code = await runCli(argv)
  const text = (calls: readonly unknown[][]) => calls.map((call) => String(call[0])).join('\n')
  const said = { code, out: text(out.mock.calls), error: text(error.mock.calls) }
  vi.restoreAllMocks()
  return said
}

describe('checkstream', () => {
  it('lists its commands', async () => {
    expect((await run('help')).out).toMatch(/config +print the effective configuration/)
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it.each([
    [['confg'], 'unknown command confg; did you mean config? Try checkstream help'],
    [['config', '--prot', '1'], 'unknown flag --prot; did you mean --port?'],
    [['config', '--set', 'server.prot=1'], '--set server.prot: unknown key'],
    [['config', '--config', '/nowhere.yaml'], '/nowhere.yaml: no such file'],
    [['config', 'extra'], 'unexpected argument extra'],
    [['watch', '--nope'], "Unknown option '--nope'"],
  ])('answers %j with one clear line and exit code 2', async (argv, message) => {
    const { code, error } = await run(...argv)
    expect(error.split('\n')).toHaveLength(1)
    expect(error).toContain(message)
    expect(code).toBe(2)
  })

  it('prints the effective configuration with origins', async () => {
    const { out, code } = await run(
      'config',
      '--port',
      '9000',
      '--config',
      'test/data/config/config.yaml',
    )
    expect(code).toBe(0)
    expect(out).toMatch(/^# mode in force: proxy$/m)
    expect(out).toMatch(/^server\.port: 9000 +# flag --port$/m)
    expect(out).toMatch(/^server\.timeout: 5m +# file test\/data\/config\/config\.yaml:3:3$/m)
    const { values } = JSON.parse((await run('config', '--json')).out) as { values: object }
    expect(values).toHaveProperty(['server.port', 'from'], 'default')
  })
})

describe('checkstream config --check', () => {
  const POLICY = `name: words
rules:
  - { name: zebra, trigger: { type: keywords, any: [zebra] }, actions: [{ type: notify, to: soc }] }
`
  const TENANTS = 'tenants:\n  retail:\n    policy: words\n'
  const NOTICES = 'destinations:\n  soc: { url: https://hooks.example.com/c }\n'

  /** A site with these files; the real command. */
  async function check(files: { policy?: string; tenants?: string; notices?: string }) {
    const folder = mkdtempSync(join(tmpdir(), 'checkstream-check-'))
    mkdirSync(join(folder, 'policies'))
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
    write('policies/words.yaml', files.policy ?? POLICY)
    write('tenants.yaml', files.tenants ?? TENANTS)
    write('notices.yaml', files.notices ?? NOTICES)
    write('banned.json', '["guaranteed returns"]')
    write(
      'site.yaml',
      [
        `policies: { path: ${folder}/policies, tenants_file: ${folder}/tenants.yaml }`,
        `telemetry: { notices_file: ${folder}/notices.yaml }`,
      ].join('\n'),
    )
    const banned = ['--banned-tokens', join(folder, 'banned.json')]
    return run('config', '--check', '--config', join(folder, 'site.yaml'), ...banned)
  }

  it('reads everything that serve would, and says what there is', async () => {
    const { code, out, error } = await check({})
    expect(error).toBe('')
    expect(out).toBe('good: 1 policies (words), 1 tenants, 0 warnings')
    expect(code).toBe(0)
  })

  it('tells what is doubtful, and is good all the same', async () => {
    const { code, error } = await check({ notices: 'destinations: {}\n' })
    expect(error).toMatch(/words\.yaml:3:\d+ warning: .* no destination is called soc/)
    expect(code).toBe(0)
  })

  it.each([
    [
      { policy: POLICY.replace('keywords', 'keywrds') },
      /words\.yaml:3:\d+ error: .*did you mean keywords\?/,
    ],
    [
      { tenants: TENANTS.replace('words', 'wrds') },
      /tenants\.yaml:3:5 tenants\.retail\.policy: no policy is called wrds; did you mean words\?/,
    ],
    [
      { notices: 'destinatons: {}\n' },
      /notices\.yaml:1:1 destinatons: unknown key; did you mean destinations\?/,
    ],
  ])('names a mistake with its place: %#', async (files, message) => {
    const { code, error } = await check(files)
    expect(error).toMatch(message)
    expect(code).toBe(2)
  })
})
