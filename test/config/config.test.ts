import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseDocumentText } from '../../src/config/document.ts'
import { readEnvironment, variableNames } from '../../src/config/env.ts'
import { loadBannedTokens, loadConfig } from '../../src/config/file.ts'
import { toFlagSettings } from '../../src/config/flags.ts'
import { toEffective } from '../../src/config/layers.ts'
import { printConfig } from '../../src/config/print.ts'
import { GuardError } from '../../src/model/errors.ts'
import { HOSTILE } from '../policy/hostile.ts'

const DATA = join(import.meta.dirname, '../data/config')
const load = (text: string, name = 'sidecar-config.yaml') =>
  toEffective({ file: parseDocumentText(text, name), environment: [], flags: [] })
function write(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'config-')), 'banned.json')
  writeFileSync(path, text)
  return path
}
function readBans(text: string) {
  const flags = toFlagSettings({ 'banned-tokens': write(text) })
  return loadBannedTokens(toEffective({ environment: [], flags }))
}
const none = { environment: [], flags: [] }

describe('loadConfig', () => {
  it('takes every parameter of the safe mode, none but the usual two by default', () => {
    const at = ['guardrails', 'preventive', 'adaptive_decoding', 'safe_mode']
    const told = { top_k: '40', min_p: '0.05', repetition_penalty: '1.1' }
    const flags = Object.entries(told).map(([key, text]) => ({
      path: [...at, key],
      text,
      from: '--set',
    }))
    const { adaptive_decoding } = loadConfig({ flags, env: {} }).config.guardrails.preventive
    const more = { top_k: 40, min_p: 0.05, repetition_penalty: 1.1 }
    expect(adaptive_decoding.safe_mode).toEqual({ temperature: 0.3, top_p: 0.6, ...more })
  })

  it('loads the sidecar document as written', () => {
    const { config, mode, origins } = loadConfig({
      file: join(DATA, 'sidecar-config.yaml'),
      flags: [],
      env: {},
    })
    expect(mode).toBe('sidecar')
    expect(config.vllm.socket).toBe('/shared/checkstream.sock')
    expect(config.guardrails.preventive.adaptive_decoding.safe_mode).toEqual({
      temperature: 0.3,
      top_p: 0.6,
    })
    expect(config.guardrails.reactive).toEqual({
      enabled: true,
      holdback_size: 8,
      check_interval: 10,
    })
    expect(config.classifiers.models).toContain('pii_detector')
    expect(origins.get('vllm.socket')?.place).toMatch(/sidecar-config\.yaml:2:3$/)
  })

  it('loads the proxy document as written', () => {
    const { config, mode } = loadConfig({ file: join(DATA, 'config.yaml'), flags: [], env: {} })
    expect(mode).toBe('proxy')
    expect(config.server.timeout).toBe(300_000)
    expect(config.backend.url).toBe('https://api.openai.com/v1')
    expect(config.guardrails.midstream.holdback_size).toBe(16)
    expect(config.guardrails.ingress.timeout_ms).toBe(8)
    expect(config.policies.reload_interval).toBe(30_000)
  })

  it('has a complete default without any file', () => {
    const { config, mode } = toEffective(none)
    expect(mode).toBe('sidecar')
    expect(config.policies.path).toBe('/etc/checkstream/policies')
    expect(config.guardrails.preventive.logit_masking.banned_tokens_file).toBe(
      '/etc/checkstream/banned_tokens.json',
    )
    expect(Object.isFrozen(config.guardrails.reactive)).toBe(true)
  })

  it('lets flags beat environment beat file beat default, and says where each came from', () => {
    const effective = loadConfig({
      file: join(DATA, 'config.yaml'),
      flags: toFlagSettings({ port: '9001', set: ['server.max_requests=7'] }),
      env: { BACKEND_URL: 'http://b', CHECKSTREAM_SERVER_PORT: '9000', POLICY_PATH: '/p' },
    })
    expect(effective.config.server.port).toBe(9001)
    expect(effective.config.server.max_requests).toBe(7)
    expect(effective.config.backend.url).toBe('http://b')
    expect(effective.origins.get('server.port')).toEqual({ kind: 'flag', place: '--port' })
    expect(effective.origins.get('policies.path')?.place).toBe('POLICY_PATH')
    expect(effective.origins.get('server.timeout')?.place).toMatch(/config\.yaml:3:3$/)
    expect(effective.origins.get('server.host')?.kind).toBe('default')
    expect(printConfig(effective)).toMatch(/server\.timeout: 5m +# file .*config\.yaml:3:3/)
    expect(printConfig(effective)).toMatch(/safe_mode\.top_k: none +# default/)
  })

  it.each([
    ['VLLM_SIDECAR_SOCKET', 'vllm.socket'],
    ['VLLM_SOCKET', 'vllm.socket'],
    ['POLICY_PATH', 'policies.path'],
    ['CHECKSTREAM_CACHE_PATH', 'cache.path'],
  ])('reads %s', (name, key) => {
    const { origins } = loadConfig({ flags: [], env: { [name]: '/somewhere' } })
    expect(origins.get(key)).toEqual({ kind: 'environment', place: name })
  })

  it('reads lists from the environment as comma-separated words', () => {
    const env = { CHECKSTREAM_GUARDRAILS_INGRESS_CLASSIFIERS: 'a, b' }
    const { config } = toEffective({ environment: readEnvironment(env).settings, flags: [] })
    expect(config.guardrails.ingress.classifiers).toEqual(['a', 'b'])
  })

  it('has a variable for every key, each only once', () => {
    const names = variableNames().map(([name]) => name)
    expect(new Set(names).size).toBe(names.length)
  })

  it('refuses a mistyped variable and ignores what Kubernetes puts there', () => {
    expect(() => readEnvironment({ CHECKSTREAM_SERVER_PROT: '1' })).toThrow(
      'CHECKSTREAM_SERVER_PROT: unknown variable; did you mean CHECKSTREAM_SERVER_PORT?',
    )
    const env = {
      CHECKSTREAM_SERVER_PORT: 'tcp://10.0.0.1:80',
      CHECKSTREAM_SERVICE_HOST: '10.0.0.1',
    }
    expect(readEnvironment(env)).toEqual({ settings: [], warnings: [] })
  })

  it('refuses a named file that is missing', () => {
    expect(() => loadConfig({ file: '/nowhere/x.yaml', flags: [], env: {} })).toThrow(
      '/nowhere/x.yaml: no such file',
    )
  })
})

describe('mistakes in the document', () => {
  const sample = readFileSync(join(DATA, 'sidecar-config.yaml'), 'utf8')

  it('names line, column, key and the nearest known key', () => {
    const text = sample.replace('  reactive:', '  reactve:')
    expect(() => load(text)).toThrow(
      'sidecar-config.yaml:21:3 guardrails.reactve: unknown key; did you mean reactive?',
    )
  })

  it.each([
    ['server:\n  port: many', 'c.yaml:2:3 server.port: expected number, got "many"'],
    ['server:\n  timeout: 5 parsecs', 'c.yaml:2:3 server.timeout: expected a duration such as'],
    ['server:\n  prot: 1', 'c.yaml:2:3 server.prot: unknown key; did you mean port?'],
    ['a: 1\na: 2', 'c.yaml:2:1 Map keys must be unique'],
    ['- 1', 'c.yaml:1:1 expected keys and values at the top'],
    ['a: [', 'c.yaml:1:5'],
    ['backend:\n  url: ftp://x', 'c.yaml:2:3 backend.url: expected http://'],
    ['vllm:\n  callbacks: [on_tea]', 'c.yaml:2:15 vllm.callbacks.0:'],
    ['server:', 'c.yaml:1:1 server: expected object, got null'],
  ])('refuses %j with the place', (text, message) => {
    expect(() => load(text, 'c.yaml')).toThrow(message)
  })

  it('says where a bad flag came from', () => {
    const flags = toFlagSettings({ port: '99999' })
    expect(() => toEffective({ environment: [], flags })).toThrow(
      '--port: server.port: expected number to be <=65535, got 99999',
    )
    expect(() => toFlagSettings({ set: ['server.prot=1'] })).toThrow('did you mean server.port?')
  })

  it('refuses alias bombs, deep nesting and files over 1 MiB quickly', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let i = 0; i < 8; i++) {
      const [name, last] = ['bcdefghi'[i] ?? '', 'abcdefgh'[i] ?? '']
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${last}`).join(',')}]`)
    }
    expect(() => load(bomb.join('\n'))).toThrow('alias')
    expect(() => load(`a: ${'['.repeat(100_000)}`)).toThrow('levels')
    expect(() => load(`${'- '.repeat(100_000)}`)).toThrow('levels')
    expect(() => load(`a: ${'x'.repeat(1024 * 1024)}`)).toThrow('at most 1048576 bytes')
  })
})

describe('a hostile document', () => {
  const hostile = Object.entries(HOSTILE)
  const told = (text: string): string => {
    try {
      load(text, 'c.yaml')
    } catch (error) {
      return error instanceof GuardError ? error.message : `not ours: ${String(error)}`
    }
    return 'loaded'
  }

  // A hang ends at vitest's own limit of five seconds.
  it.each(hostile)('of 1 MiB of one thing is refused with a few places: %s', (_, make) => {
    const lines = told(make(1024 * 1024)).split('\n')
    expect(lines.length).toBeLessThanOrEqual(20)
    for (const line of lines) expect(line).toMatch(/^c\.yaml:\d+:\d+ ./)
  })

  it.each([
    ['aliases', /^c\.yaml:4:\d+ a configuration file has at most 1000 aliases$/],
    ['anchors', /^c\.yaml:1004:5 a configuration file has at most 1000 anchors$/],
    ['unknownKeys', /^c\.yaml:17143:\d+ a configuration file has at most 120000 tokens$/],
    ['badEscapes', /^c\.yaml:1:8 Invalid escape sequence/],
    ['openers', /^c\.yaml:\d+:1 nested deeper than 64 levels$/],
  ])('names the bound that it passed: %s', (name, message) => {
    expect(told(HOSTILE[name]?.(1024 * 1024) ?? '')).toMatch(message)
  })

  it('tells twenty of thousands of unknown keys, the nearest known ones too', () => {
    const keys = Array.from({ length: 5_000 }, (_, i) => `servr${i}: 1`)
    const lines = told(['servr: 1', ...keys].join('\n')).split('\n')
    expect(lines[0]).toBe('c.yaml:1:1 servr: unknown key; did you mean server?')
    expect(lines).toHaveLength(20)
    expect(lines[19]).toMatch(/^c\.yaml:20:1 servr18: unknown key/)
  })
})

describe('loadBannedTokens', () => {
  it('takes strings, objects and token ids, and warns about ids', () => {
    const { bans, tokenIds, warnings } = readBans(
      '["guaranteed returns", {"text": "ass", "match": "substring", "folds": ["case"], "pending": "deny"}, 42, {"token": 7}]',
    )
    expect(bans.map((ban) => [ban.text, ban.match, ban.pending])).toEqual([
      ['guaranteed returns', 'word', 'allow'],
      ['ass', 'substring', 'deny'],
    ])
    expect(bans[0]?.folds).toEqual(['case', 'width', 'zero_width', 'confusables', 'marks'])
    expect(bans[1]?.place).toMatch(/banned\.json:1:24$/)
    expect(tokenIds).toEqual([42, 7])
    expect(warnings[0]).toMatch(/no guarantee/)
  })

  it.each([
    ['["a",\n  "b" "c"]', /banned\.json:2:7 /],
    ['["a"', /banned\.json:1:5 /],
    ['{"a": 1}', /banned\.json:1:1 expected a list/],
    ['["a",\n ""]', /banned\.json:2:2 an empty ban would forbid everything/],
    ['["  "]', /:1:2 a ban of white space alone/],
    ['["\\u200b\\u0301"]', /folds away to nothing/],
    ['[{"text": "a", "fold": []}]', /:1:2 fold: unknown key; did you mean folds\?/],
    ['[-1]', /:1:2 token: expected a whole number/],
    ['[null]', /:1:2 expected a string/],
  ])('refuses %j with line and column', (text, message) => {
    expect(() => readBans(text)).toThrow(message)
  })

  it('takes 50 000 entries in well under a second and no more', () => {
    const words = Array.from({ length: 50_000 }, (_, i) => `phrase ${i}`)
    const started = performance.now()
    expect(readBans(JSON.stringify(words)).bans).toHaveLength(50_000)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(() => readBans(JSON.stringify([...words, 'x']))).toThrow('at most 50000 entries')
  })

  it('does without the default file', () => {
    expect(loadBannedTokens(toEffective(none)).bans).toEqual([])
  })
})
