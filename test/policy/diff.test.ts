import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CompiledPolicy } from '../../src/policy/compiled.ts'
import { diffPolicies } from '../../src/policy/diff/diff.ts'
import type { Change, Direction } from '../../src/policy/diff/diff.ts'
import { loadPolicies, readPolicyFiles } from '../../src/policy/files/file.ts'
import { buildLibrary, requireLibrary, requirePolicy } from '../../src/policy/files/library.ts'
import { calibrated, NOW, policyOf } from './findings.ts'

const POLICIES = resolve(import.meta.dirname, '../../policies')
const files = readPolicyFiles(POLICIES)
const library = loadPolicies(POLICIES, { nowMs: NOW })
const policies = [...library.policies.values()]

const CALIBRATION = {
  prompt_injection: [
    calibrated('encoder', 'prompt_injection', [
      [0.001, 0.95],
      [0.01, 0.8],
    ]),
  ],
}

/** A shipped pack after an edit of its text, and before. */
function edited(pack: string, from: string, to: string): readonly [CompiledPolicy, CompiledPolicy] {
  const options = { nowMs: NOW, calibration: CALIBRATION }
  const old = files.find(({ file }) => file.endsWith(`/${pack}.yaml`))
  if (old?.text.includes(from) !== true) throw new Error(`${pack} has no ${from}`)
  const needed = files.filter((one) => one === old || one.file.endsWith('/fca-consumer-duty.yaml'))
  const now = needed.map((one) =>
    one === old ? { ...one, text: one.text.replace(from, to) } : one,
  )
  return [
    requirePolicy(requireLibrary(buildLibrary(needed, options)), pack),
    requirePolicy(requireLibrary(buildLibrary(now, options)), pack),
  ]
}

const lines = (changes: readonly Change[]): string[] =>
  changes.map(
    ({ kind, rule, message, direction, canNewlyFire }) =>
      `${canNewlyFire ? '!' : ''}${direction} ${kind} ${rule}: ${message}`,
  )
const diff = (a: string, b: string): string[] => lines(diffPolicies(policyOf(a), policyOf(b)))

describe('the diff of shipped packs', () => {
  it.each(policies)('$name differs in nothing from itself', (policy) => {
    const again = loadPolicies(POLICIES, { nowMs: NOW }).policies.get(policy.name)
    expect(again && diffPolicies(policy, again)).toEqual([])
  })

  it('turns every direction round when the sides are changed', () => {
    const turned: Record<Direction, Direction> = {
      stricter: 'looser',
      looser: 'stricter',
      unknown: 'unknown',
      neither: 'neither',
    }
    let told = 0
    for (const a of policies) {
      for (const b of policies) {
        const there = diffPolicies(a, b).map((one) => one.direction)
        const back = diffPolicies(b, a).map((one) => turned[one.direction])
        expect(there.sort(), `${a.name} ${b.name}`).toEqual(back.sort())
        told += there.length
      }
    }
    expect(told).toBeGreaterThan(1_000)
  })

  it.each<[string, string, string, string[]]>([
    [
      'fca-consumer-duty-strict',
      'classifier: finance_regulatory, threshold: 0.97, false_positive_rate: 0.001 }',
      'classifier: finance_regulatory, min: 0.9, max: 0.99 }',
      [
        '!stricter threshold personal-recommendation: finance_regulatory ≥ 0.97 (false positive rate 0.001, policy) → ≥ 0.9',
        'looser threshold personal-recommendation: finance_regulatory ≤ 1 → ≤ 0.99',
      ],
    ],
    [
      'prompt-injection',
      'false_positive_rate: 0.001',
      'false_positive_rate: 0.01',
      [
        '!stricter threshold injection-classifier: prompt_injection ≥ 0.95 (false positive rate 0.001, calibration of encoder) → ≥ 0.8 (false positive rate 0.01, calibration of encoder)',
      ],
    ],
    [
      'prompt-injection',
      '        - you have been jailbroken\n      folds: all',
      '      folds: all',
      [
        'looser text removed override-phrases: you have been jailbroken (word, case width marks confusables zero_width leet spacing split)',
      ],
    ],
    [
      'basic-safety',
      'safe_mode: { temperature: 0.3, top_p: 0.6 }',
      'safe_mode: { temperature: 0.5, top_p: 0.5, safe_vocabulary: { words: [help] } }',
      [
        'looser action changed adaptive-decoding: adapt temperature 0.3 → 0.5',
        '!stricter action changed adaptive-decoding: adapt top_p 0.6 → 0.5',
        '!stricter action changed adaptive-decoding: adapt safe_vocabulary word "help"',
      ],
    ],
    [
      'basic-safety',
      'risk_threshold: 0.7',
      'risk_threshold: 0.8',
      [
        'looser threshold adaptive-decoding: toxicity_detector ≥ 0.7 → ≥ 0.8',
        'looser threshold adaptive-decoding: self_harm ≥ 0.7 → ≥ 0.8',
        'looser action changed adaptive-decoding: adapt enter 0.7 → 0.8',
        expect.stringMatching(/^looser action changed adaptive-decoding: adapt leave 0\.4/),
      ] as string[],
    ],
    [
      'fca-consumer-duty-strict',
      'on_failure: closed\n',
      'on_failure: open\nmode: alert\n',
      expect.arrayContaining([
        'looser policy mode : enforce → alert',
        'looser on_failure : closed → open',
        'looser mode personal-recommendation: enforce → alert',
        'looser on_failure personal-recommendation: closed → open',
        expect.stringMatching(/^looser ban removed recommendation-phrases: I advise you to buy/),
      ]) as string[],
    ],
    [
      'fca-consumer-duty-strict',
      'phase: [step, midstream, egress]\n    wait: true\n    release: judged\n    priority: 80',
      'phase: [midstream, egress, ingress]\n    priority: 70',
      [
        '!unknown phase personal-recommendation: +ingress -step',
        'neither priority personal-recommendation: 80 → 70',
        'looser wait personal-recommendation: true → false',
        'looser release personal-recommendation: judged → live',
      ],
    ],
    [
      'demo',
      'not_in: [support@bank.example] }\n    actions:\n      - { type: rewrite_tool, argument: to,',
      'not_in: [support@bank.example, ann@bank.example] }\n    actions:\n      - { type: rewrite_tool, argument: cc,',
      [
        'looser condition changed mail-address: tool not_in +ann@bank.example',
        'neither action changed mail-address: rewrite_tool argument to → cc',
      ],
    ],
    [
      'demo',
      'types: [iban], confidence: 0.6',
      'types: [us_ssn, iban], confidence: 0.5',
      [
        '!stricter threshold account-numbers: pii ≥ 0.6 → ≥ 0.5',
        '!stricter condition changed account-numbers: pii types +us_ssn',
      ],
    ],
    [
      'demo',
      'message: This answer was stopped., status_code: 451',
      'message: Stopped., status_code: 403',
      [
        'neither action changed abusive: stop message This answer was stopped. → Stopped.',
        'neither action changed abusive: stop status_code 451 → 403',
      ],
    ],
    [
      'demo',
      '  - name: abusive\n',
      '  - name: abusive\n    enabled: false\n',
      ['looser rule removed abusive: stop, audit in step, midstream, egress (enforce)'],
    ],
  ])('%s: tells the edit %#', (pack, from, to, expected) => {
    expect(lines(diffPolicies(...edited(pack, from, to)))).toEqual(expected)
  })

  it('tells of an heir what its parent lost', () => {
    const changes = diffPolicies(
      ...edited('fca-consumer-duty-strict', 'extends: fca-consumer-duty\n', ''),
    )
    const lost = changes.filter(({ kind }) => kind === 'rule removed')
    const parent = library.policies.get('fca-consumer-duty')
    const inherited = parent?.rules.filter(({ file }) => file.endsWith('fca-consumer-duty.yaml'))
    expect(lost.length).toBeGreaterThan(3)
    expect(lost.length).toBeLessThanOrEqual(inherited?.length ?? 0)
    expect(lost.every(({ direction }) => direction === 'looser')).toBe(true)
  })
})

const rule = (body: string): string => `name: p\nrules:\n  - name: r\n    ${body}\n`
const asking = (trigger: string): string =>
  rule(`trigger: ${trigger}\n    actions: [{type: stop, message: no}]`)
const acting = (...actions: string[]): string =>
  rule(
    `phase: step\n    trigger: {type: classifier, classifier: risk, min: 0.5}\n    actions: [${actions.join(', ')}]`,
  )
const A = '{type: classifier, classifier: risk, min: 0.5}'
const B = '{type: context, field: tenant, in: [a, b]}'

describe('the diff of two conditions', () => {
  it.each([
    ['order', `{type: any, triggers: [${A}, ${B}]}`, `{type: any, triggers: [${B}, ${A}]}`],
    [
      'nesting',
      `{type: any, triggers: [${A}, {type: any, triggers: [${B}]}]}`,
      `{type: composite, operator: or, triggers: [${A}, ${B}, ${A}]}`,
    ],
    [
      'two keyword lists',
      '{type: any, triggers: [{type: keywords, any: [x]}, {type: keywords, any: [y]}]}',
      '{type: keywords, any: [y, x]}',
    ],
    ['double denial', `{type: not, trigger: {type: not, trigger: ${A}}}`, A],
    [
      'an alias',
      '{type: classifier, classifier: toxicity, min: 0.5}',
      '{type: classifier, classifier: toxicity_detector, threshold: 0.5}',
    ],
  ])('finds none in %s', (_, a, b) => {
    expect(diff(asking(a), asking(b))).toEqual([])
  })

  it.each([
    [
      A,
      `{type: all, triggers: [${A}, ${B}]}`,
      ['looser condition added r: {"field":"tenant","in":["a","b"],"type":"context"}'],
    ],
    [
      A,
      `{type: any, triggers: [${A}, ${B}]}`,
      ['!stricter condition added r: {"field":"tenant","in":["a","b"],"type":"context"}'],
    ],
    [
      `{type: any, triggers: [${A}, ${B}]}`,
      `{type: all, triggers: [${A}, ${B}]}`,
      ['looser condition changed r: any → all'],
    ],
    [
      `{type: all, triggers: [${A}, {type: not, trigger: {type: keywords, any: [x]}}]}`,
      `{type: all, triggers: [${A}, {type: not, trigger: {type: keywords, any: [x, y]}}]}`,
      ['looser text added r: y (word, case width marks confusables zero_width)'],
    ],
    [
      `{type: count, at_least: 2, within_tokens: 10, trigger: ${A}}`,
      `{type: count, at_least: 3, within_tokens: 20, trigger: ${A}}`,
      [
        'looser condition changed r: count at_least 2 → 3',
        '!stricter condition changed r: count within_tokens 10 → 20',
      ],
    ],
    [
      `{type: count, at_least: 2, trigger: ${A}}`,
      `{type: count, at_least: 2, of: 5, trigger: ${A}}`,
      ['looser condition changed r: count of none → 5'],
    ],
    [
      A,
      '{type: keywords, any: [x]}',
      [
        '!unknown condition changed r: risk ≥ 0.5 → x (word, case width marks confusables zero_width)',
      ],
    ],
    [
      '{type: any, triggers: [{type: classifier, classifier: risk, min: 0.1, max: 0.2}, {type: classifier, classifier: risk, min: 0.8}]}',
      '{type: any, triggers: [{type: classifier, classifier: risk, min: 0.9}, {type: classifier, classifier: risk, min: 0.1, max: 0.3}]}',
      ['!stricter threshold r: risk ≤ 0.2 → ≤ 0.3', 'looser threshold r: risk ≥ 0.8 → ≥ 0.9'],
    ],
    [
      '{type: classifier, classifier: risk, label: a, min: 0.5}',
      '{type: classifier, classifier: risk, label: b, min: 0.5}',
      ['!unknown condition changed r: risk/a ≥ 0.5 → risk/b ≥ 0.5'],
    ],
    [
      '{type: context, field: position, value: ">200"}',
      '{type: context, field: position, value: ">100"}',
      ['!stricter threshold r: position value >200 → >100'],
    ],
    [
      '{type: context, field: tenant, in: [a]}',
      '{type: context, field: tenant, prefix: a}',
      [
        '!stricter condition removed r: tenant in ["a"]',
        'looser condition added r: tenant prefix a',
      ],
    ],
    [
      '{type: pattern, pattern: "ab+c"}',
      '{type: pattern, pattern: "ab+c", case_insensitive: true}',
      ['!stricter text added r: ab+c (linear, case)', 'looser text removed r: ab+c (linear)'],
    ],
    [
      '{type: tool, name: pay, argument: sum, max: 10}',
      '{type: tool, name: [pay, buy], argument: sum, min: 1, max: 20}',
      [
        '!stricter condition changed r: tool name +buy',
        '!stricter threshold r: tool min -Infinity → 1',
        'looser threshold r: tool max 10 → 20',
      ],
    ],
    [
      '{type: tool, name: pay, argument: to, domain_not_in: [a.example]}',
      '{type: tool, name: pay, argument: to, domain_not_in: [b.example], prefix_not_in: [/srv]}',
      [
        '!unknown condition changed r: tool domain_not_in +b.example -a.example',
        'looser condition added r: tool prefix_not_in ["/srv"]',
      ],
    ],
  ])('%s → %s', (a, b, expected) => {
    const found = diff(asking(a), asking(b))
    expect(found).toEqual(expected)
  })

  it('knows which rate finds more where there is no calibration', () => {
    const of = (rate: number): string =>
      asking(`{type: classifier, classifier: risk, false_positive_rate: ${rate}}`)
    expect(diff(of(0.01), of(0.001))).toEqual([
      'looser threshold r: risk ≥ 1 (false positive rate 0.01, uncalibrated) → ≥ 1 (false positive rate 0.001, uncalibrated)',
    ])
  })

  it('shows the threshold of each model that answers, and orders them all', () => {
    const of = (stream: number, encoder: number): CompiledPolicy =>
      policyOf(asking('{type: classifier, classifier: risk, false_positive_rate: 0.01}'), {
        calibration: {
          risk: [
            calibrated('stream', 'risk', [[0.01, stream]]),
            calibrated('encoder', 'risk', [[0.01, encoder]]),
          ],
        },
      })
    const told = (a: CompiledPolicy, b: CompiledPolicy): string[] => lines(diffPolicies(a, b))
    const rated = '(false positive rate 0.01, calibration of stream, encoder)'
    expect(told(of(0.5, 0.9), of(0.5, 0.9))).toEqual([])
    expect(told(of(0.5, 0.9), of(0.4, 0.9))).toEqual([
      `!stricter threshold r: risk ≥ 0.5 stream, 0.9 encoder ${rated} → ≥ 0.4 stream, 0.9 encoder ${rated}`,
    ])
    expect(told(of(0.5, 0.9), of(0.9, 0.9))).toEqual([
      `looser threshold r: risk ≥ 0.5 stream, 0.9 encoder ${rated} → ≥ 0.9 ${rated}`,
    ])
    expect(told(of(0.5, 0.9), of(0.6, 0.8))).toEqual([
      `!unknown threshold r: risk ≥ 0.5 stream, 0.9 encoder ${rated} → ≥ 0.6 stream, 0.8 encoder ${rated}`,
    ])
  })
})

describe('the diff of actions and settings', () => {
  it.each([
    [
      ['{type: adapt, temperature: 0.5, levels: [{enter: 0.5}, {enter: 0.8, top_p: 0.5}]}'],
      [
        '{type: adapt, temperature: 0.5, dwell_tokens: 32, levels: [{enter: 0.6}, {enter: 0.8, top_p: 0.4, min_p: 0.1}]}',
      ],
      [
        'looser action changed r: adapt level 1 enter 0.5 → 0.6',
        'looser action changed r: adapt level 1 leave 0.35 → 0.42',
        '!stricter action changed r: adapt level 2 top_p 0.5 → 0.4',
        '!stricter action changed r: adapt level 2 min_p none → 0.1',
        '!stricter action changed r: adapt dwell_tokens 16 → 32',
      ],
    ],
    [
      ['{type: adapt, top_k: 5, for_tokens: 9}'],
      ['{type: adapt, top_k: 5}'],
      ['!stricter action changed r: adapt holds while there is evidence → to the end'],
    ],
    [
      ['{type: adapt, safe_vocabulary: {words: [yes, no]}}'],
      ['{type: adapt, safe_vocabulary: {words: [no], characters: "01"}}'],
      [
        '!unknown action changed r: adapt safe_vocabulary +character "0" +character "1" -word "yes"',
      ],
    ],
    [
      ['{type: adapt, safe_vocabulary: [1, 2]}'],
      ['{type: adapt, safe_vocabulary: [1, 2, 3]}'],
      ['looser action changed r: adapt safe_vocabulary +token 3'],
    ],
    [
      ['{type: adapt, temperature: 0, smoothing: {kind: ema, alpha: 0.5}}'],
      ['{type: adapt, temperature: 0, smoothing: {kind: ema, alpha: 0.9}}'],
      [
        '!unknown action changed r: adapt smoothing {"alpha":0.5,"kind":"ema"} → {"alpha":0.9,"kind":"ema"}',
      ],
    ],
    [
      ['{type: deny, texts: [a]}', '{type: log, message: x}'],
      ['{type: deny, texts: [a, b], tokens: [7]}', '{type: log, message: y, level: warn}'],
      [
        '!stricter action changed r: deny texts +b',
        '!stricter action changed r: deny tokens +7',
        'neither action changed r: log message x → y',
        'neither action changed r: log level info → warn',
      ],
    ],
    [
      ['{type: log, message: a}', '{type: log, message: b}'],
      ['{type: log, message: b}', '{type: force, text: Sorry}'],
      [
        '!stricter action added r: force {"text":"Sorry"}',
        'looser action removed r: log {"level":"info","message":"a"}',
      ],
    ],
  ])('%s → %s', (a, b, expected) => {
    expect(diff(acting(...a), acting(...b))).toEqual(expected)
  })

  it('tells what an exception grants, to whom and until when', () => {
    const of = (exceptions: string): string =>
      rule(
        `trigger: {type: keywords, any: [x]}\n    actions: [{type: stop}]\n    exceptions: [${exceptions}]`,
      )
    const one = (until: string, tenants: string): string =>
      `{reason: pilot, until: ${until}, when: {type: context, field: tenant, in: [${tenants}]}}`
    expect(diff(of(''), of(one('2026-03-01', 'a')))).toEqual([
      'looser exception added r: “pilot” until 2026-03-01T23:59:59.999Z for {"field":"tenant","in":["a"],"type":"context"}',
    ])
    expect(diff(of(one('2026-03-01', 'a')), of(one('2026-04-01', 'a, b')))).toEqual([
      'looser exception changed r: “pilot” until 2026-03-01T23:59:59.999Z → 2026-04-01T23:59:59.999Z',
      'looser exception changed r: “pilot” tenant in +b',
    ])
    expect(diff(of(one('2026-03-01', 'a')), of('{reason: pilot, until: 2026-03-01}'))).toEqual([
      'looser exception changed r: “pilot” {"field":"tenant","in":["a"],"type":"context"} → always',
    ])
    expect(diff(of(one('2026-03-01', 'a')), of(''))[0]).toMatch(/^!stricter exception removed/)
    // It has ended: it is no exception any more.
    expect(diff(of('{reason: old, until: 2020-01-01}'), of(''))).toEqual([])
  })

  it('tells every other setting of a rule', () => {
    const of = (settings: string): string =>
      rule(`${settings}trigger: ${A}\n    actions: [{type: stop}]`)
    const more = `mode: monitor\n    continue: false\n    on_failure: open\n    regulation: X\n    tags: [t]\n    enabled_when: ${B}\n    `
    expect(diff(of(''), of(more))).toEqual([
      'looser mode r: enforce → monitor',
      'looser continue r: true → false',
      'looser on_failure r: resident → open',
      'neither regulation r: none → X',
      'neither tags r: +t',
      'looser enabled_when r: always → {"field":"tenant","in":["a","b"],"type":"context"}',
    ])
    expect(diff(of(''), `${of('')}version: 2\ndescription: d\n`)).toEqual([
      'neither version : none → 2',
      'neither description : none → d',
    ])
  })

  it('tells that rules changed places', () => {
    const two = (names: readonly string[]): string =>
      `name: p\nrules:\n${names.map((n) => `  - {name: ${n}, trigger: ${A}, actions: [{type: stop}]}\n`).join('')}`
    expect(diff(two(['a', 'b']), two(['b', 'a']))).toEqual([
      'neither order b: b is now looked at earlier',
    ])
  })

  it.each([
    [
      '{ rules: { pay: { at_most: 1 } } }',
      '{ rules: { pay: { at_most: 2 } } }',
      'looser tools changed tools.pay.atMost: 1 → 2',
    ],
    [
      '{ rules: { pay: { rate: {calls: 2, within_seconds: 9} } } }',
      '{ rules: { pay: { rate: {calls: 3, within_seconds: 9} } } }',
      'looser tools changed tools.pay.rate: {"calls":2,"windowMs":9000} → {"calls":3,"windowMs":9000}',
    ],
    [
      '{ rules: { pay: { after: [ask] } } }',
      '{ rules: { pay: { after: [ask, see] } } }',
      '!stricter tools changed tools.pay.after: +see',
    ],
    [
      '{ grants: [{tools: [a]}] }',
      '{ grants: [{tools: [a]}, {tools: [b]}] }',
      'looser tools changed tools.grants: +{"tools":["b"]}',
    ],
    [
      '{ rules: { pay: { values: [{path: to, allow: {one_of: [a], max_length: 9}}] } } }',
      '{ rules: { pay: { values: [{path: to, allow: {one_of: [a, b], max_length: 9}, otherwise: note}] } } }',
      expect.stringMatching(/^looser tools changed tools\.pay\.to/),
    ],
    [
      '{ rules: { pay: { values: [{path: to, allow: {min: 1, max: 5}}] } } }',
      '{ rules: { pay: { values: [{path: to, allow: {min: 2, max: 6}}] } } }',
      expect.stringMatching(/^!unknown tools changed tools\.pay\.to/),
    ],
    [
      '{ rules: { pay: { values: [{path: to, allow: {url: {}}}] } } }',
      '{ rules: { pay: { values: [{path: to, allow: {url: {hosts: [a.example]}, max_length: 9}}] } } }',
      expect.stringMatching(/^!stricter tools changed tools\.pay\.to/),
    ],
  ])('tools: %s → %s', (a, b, expected) => {
    expect(diff(`name: p\ntools: ${a}\n`, `name: p\ntools: ${b}\n`)).toEqual([expected])
  })
})
