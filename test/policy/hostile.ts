/** Documents that cost more than they look: one thing, repeated until there are so many bytes. */

function fill(head: string, line: (i: number) => string, bytes: number, tail = ''): string {
  const out = [head]
  let size = head.length + tail.length
  for (let i = 0; ; i++) {
    const next = line(i)
    if (size + next.length > bytes) break
    out.push(next)
    size += next.length
  }
  out.push(tail)
  return out.join('')
}

const rule = (i: number) => `  - {name: r${i}, trigger: {type: pii}, actions: [{type: stop}]}\n`
export const HOSTILE: Readonly<Record<string, (bytes: number) => string>> = {
  aliases: (b) => fill('name: p\nlists:\n  a: &a [x]\n  b: [', () => '*a, ', b, ']\n'),
  aliasesBlock: (b) => fill('name: p\nlists:\n  a: &a [x]\n  b:\n', () => '  - *a\n', b),
  aliasesUndefined: (b) => fill('name: p\nlists:\n  b:\n', (i) => `  - *x${i}\n`, b),
  anchors: (b) => fill('name: p\nlists:\n  a:\n', (i) => `  - &a${i} x\n`, b),
  anchorsAliases: (b) =>
    fill('name: p\nlists:\n  a:\n', (i) => (i % 2 ? `  - *a${i - 1}\n` : `  - &a${i} x\n`), b),
  unknownKeys: (b) => fill('name: p\n', (i) => `k${i}: 1\n`, b),
  unknownKeysFlow: (b) => fill('{name: p, ', (i) => `k${i}: 1, `, b, '}'),
  repeatedKeys: (b) => fill('name: p\n', () => `name: p\n`, b),
  repeatedPairs: (b) => fill('name: p\n', (i) => `k${i >> 1}: p\n`, b),
  rulesCut: (b) => fill('name: p\nrules:\n', rule, b).slice(0, -17),
  rulesCutMid: (b) => {
    const t = fill('name: p\nrules:\n', rule, b)
    const m = t.length >> 1
    return t.slice(0, m) + t.slice(m + 23)
  },
  rules: (b) => fill('name: p\nrules:\n', rule, b),
  rulesFlow: (b) => fill('name: p\nrules: [\n', (i) => rule(i).slice(4, -1) + ',\n', b, ']'),
  errors: (b) => fill('name: p\nx:\n', () => '  - "a" b: ]\n', b),
  closers: (b) => fill('name: p\nx: ', () => ']', b),
  openers: (b) => fill('name: p\nx: ', () => '[\n', b),
  commas: (b) => fill('name: p\nx: [', () => ',', b, ']'),
  tabs: (b) => fill('name: p\n', () => '\t- x\n', b),
  tags: (b) => fill('name: p\nx:\n', (i) => `  - !t${i} a\n`, b),
  documents: (b) => fill('name: p\n', () => '---\n', b),
  directives: (b) => fill('', (i) => `%TAG !a${i}! x\n`, b, '---\nname: p\n'),
  comments: (b) => fill('name: p\n', () => '#\n', b),
  nulls: (b) => fill('name: p\nx:\n', () => ' -\n', b),
  longPlain: (b) => fill('name: ', () => 'a', b),
  longPlainLines: (b) => fill('name: a\n', () => '  a\n', b),
  longQuoted: (b) => fill('name: "', () => '\\x41', b, '"\n'),
  unclosedQuote: (b) => fill('name: "', () => 'a\n', b),
  blockScalar: (b) => fill('name: |\n', () => '  a\n', b),
  badEscapes: (b) => fill('name: "', () => '\\q', b, '"\n'),
  mergeKeys: (b) => fill('name: p\nlists:\n  a: &a {x: [y]}\n', (i) => `  b${i}: {<<: *a}\n`, b),
  indents: (b) => fill('name: p\nx:\n', (i) => `${' '.repeat(1 + (i % 50))}a${i}:\n`, b),
  dashes: (b) => fill('name: p\nx:\n', () => '  - - - - - - - - -\n', b),
  questions: (b) => fill('name: p\n', (i) => `? [a, ${i}]\n: b\n`, b),
  colons: (b) => fill('name: p\nx: ', () => 'a: ', b),
  nonBmp: (b) => fill('name: "', () => '😀', b >> 1, '"\n'),
  phrases: (b) => fill('name: p\nlists:\n  a:\n', (i) => `    - p${i}\n`, b),
  lists: (b) => fill('name: p\nlists:\n', (i) => `  l${i}: [x]\n`, b),
  variables: (b) => fill('name: p\nvariables:\n', (i) => `  l${i}: \${x}\n`, b),
  tests: (b) => fill('name: p\ntests:\n', () => `  - {text: x, fires: r}\n`, b),
  badRules: (b) => fill('name: p\nrules:\n', () => `  - {nam: r}\n`, b),
  badTriggers: (b) =>
    fill(
      'name: p\nrules:\n  - name: r\n    actions: [{type: stop}]\n    trigger:\n      type: any\n      triggers:\n',
      () => `        - {type: patern}\n`,
      b,
    ),
  patterns: (b) =>
    fill(
      'name: p\nrules:\n  - name: r\n    actions:\n      - type: ban\n        patterns: [',
      (i) => `"a{0,64}b${i}", `,
      b,
      ']',
    ),
  keywords: (b) =>
    fill(
      'name: p\nrules:\n  - name: r\n    actions: [{type: stop}]\n    trigger: {type: keywords, any: [',
      (i) => `w${i}, `,
      b,
      ']}\n',
    ),
  bigPattern: (b) =>
    `name: p\nrules:\n` +
    Array.from(
      { length: Math.min(2000, (b / 4200) | 0) },
      (_, i) =>
        `  - {name: r${i}, trigger: {type: pattern, pattern: "${'(a|b)*'.repeat(650)}${i}"}, actions: [{type: stop}]}\n`,
    ).join(''),
  bigRepeat: (b) =>
    fill(
      'name: p\nrules:\n',
      (i) =>
        `  - {name: r${i}, trigger: {type: pattern, pattern: "((a{0,60}){0,60})${i}*"}, actions: [{type: stop}]}\n`,
      Math.min(b, 200000),
    ),
  wordsMany: (b) =>
    fill(
      'name: p\nrules:\n',
      (r) => {
        const words = Array.from({ length: 600 }, (_, i) => `w${i + r * 600}`)
        const pattern = words.join('|').slice(0, 4_090)
        return `  - {name: r${r}, actions: [{type: stop}], trigger: {type: pattern, pattern: "${pattern}"}}\n`
      },
      b,
    ),
}
