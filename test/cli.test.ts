import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const run = (...argv: string[]) => {
  const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
  const done = spawnSync(process.execPath, [tsx, join(ROOT, 'src/cli.ts'), ...argv], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  })
  return { code: done.status, out: done.stdout, error: done.stderr.trim() }
}

describe('checkstream', () => {
  it('lists its commands', () => {
    expect(run('help').out).toMatch(/config +print the effective configuration/)
    expect(run('--version').out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([
    [['confg'], 'unknown command confg; did you mean config? Try checkstream help'],
    [['config', '--prot', '1'], 'unknown flag --prot; did you mean --port?'],
    [['config', '--set', 'server.prot=1'], '--set server.prot: unknown key'],
    [['config', '--config', '/nowhere.yaml'], '/nowhere.yaml: no such file'],
    [['config', 'extra'], 'unexpected argument extra'],
    [['watch', '--nope'], "Unknown option '--nope'"],
  ])('answers %j with one clear line and exit code 2', (argv, message) => {
    const { code, error } = run(...argv)
    expect(error.split('\n')).toHaveLength(1)
    expect(error).toContain(message)
    expect(code).toBe(2)
  })

  it('prints the effective configuration with origins', () => {
    const { out, code } = run(
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
    const { values } = JSON.parse(run('config', '--json').out) as { values: object }
    expect(values).toHaveProperty(['server.port', 'from'], 'default')
  })
})
