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
