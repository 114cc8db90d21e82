/** What the documentation shows: every YAML and JSON block loads, and errors are those that are printed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { noticesSchema } from '../src/audit/notice.ts'
import { parseBannedTokens } from '../src/config/banned-tokens.ts'
import { parseDocumentText } from '../src/config/document.ts'
import { toEffective } from '../src/config/layers.ts'
import { readDocument } from '../src/main/site/site-document.ts'
import { PHASES } from '../src/model/finding.ts'
import { runPolicyTests } from '../src/policy/command/run-tests.ts'
import { isNote, LEGAL } from '../src/policy/compile/legal.ts'
import { buildLibrary, requireLibrary, requirePolicy } from '../src/policy/files/library.ts'
import type { ActionKind } from '../src/policy/schema/schema-actions.ts'
import { policyDocument, rule } from '../src/policy/schema/schema.ts'
import { MAX } from '../src/policy/schema/schema-words.ts'
import { TRIGGER_TYPES } from '../src/policy/schema/schema-triggers.ts'
import { tenantsSchema } from '../src/policy/tenants.ts'
import { BOUNDS } from '../src/yaml/bounds.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))

type Block = { readonly place: string; readonly language: string; readonly text: string }

function blocksOf(page: string): readonly Block[] {
  const lines = readFileSync(join(ROOT, page), 'utf8').split('\n')
  const found: Block[] = []
  let open: { at: number; language: string } | undefined
  for (const [i, line] of lines.entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (fence === null) continue
    if (open === undefined) {
      open = { at: i + 1, language: fence[1] ?? '' }
      continue
    }
    const text = lines.slice(open.at, i).join('\n')
    found.push({ place: `${page}:${open.at}`, language: open.language, text })
    open = undefined
  }
  return found
}

/** The cells of the table that begins with `head`, its line of dashes left out. */
function tableOf(page: string, head: string): readonly (readonly string[])[] {
  const lines = readFileSync(join(ROOT, page), 'utf8').split('\n')
  const from = lines.slice(lines.findIndex((line) => line.startsWith(head)))
  const rows = from.slice(
    0,
    from.findIndex((line) => !line.startsWith('|')),
  )
  const cells = rows.map((row) => row.split('|').slice(1, -1))
  return cells.map((row) => row.map((cell) => cell.trim())).filter(([first]) => first !== '---')
}

const blocks = PAGES.flatMap(blocksOf)
const data = blocks.filter(({ language }) => language === 'yaml' || language === 'json')

/** Loads a policy without a problem of any kind; its tests pass. */
function loadPolicy(text: string): void {
  const { library, problems } = buildLibrary([{ file: 'doc.yaml', text }], { nowMs: 0 })
  expect(problems).toEqual([])
  const [source] = library?.sources ?? []
  if (library === undefined || source === undefined) throw new Error('no policy')
  const policy = requirePolicy(requireLibrary({ library, problems }), source.document.name)
  expect(runPolicyTests(policy, source).results.filter((one) => !one.isPassed)).toEqual([])
}

const TOOLS = 'tools: {rules: {pay: {values: [{path: to, allow: {origin: [trusted]}}]}}}\n'

/** Who reads a block, by its keys. */
const READERS: readonly (readonly [keys: RegExp, read: (text: string) => void])[] = [
  [/^name,.*rules/, loadPolicy],
  [/^adaptive_decoding$/, (text) => loadPolicy(`name: d\n${text}`)],
  [/^tools$/, (text) => loadPolicy(`name: d\n${text}`)],
  [/^tests$/, (text) => loadPolicy(`name: d\n${TOOLS}${text}`)],
  [/tenants/, (text) => void readDocument(text, 'tenants.yaml', tenantsSchema)],
  [/^destinations/, (text) => void readDocument(text, 'notices.yaml', noticesSchema)],
  [
    /^(server|vllm|backend|guardrails|classifiers|policies|telemetry|cache)\b/,
    (text) =>
      void toEffective({
        file: parseDocumentText(text, 'config.yaml'),
        environment: [],
        flags: [],
      }),
  ],
]

describe('the documentation', () => {
  it('has blocks to look at', () => {
    expect(data.length).toBeGreaterThan(6)
  })

  it.each(data)('$place loads as it stands', ({ text, language }) => {
    // A key's digest is not written out.
    const whole = text.replaceAll('sha256:…', `sha256:${'0'.repeat(64)}`)
    const value: unknown = language === 'json' ? JSON.parse(whole) : parse(whole)
    if (value === null) return // a comment for the editor
    if (Array.isArray(value)) return void parseBannedTokens(whole, 'banned.json')
    const keys = Object.keys(value as object).join(',')
    const reader = READERS.find(([wanted]) => wanted.test(keys))
    if (reader === undefined) throw new Error(`nobody reads ${keys}`)
    reader[1](whole)
  })

  it('has the phases of every action, as they are checked', () => {
    const [head = [], ...rows] = tableOf('docs/policy.md', '| action |')
    const written = rows.flatMap(([names = '', ...marks]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, marks] as const),
    )
    const checked = Object.entries(LEGAL).map(([name, { legal, byDefault }]) => {
      const marks = PHASES.map((phase) =>
        byDefault.includes(phase) && !isNote(name as ActionKind)
          ? 'default'
          : legal.includes(phase)
            ? 'yes'
            : '',
      )
      return [name, marks] as const
    })
    expect(head.slice(1)).toEqual([...PHASES])
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(checked))
  })

  it('names every key, trigger and bound of a policy', () => {
    const page = readFileSync(join(ROOT, 'docs/policy.md'), 'utf8')
    const keys = [...Object.keys(policyDocument.shape), ...Object.keys(rule.shape)]
    for (const name of [...keys, ...TRIGGER_TYPES]) expect(page).toContain(`\`${name}\``)
    const grouped = (bound: number): string => String(bound).replace(/\B(?=(\d{3})+$)/g, ' ')
    const { tokens, values, anchors, repeated } = BOUNDS
    const bounds = [tokens, values, anchors, repeated, MAX.rules, MAX.phrases, MAX.linearSteps]
    for (const bound of [...bounds, MAX.patternCharacters]) expect(page).toContain(grouped(bound))
  })

  it('shows the error of a mistyped key as it is printed', () => {
    const file = readFileSync(join(ROOT, 'test/data/config/sidecar-config.yaml'), 'utf8')
    const typo = file.replace('  reactive:', '  reactve:')
    const shown = blocks.find(({ text }) => text.includes('reactve'))?.text ?? ''
    expect(() =>
      toEffective({
        file: parseDocumentText(typo, 'sidecar-config.yaml'),
        environment: [],
        flags: [],
      }),
    ).toThrow(shown)
  })
})
