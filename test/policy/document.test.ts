import { describe, expect, it } from 'vitest'
import type { Calibration } from '../../src/policy/compile/calibrated.ts'
import { ACTIONS } from '../../src/policy/read/alternatives.ts'
import { ACTION_TYPES } from '../../src/policy/schema/schema-actions.ts'
import { calibrated, data, policyOf, problemsOf } from './findings.ts'

const rule = (body: string): string =>
  `name: p\nrules:\n  - name: r\n${body.replace(/^/gm, '    ')}`

describe('a CheckStream rule file', () => {
  it('loads unchanged and without a warning', () => {
    expect(problemsOf(data('legacy-rules.yaml'))).toEqual([])
    const policy = policyOf(data('legacy-rules.yaml'))
    expect(policy.rules.map((r) => r.name)).not.toContain('off')
    expect(policy.classifiers.toSorted()).toEqual(['finance_regulatory', 'toxicity_detector'])
  })

  it('means words where its author wrote words', () => {
    const { texts } = policyOf(data('legacy-rules.yaml'))
    const words = texts.filter((t) => t.kind === 'phrase')
    expect(words.every((t) => t.match === 'word' && t.folds.includes('case'))).toBe(true)
    expect(words.map((t) => t.text)).toEqual(expect.arrayContaining(['ISA', 'ISAs', 'bonds']))
    expect(words.map((t) => t.text)).not.toContain('ISAing')
  })
})

describe('a mistake in a policy', () => {
  it.each([
    [
      'a typo in a key',
      rule('trigger: {type: keywords, any: [x]}\nactions: [{type: stop}]\npriorty: 3'),
      /test\.yaml:6:5 error: rules\[0\]\.priorty: unknown key; did you mean priority\?/,
    ],
    [
      'an unknown action',
      rule('trigger: {type: keywords, any: [x]}\nactions: [{type: stopp}]'),
      /5:\d+ error: .*got "stopp"; did you mean stop\?/,
    ],
    [
      'an unknown phase',
      rule('phase: stepp\ntrigger: {type: tool}\nactions: [{type: log}]'),
      /4:12 error: rules\[0\]\.phase: expected one of ingress, step, tool, midstream, egress, got "stepp"; did you mean step\?/,
    ],
    [
      'an unknown phase in a list',
      rule('phase: [tool, egresss]\ntrigger: {type: tool}\nactions: [{type: log}]'),
      /4:19 error: rules\[0\]\.phase\[1\]: expected one of .*, got "egresss"; did you mean egress\?/,
    ],
    [
      'a value of no kind that may stand there',
      'name: p\nversion: [1]\n',
      /2:10 error: version: expected string or number, got a list of 1/,
    ],
    ['an unknown mode', 'name: p\nmode: enfroce\n', /2:7 error: mode: .*did you mean enforce\?/],
    ['a duplicate key', 'name: p\nname: q\n', /2:1 error: .*unique/i],
    [
      'two rules of one name',
      'name: p\nrules:\n  - {name: a, trigger: {type: tool}, actions: [{type: log}]}\n  - {name: a, trigger: {type: tool}, actions: [{type: log}]}\n',
      /4:\d+ error: .*two rules are called a/,
    ],
    [
      'an action in a phase where it cannot be',
      rule(
        'phase: egress\ntrigger: {type: tool}\nactions: [{type: rewrite_tool, argument: a, value: b}]',
      ),
      /rewrite_tool is not possible in egress; it is in tool/,
    ],
    [
      'an unknown parent',
      'name: p\nextends: basic-safty\n',
      /2:10 error: extends: no policy is called basic-safty/,
    ],
    ['a policy that extends itself', 'name: p\nextends: p\n', /p → p goes in a circle/],
    [
      'an unknown variable',
      'name: p\nvariables: {firm: x}\nrules:\n  - {name: r, trigger: {type: tool}, actions: [{type: stop, message: "by ${frm}"}]}\n',
      /no variable is called frm; did you mean firm\?/,
    ],
    [
      'an unknown context field',
      rule('trigger: {type: context, field: tenent, value: x}\nactions: [{type: log}]'),
      /no context field is called tenent; did you mean tenant\?/,
    ],
    [
      'an impossible phase',
      rule('trigger: {type: context, field: phase, value: egres}\nactions: [{type: log}]'),
      /no phase is called egres; did you mean egress\?/,
    ],
    [
      'a phase in which the rule is not looked at',
      rule(
        'phase: egress\ntrigger: {type: all, triggers: [{type: keywords, any: [x]}, {type: context, field: phase, value: ingress}]}\nactions: [{type: log}]',
      ),
      /error: rule r: can never fire: it is looked at in egress, and its condition asks for another/,
    ],
    [
      'a count that is too high for its window',
      rule(
        'trigger: {type: count, at_least: 4, of: 3, trigger: {type: classifier, classifier: risk, min: 0.5}}\nactions: [{type: log}]',
      ),
      /at least 4 of 3 never holds/,
    ],
    [
      'a count of judgements where nobody judges',
      rule(
        'trigger: {type: count, at_least: 2, of: 3, trigger: {type: keywords, any: [x]}}\nactions: [{type: log}]',
      ),
      /of counts the last judgements of a classifier, and the trigger asks none/,
    ],
    [
      'an impossible range',
      rule(
        'trigger: {type: classifier, classifier: risk, min: 0.8, max: 0.2}\nactions: [{type: log}]',
      ),
      /never holds/,
    ],
    [
      'an unknown classifier',
      rule(
        'trigger: {type: classifier, classifier: toxicity_detectr, threshold: 0.5}\nactions: [{type: log}]',
      ),
      /warning: .*no classifier is called toxicity_detectr; did you mean toxicity_detector\?: this condition never holds/,
    ],
    [
      'a ban that depends on a classifier',
      rule('trigger: {type: classifier, classifier: risk, threshold: 0.5}\nactions: [{type: ban}]'),
      /a ban holds always: it cannot depend on classifier/,
    ],
    [
      'a ban of an unbounded pattern',
      rule('actions: [{type: ban, patterns: ["a+b"]}]'),
      /cannot be banned ahead; bound its repetitions/,
    ],
    [
      'a rule behind a stop',
      'name: p\nrules:\n  - {name: a, priority: 90, trigger: {type: keywords, any: [x, y]}, actions: [{type: stop}]}\n  - {name: b, phase: midstream, trigger: {type: keywords, any: [y]}, actions: [{type: redact}]}\n',
      /warning: rule b: never has an effect, because a looks at the same things first and stops the text/,
    ],
    [
      'an exception that has ended',
      rule(
        'trigger: {type: keywords, any: [x]}\nactions: [{type: stop}]\nexceptions: [{reason: pilot, until: 2020-01-01}]',
      ),
      /ended on 2020-01-01/,
    ],
    [
      'a file that is too large',
      `name: p\n# ${'x'.repeat(1024 * 1024)}\n`,
      /at most 1048576 bytes, got 10485\d\d/,
    ],
    [
      'a YAML bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n`,
      /test\.yaml:5:\d+ error: aliases are refused: they repeat more than 10000 values/,
    ],
    [
      'an alias that comes round to itself',
      'name: p\nrules:\n  - name: r\n    actions: [{type: stop}]\n    trigger: &t {type: not, trigger: *t}\n',
      /test\.yaml:5:\d+ error: aliases are refused: \*t stands inside the value that it names/,
    ],
    ['an alias of nothing', 'name: *n\n', /test\.yaml:1:7 error: .*\*n has no anchor before it/],
    [
      'a second document',
      'name: p\n---\nname: q\n',
      /test\.yaml:2:\d+ error: .*multiple documents/,
    ],
    ['text that nests too deep', '['.repeat(50_000), /nested deeper than 64/],
  ])('is told with its place: %s', (_, yaml, wanted) => {
    expect(problemsOf(yaml).join('\n')).toMatch(wanted)
  })
})

describe('a classifier that no model answers for', () => {
  const yaml = `name: p
adaptive_decoding: { classifiers: [toxicity, risk] }
rules:
  - { name: a, trigger: { type: classifier, classifier: risk, false_positive_rate: 0.01 }, actions: [{ type: log }] }
  - { name: b, trigger: { type: classifier, classifier: toxicity, threshold: 0.9 }, actions: [{ type: log }] }
  - { name: c, trigger: { type: pii, types: [card, name] }, actions: [{ type: log }] }
  - { name: d, trigger: { type: classifier, classifier: pii_detector, threshold: 0.9 }, actions: [{ type: log }] }
`

  it('is an error of an enforced rule with on_failure: closed, and of no other', () => {
    const closed = (more: string, name = 'risk') =>
      problemsOf(
        `name: p\nrules: [{ name: a, ${more}trigger: { type: classifier, classifier: ${name}, threshold: 0.9 }, actions: [{ type: log }] }]`,
        { answered: ['toxicity_detector'], classifiers: ['risk', 'toxicity_detector'] },
      )
    expect(closed('on_failure: closed, ')).toEqual([
      'test.yaml:2:81 error: rule a: no model answers for risk here (classifiers.models): on_failure: closed asks that nothing passes unjudged; load a model, or write on_failure: open',
    ])
    expect(closed('on_failure: closed, ', 'risc')[0]).toMatch(
      /error: .*no classifier is called risc.*risk/,
    )
    expect(closed('on_failure: closed, mode: monitor, ')[0]).toMatch(/warning: .*never holds/)
    expect(closed('on_failure: open, ')[0]).toMatch(/warning: .*never holds/)
  })

  it('is told once for each condition that waits for it, where the site knows who answers', () => {
    expect(problemsOf(yaml, { answered: ['toxicity_detector'], calibration: {} })).toEqual([
      'test.yaml:2:20 warning: adaptive_decoding: no model answers for risk here (classifiers.models)',
      'test.yaml:4:57 warning: rule a: no model answers for risk here (classifiers.models): this condition never holds',
      'test.yaml:6:45 warning: rule c: a model finds name, and none is loaded here (pii_detector in classifiers.models)',
    ])
    const all = ['toxicity_detector', 'risk', 'pii_detector']
    const head = calibrated('m', 'risk', [[0.01, 0.9]])
    expect(problemsOf(yaml, { answered: all, calibration: { risk: [head] } })).toEqual([])
  })
})

describe('what is called otherwise elsewhere', () => {
  const acting = (action: string): string =>
    rule(`trigger: {type: keywords, any: [x]}\nactions: [${action}]`)

  it.each([
    [
      acting('{type: adapt_tone, mode: supportive}'),
      /5:\d+ error: .*; here: inject with the words/,
    ],
    [acting('{type: rewrite}'), /; here: replace with a text of yours, .* no model rewrites text/],
    [acting('{type: webhook, url: "https://x"}'), /; here: notify to a destination/],
    [acting('{type: transform}'), /; here: replace or redact, rewrite_tool for the arguments/],
    [acting('{type: escalate, team: risk}'), /; here: notify to tell somebody, step_up/],
    [acting('{type: sanitize_context}'), /; here: redact with phase: ingress/],
    [acting('{type: stop, http_status: 451}'), /http_status: unknown key; here: status_code/],
    ['policies:\n  - name: p\n', /1:1 error: policies: unknown key; here: one policy in a file/],
    ['name: p\nmode: shadow\n', /2:7 error: mode: .*got "shadow"; here: monitor/],
    [
      rule('trigger: {classifier: toxicity, threshold: 0.8}\naction: redact'),
      /trigger\.type: .* got nothing; here: \{ type: classifier, … \}[^]*action: unknown key; here: actions/,
    ],
    [
      rule('trigger: {all: [{pattern: x}]}\nactions: [{type: log}]'),
      /here: \{ type: all, triggers: \[…\] \}/,
    ],
    [
      rule('enabled_when: {user.segment: retail}\ntrigger: {type: tool}\nactions: [{type: log}]'),
      /enabled_when\.type: expected one of context, any, all, not, got nothing; here: .*type: context/,
    ],
    [
      rule(
        'trigger: {type: classifier, classifier: risk, threshold: {default: 0.8, when: {}}}\nactions: [{type: log}]',
      ),
      /threshold: expected number, got a map; here: one rule for each threshold, with enabled_when/,
    ],
    [
      rule('trigger: {type: keywords, any: [x], threshold: 0.8}\nactions: [{type: log}]'),
      /trigger\.threshold: unknown key; it has no place here/,
    ],
  ])('is told with its place: %#', (yaml, wanted) => {
    expect(problemsOf(yaml).join('\n')).toMatch(wanted)
  })

  it.each(Object.entries(ACTIONS))('names an action of ours for %s', (name, alternative) => {
    const types: readonly string[] = ACTION_TYPES
    expect(types).not.toContain(name)
    expect(types).toContain(/^\w+/.exec(alternative)?.[0])
  })
})

describe('extends', () => {
  it('lowers what is inherited to the mode of the heir', () => {
    const policy = policyOf(
      'name: p\nmode: monitor\nrules: [{name: r, mode: enforce, trigger: {type: tool}, actions: [{type: log}]}]\n',
    )
    expect(policy.rules[0]?.mode).toBe('enforce')
  })

  it('gives another digest when anything that decides changes, and the same otherwise', () => {
    const of = (threshold: number, about = ''): string =>
      policyOf(
        rule(
          `description: "${about}"\ntrigger: {type: classifier, classifier: risk, threshold: ${threshold}}\nactions: [{type: log}]`,
        ),
      ).digest
    expect(of(0.5)).toBe(of(0.5, 'another text'))
    expect(of(0.5)).not.toBe(of(0.6))
    const folded = (folds: string): string =>
      policyOf(
        `name: p\ndefaults: {folds: ${folds}}\nrules: [{name: r, trigger: {type: keywords, any: [x]}, actions: [{type: log}]}]\n`,
      ).digest
    expect(folded('all')).not.toBe(folded('[case]'))
  })
})

describe('false_positive_rate', () => {
  it('is resolved by the calibration of the model', () => {
    const yaml = rule(
      'trigger: {type: classifier, classifier: risk, false_positive_rate: 0.001}\nactions: [{type: stop}]',
    )
    const head = (model: string, ...points: [number, number][]) => calibrated(model, 'risk', points)
    const fast = head('stream', [0.02, 0.6], [0.001, 0.83], [0.0001, 0.99])
    const policy = policyOf(yaml, { calibration: { risk: [fast] } })
    expect(policy.leaves[0]).toMatchObject({ min: 0.83, source: 'calibration of stream' })
    const both = { risk: [fast, head('encoder', [0.0005, 0.9])] }
    expect(policyOf(yaml, { calibration: both }).leaves[0]).toMatchObject({
      min: 0.9,
      bars: [
        { model: 'stream', min: 0.83 },
        { model: 'encoder', min: 0.9 },
      ],
      source: 'calibration of stream, encoder',
    })
    const digestOf = (calibration: Calibration): string => policyOf(yaml, { calibration }).digest
    const other = { risk: [head('stream', [0.001, 0.82]), head('encoder', [0.0005, 0.9])] }
    expect(digestOf(both)).not.toBe(digestOf(other))
    const coarse = { risk: [fast, head('encoder', [0.01, 0.9])] }
    expect(problemsOf(yaml, { calibration: coarse })[0]).toMatch(
      /:4:\d+ error: rule r: no calibration of risk holds a rate of 0\.001; the lowest is 0\.01 \(stream, encoder\): ask for that rate/,
    )
    expect(problemsOf(yaml, { calibration: {} })[0]).toMatch(
      /error: rule r: no calibration of risk is loaded .* classifiers\.models/,
    )
    const stated = yaml.replace('rate: 0.001', 'rate: 0.001, threshold: 0.7')
    expect(problemsOf(stated, { calibration: coarse })[0]).toMatch(
      /warning: .* the lowest is 0\.01 .*: the threshold of 0\.7 is taken/,
    )
    expect(policyOf(stated, { calibration: coarse }).leaves[0]).toMatchObject({
      min: 0.7,
      bars: [],
    })
    expect(problemsOf(stated)).toEqual([])
    expect(problemsOf(yaml)[0]).toMatch(/no calibration of risk/)
  })

  it('holds a model to the highest of its labels where all of them are asked for', () => {
    const yaml = rule(
      'trigger: {type: classifier, classifier: ours, false_positive_rate: 0.01}\nactions: [{type: stop}]',
    )
    const ours = [calibrated('m', 'a', [[0.01, 0.4]]), calibrated('m', 'b', [[0.01, 0.6]])]
    const leaf = (text: string) => policyOf(text, { calibration: { ours } }).leaves[0]
    expect(leaf(yaml)).toMatchObject({ bars: [{ model: 'm', min: 0.6 }] })
    expect(leaf(yaml.replace('ours,', 'ours, label: a,'))).toMatchObject({ bars: [{ min: 0.4 }] })
  })

  it('finds a rule behind another one only where no model is held to less there', () => {
    const [early, late] = [0.01, 0.001].map(
      (rate) =>
        `trigger: {type: classifier, classifier: risk, false_positive_rate: ${rate}}, actions: [{type: stop}]`,
    )
    const yaml = `name: p\nrules: [{name: a, continue: false, ${early}}, {name: b, ${late}}]`
    const told = (low: number) =>
      problemsOf(yaml, {
        calibration: {
          risk: [
            calibrated('stream', 'risk', [
              [0.01, 0.5],
              [0.001, low],
            ]),
            calibrated('encoder', 'risk', [
              [0.01, 0.8],
              [0.001, 0.9],
            ]),
          ],
        },
      })
    expect(told(0.6)).toEqual([expect.stringContaining('rule b: never has an effect, because a')])
    expect(told(0.4)).toEqual([])
  })
})
