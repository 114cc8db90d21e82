import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runCli } from '../../src/cli/commands.ts'
import { runPolicy } from '../../src/policy/command/cli.ts'
import { calibrated } from './findings.ts'

const GOOD = `name: p
rules:
  - name: r
    trigger: {type: keywords, any: [forbidden]}
    actions: [{type: stop, message: no}]
    tests:
      - {text: a forbidden word, fires: true}
      - {text: FORBIDDEN, fires: true}
      - {text: allowed, fires: false}
      - {text: forbiddenly, fires: false}
`
let folder = ''
let printed = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkstream-cli-'))
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})
const write = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Runs it with a terminal on both sides, in which these lines are typed, each when it is asked for. */
async function inTerminal(lines: readonly string[], run: () => Promise<number>): Promise<void> {
  const typed = Object.assign(new PassThrough(), { isTTY: true })
  const before = [process.stdin, process.stdout.isTTY] as const
  Object.defineProperty(process, 'stdin', { value: typed, configurable: true })
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true })
  const left = [...lines]
  const typing = setInterval(() => {
    if (printed.split('?').length > lines.length - left.length + 1) {
      typed.write(`${left.shift() ?? ''}\n`)
    }
  }, 5)
  try {
    expect(await run()).toBe(0)
  } finally {
    clearInterval(typing)
    Object.defineProperty(process, 'stdin', { value: before[0], configurable: true })
    Object.defineProperty(process.stdout, 'isTTY', { value: before[1], configurable: true })
  }
}

describe('checkstream policy', () => {
  it('check names every mistake with its place, and as SARIF', async () => {
    const bad = write('bad.yaml', GOOD.replace('stop', 'stpo'))
    expect(await runPolicy(['check', bad])).toBe(1)
    expect(printed).toMatch(/bad\.yaml:5:\d+ error: .*did you mean stop\?/)
    printed = ''
    await runPolicy(['check', bad, '--format', 'sarif'])
    const sarif = JSON.parse(printed) as { runs: { results: { locations: unknown[] }[] }[] }
    expect(sarif.runs[0]?.results[0]).toMatchObject({ level: 'error', ruleId: 'schema' })
    printed = ''
    await runCli(['policy', 'check', bad, '--format', 'sarif'])
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(JSON.parse(printed)).toMatchObject({
      version: '2.1.0',
      runs: [{ tool: { driver: { name: 'checkstream policy', version } } }],
    })
    printed = ''
    expect(await runPolicy(['check', bad, '--format', 'junit'])).toBe(1)
    expect(printed).toMatch(/<testsuite [^>]*failures="1"[^]*bad\.yaml[^]*did you mean stop\?/)
  })

  it('check refuses a phrase that cannot be looked for', async () => {
    const bad = write('bad.yaml', GOOD.replace('any: [forbidden]', "any: [' ']"))
    expect(await runPolicy(['check', bad])).toBe(1)
    expect(printed).toMatch(/bad\.yaml:3:\d+ error: .*white space/)
  })

  it('test runs the tests, shows that rules can fire, and writes JUnit', async () => {
    const good = write('good.yaml', GOOD)
    expect(await runPolicy(['test', good])).toBe(0)
    expect(printed).toContain('4 of 4 tests passed; 1 of 1 rules shown to fire (100 %)')
    const wrong = write(
      'good.yaml',
      GOOD.replace('text: allowed, fires: false', 'text: allowed, fires: true'),
    )
    const out = join(folder, 'junit.xml')
    expect(await runPolicy(['test', wrong, '--format', 'junit', '--out', out])).toBe(1)
    expect(readFileSync(out, 'utf8')).toMatch(/tests="4" failures="1"[^]*did not fire/)
  })

  it('calls a test without a name or text by what it states', async () => {
    const stated = write(
      'stated.yaml',
      `name: s
rules:
  - name: r
    trigger: {type: tool, name: pay}
    actions: [{type: block_tool_call}]
    tests:
      - {tool: {name: pay, arguments: {to: a}}, fires: true}
      - {context: {tenant: a}, fires: false}
      - {fires: false}
`,
    )
    const out = join(folder, 'names.xml')
    expect(await runPolicy(['test', stated, '--format', 'junit', '--out', out])).toBe(0)
    const names = [...readFileSync(out, 'utf8').matchAll(/ name="(r: [^"]*)"/g)].map(([, n]) => n)
    expect(names).toEqual([
      'r: pay({&quot;to&quot;:&quot;a&quot;})',
      'r: context {&quot;tenant&quot;:&quot;a&quot;}',
      'r: no text',
    ])
  })

  it('explain tells rules, spans and effects in each phase', async () => {
    const good = write('good.yaml', GOOD)
    expect(await runPolicy(['explain', '--path', good, 'one forbidden thing'])).toBe(0)
    expect(printed).toContain('found "forbidden" at 4–13 (r)')
    expect(printed).toMatch(/midstream:\n {2}r: stop at 4–13\n {2}→ stop 403: no/)
  })

  it(
    'explain asks the detectors and models that the policy asks',
    { timeout: 60_000 },
    async () => {
      const rules = `rules:
  - { name: advice, trigger: { type: classifier, classifier: finance_regulatory, false_positive_rate: 0.001 }, actions: [{ type: stop }] }
  - { name: cards, trigger: { type: pii, types: [card] }, actions: [{ type: redact, replacement: '[card]' }] }
`
      const path = write('models.yaml', `name: models\n${rules}`)
      const explain = async (...more: string[]): Promise<string> => {
        printed = ''
        expect(await runCli(['policy', 'explain', '--path', path, ...more])).toBe(0)
        return printed
      }
      const text = 'You should put all your savings into this fund. Pay with 4111 1111 1111 1111.'
      const told = await explain(text)
      expect(told).toMatch(/finance_regulatory says financial_advice: 0\.9\d\d/)
      expect(told).toMatch(/card at 57–76, confidence/)
      expect(told).toMatch(
        /midstream:\n {2}advice: stop at .* score 0\.9\d\d\n {2}cards: redact at 57–76/,
      )
      expect(await explain('Opening hours are nine to five.')).toMatch(/midstream: nothing/)
      expect(await explain(text, '--score', 'finance_regulatory=0.2')).not.toContain('advice: stop')
    },
  )

  it('explain is coloured in a terminal', async () => {
    const good = write('good.yaml', GOOD)
    await inTerminal([], () => runPolicy(['explain', '--path', good, 'one forbidden thing']))
    expect(printed).toContain('one \u001B[31mforbidden\u001B[39m thing')
  })

  it('new asks for what is missing in a terminal', async () => {
    const out = join(folder, 'asked.yaml')
    const answers = [
      'asked',
      'Stops two things',
      'COBS 4.2.1R',
      'first thing, second thing',
      'ban',
      '',
    ]
    await inTerminal(answers, () => runPolicy(['new', '--out', out]))
    for (const question of ['Name of the pack?', 'Which phrases?', 'Mode? (monitor']) {
      expect(printed).toContain(question)
    }
    const text = readFileSync(out, 'utf8')
    expect(text).toMatch(/name: "asked"\n[^]*Stops two things[^]*mode: monitor/)
    expect(text).toMatch(/first thing[^]*second thing/)
    expect(await runPolicy(['check', '--strict', out])).toBe(0)
  })

  it('diff tells what changes and which rules can newly fire', async () => {
    const a = write('a.yaml', GOOD)
    const b = write(
      'b.yaml',
      GOOD.replace('[forbidden]', '[forbidden, banned]').replace('message: no', 'message: never'),
    )
    expect(await runPolicy(['diff', a, b])).toBe(0)
    expect(printed).toMatch(/! stricter text added r: banned \(word, case/)
    expect(printed).toMatch(/ {2}neither {2}action changed r: stop message no → never/)
    expect(printed).toContain('1 rules can newly fire')
  })

  it.each([
    [[], 0],
    [['--fail-on', 'change'], 1],
    [['--fail-on', 'looser'], 0],
    [['--fail-on', 'stricter'], 1],
  ])('diff %j of a stricter policy exits %i', async (flags, code) => {
    const a = write('a.yaml', GOOD)
    const b = write('b.yaml', GOOD.replace('[forbidden]', '[forbidden, banned]'))
    expect(await runPolicy(['diff', a, b, ...flags])).toBe(code)
    expect(await runPolicy(['diff', a, a, ...flags])).toBe(0)
  })

  it('diff counts what cannot be ordered as looser, where looser fails', async () => {
    const a = write('a.yaml', GOOD)
    const b = write('b.yaml', GOOD.replace('type: keywords, any: [forbidden]', 'type: pii'))
    expect(await runPolicy(['diff', a, b, '--fail-on', 'looser'])).toBe(1)
    expect(printed).toMatch(/! unknown {2}condition changed r: /)
    await expect(runPolicy(['diff', a, b, '--fail-on', 'lose'])).rejects.toThrow(
      /did you mean loose/,
    )
  })

  it('check holds a rate against the calibration of the models, the shipped ones by default', async () => {
    const asking = (rate: number, more = ''): string =>
      GOOD.replace(
        'type: keywords, any: [forbidden]',
        `type: classifier, classifier: risk, false_positive_rate: ${rate}${more}`,
      ).replaceAll(/ {4}tests:[^]*/g, '')
    const check = async (text: string, ...flags: string[]): Promise<number> => {
      printed = ''
      return runCli(['policy', 'check', write('rate.yaml', text), ...flags])
    }
    expect(await check(asking(0.001))).toBe(0)
    expect(printed).toContain('0 errors, 0 warnings')
    expect(await check(asking(0.0001))).toBe(1)
    expect(printed).toMatch(
      /rate\.yaml:4:\d+ error: rule r: no calibration of risk holds a rate of 0\.0001; the lowest is 0\.0005 \(stream, encoder\): ask for that rate/,
    )
    expect(await check(asking(0.0001, ', threshold: 0.99'), '--strict')).toBe(1)
    expect(printed).toMatch(/warning: .*: the threshold of 0\.99 is taken/)
    writeFileSync(join(folder, 'registry.json'), '{"format": 1, "models": {}, "names": {}}')
    expect(await check(asking(0.001), '--models', folder)).toBe(1)
    expect(printed).toMatch(/no calibration of risk is loaded/)
  })

  it('diff asks the calibration of the models for the threshold of a rate', async () => {
    const of = (rate: number): string =>
      GOOD.replace(
        'type: keywords, any: [forbidden]',
        `type: classifier, classifier: risk, false_positive_rate: ${rate}`,
      ).replaceAll(/ {4}tests:[^]*/g, '')
    const a = write('a.yaml', of(0.01))
    const b = write('b.yaml', of(0.001))
    const folders: (string | undefined)[] = []
    const head = calibrated('m', 'risk', [
      [0.01, 0.6],
      [0.001, 0.9],
    ])
    const read = (from: string | undefined) => {
      folders.push(from)
      return Promise.resolve({ risk: [head] })
    }
    expect(
      await runPolicy(['diff', a, b, '--json', '--models', 'here'], { calibration: read }),
    ).toBe(0)
    expect(folders).toEqual(['here'])
    expect(JSON.parse(printed)).toEqual([
      {
        kind: 'threshold',
        rule: 'r',
        message:
          'risk ≥ 0.6 (false positive rate 0.01, calibration of m) → ≥ 0.9 (false positive rate 0.001, calibration of m)',
        direction: 'looser',
        canNewlyFire: false,
      },
    ])
  })

  it('test asks the tools section of a call, and names what it says', async () => {
    const section = `tools:
  grants: [{ tools: [pay, read], tenants: [retail] }]
  rules:
    pay: { values: [{ path: to, allow: { origin: [trusted] } }], at_most: 1 }
tests:
  - { text: Pay ann., tool: { name: pay, arguments: { to: ann-1 } }, context: { tenant: retail }, fires: tools.pay.to }
  - { text: Pay ann-1., tool: { name: pay, arguments: { to: ann-1 } }, context: { tenant: retail }, fires: false }
  - { text: Pay ann-1., tool: { name: pay, arguments: { to: ann-1 } }, context: { tenant: other }, fires: tools.pay.grants }
  - { text: Pay ann-1., tool: { name: pay, arguments: { to: ann-1 } }, context: { tenant: retail, called: read pay }, fires: tools.pay.at_most }
`
    const good = write('tools-good.yaml', `${GOOD}${section}`)
    expect(await runPolicy(['test', good]), printed).toBe(0)
    expect(printed).toContain('8 of 8 tests passed')
    const wrong = write(
      'tools-wrong.yaml',
      `${GOOD}${section.replace('fires: tools.pay.to', 'fires: false')}`,
    )
    expect(await runPolicy(['test', wrong])).toBe(1)
    expect(printed).toMatch(/tools\.pay\.to/)
  })

  it('diff tells what changes in the tools section, in both directions', async () => {
    const tools = (text: string): string => `${GOOD}tools: ${text}\n`
    const a = write(
      'tools-a.yaml',
      tools('{ rules: { pay: { at_most: 1 }, read: { at_most: 3 } } }'),
    )
    const b = write(
      'tools-b.yaml',
      tools(
        '{ grants: [{ tools: [pay] }], rules: { pay: { at_most: 2, values: [{ path: to, allow: { one_of: [ann] } }] } } }',
      ),
    )
    expect(await runPolicy(['diff', a, b])).toBe(0)
    expect(printed).toMatch(/! stricter tools added tools\.grants: .*pay/)
    expect(printed).toMatch(/! stricter tools added tools\.pay\.\S+: .*ann/)
    expect(printed).toMatch(/ {2}looser {3}tools changed tools\.pay\.atMost: 1 → 2/)
    expect(printed).toMatch(/ {2}looser {3}tools removed tools\.read\.atMost: 3/)
    expect(await runPolicy(['diff', b, a])).toBe(0)
    expect(printed).toMatch(/ {2}looser {3}tools removed tools\.grants/)
    expect(await runPolicy(['diff', a, a])).toBe(0)
    expect(printed).toContain('0 changes')
  })

  it('new starts a pack that passes check and test', async () => {
    const out = join(folder, 'n.yaml')
    const flags = [
      '--phrase',
      'one "quoted" phrase',
      '--phrase',
      'two: three',
      '--action',
      'ban',
      '--mode',
      'enforce',
    ]
    expect(await runPolicy(['new', 'mine', ...flags, '--out', out])).toBe(0)
    expect(existsSync(out)).toBe(true)
    expect(await runPolicy(['check', '--strict', out])).toBe(0)
    expect(await runPolicy(['test', out])).toBe(0)
    await expect(runPolicy(['new', 'mine', '--out', out])).rejects.toThrow(/there already/)
  })

  it('compile tells what a policy compiles to', async () => {
    const good = write('good.yaml', GOOD)
    expect(await runPolicy(['compile', good, '--json'])).toBe(0)
    expect(JSON.parse(printed)).toMatchObject({ policy: 'p', rules: 1, texts: 1, bans: 0 })
  })

  it('compile tells the size of the token program for a vocabulary', async () => {
    const banning = write('ban.yaml', GOOD.replace(/type: (redact|log|stop)[^}]*/, 'type: ban '))
    const tokenizer = { type: 'BPE', vocab: { a: 0, b: 1, c: 2 }, merges: [] }
    const file = write(
      'tokenizer.json',
      JSON.stringify({ model: tokenizer, decoder: { type: 'ByteLevel' } }),
    )
    await runPolicy(['compile', banning, '--json', '--tokenizer', dirname(file)])
    const facts = JSON.parse(printed) as { readonly program_states: number; readonly bans: number }
    expect(facts).toMatchObject({ bans: 1, vocabulary: 3 })
    expect(facts.program_states).toBeGreaterThan(0)
    await expect(runPolicy(['compile', banning, '--tokenizer', '/nowhere'])).rejects.toThrow(
      /no file/,
    )
  })

  it('names the nearest command and flag to a mistyped one', async () => {
    await expect(runPolicy(['chek'])).rejects.toThrow(/did you mean check\?/)
    await expect(runPolicy(['rollback'])).rejects.toThrow(/put the older files back/)
    await expect(runPolicy(['check', '--formt=x'])).rejects.toThrow(/did you mean format\?/)
  })
})
