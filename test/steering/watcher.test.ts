/** Tool calls steered while they are spelled: a scripted model, a real guard, its directives obeyed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ToolWatcher } from '../../src/steering/watcher.ts'
import { toolSite } from '../../src/main/tool-site.ts'
import type { Steer } from '../../src/session/row.ts'
import { buildLibrary, requireLibrary } from '../../src/policy/library.ts'
import { createTokenLookup } from '../../src/programs/token-lookup.ts'
import { Taint } from '../../src/tools/taint.ts'
import type { ToolFormat } from '../../src/model/tool-format.ts'
import { createVocabulary, tokenBytes } from '../../src/vocabulary/vocabulary.ts'

type Case = {
  readonly name: string
  readonly format: ToolFormat | 'auto'
  readonly offered: readonly string[]
  readonly wants: string
  readonly rest: string
  readonly says: string
}
const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/steering.yaml'), 'utf8'),
) as readonly Case[]

const awaited = parse(
  readFileSync(join(import.meta.dirname, '../data/tools/awaited.yaml'), 'utf8'),
) as readonly (Pick<Case, 'name' | 'format'> & { readonly text: string; readonly free: string })[]

const PIECES = [
  '<tool_call>',
  '</tool_call>',
  '{"',
  'name',
  '":',
  '": "',
  ' "',
  '"to',
  'arguments',
  'parameters',
  'send',
  '_email',
  'delete',
  '_all',
  'evil',
  'bank',
  'safe@',
  '.example',
  '"}}',
  'alice',
  'bob',
  '("',
  "('",
  '=to>',
  '</arg_value>',
  'x@',
]
const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
const vocabulary = createVocabulary(
  [...bytes, ...PIECES.map((piece) => new TextEncoder().encode(piece))],
  256 + PIECES.length,
)
const textOf = (id: number): string => Buffer.from(tokenBytes(vocabulary, id)).toString('latin1')
const ids = Array.from({ length: vocabulary.size }, (_, id) => id).toSorted(
  (a, b) => textOf(b).length - textOf(a).length,
)
const lookup = createTokenLookup(vocabulary)

const policy = requireLibrary(
  buildLibrary(
    [
      {
        file: 'p.yaml',
        text: `name: p
tools:
  rules:
    pay:
      values: [{ path: to, allow: { one_of: [alice, bob] } }]
rules:
  - name: no-deleting
    trigger: { type: tool, name: delete_all }
    actions: [{ type: block_tool_call }]
  - name: mail-stays-here
    trigger: { type: tool, name: send_email }
    actions: [{ type: rewrite_tool, argument: to, value: safe@bank.example }]
`,
      },
    ],
    { nowMs: 0 },
  ),
).combined

const context = {
  requestId: 'r',
  tenant: '',
  user: '',
  model: 'm',
  phase: 'tool' as const,
  position: 0,
  parameters: {},
}
const facts = () => ({
  tenant: '',
  agent: '',
  nowMs: 0,
  history: [],
  taint: new Taint(),
  commit: (value: string) => value,
})

/** What a model says that prefers `wants` and obeys what the row is told. */
function run({ format, offered, wants, rest }: Case, body: object = {}) {
  let text = ''
  let position = 0
  const row = {
    text: () => text,
    get position() {
      return position
    },
    session: { text: { openBytes: 0 } },
  }
  const tools = offered.map((name) => ({ type: 'function', function: { name } }))
  const told: string[] = []
  const played: unknown[] = []
  /** What was sampled without waiting for the sidecar. */
  let unawaited = ''
  const watcher = new ToolWatcher(row as never, {
    policy,
    site: toolSite({ ...body, tools }, context, {
      facts,
      forced: () => undefined,
    }),
    context,
    format: format === 'auto' ? undefined : format,
    lookup,
    forced: (value) => played.push(value),
    observe: ({ rule, action, span, tookUs }) => {
      told.push(`${rule}=${action}`)
      // The evidence is what is spelled of the call, to the end of the text.
      expect(span[0]).toBeLessThanOrEqual(span[1])
      expect(span[1]).toBe(text.length)
      expect(Number.isInteger(tookUs)).toBe(true)
    },
  })
  const say = (id: number): void => {
    text += textOf(id)
    position++
    watcher.advance()
  }
  let wanted = wants
  let isLed = false
  const isDenied = (id: number, steer: Steer | undefined): boolean =>
    (steer?.deny ?? []).some((set) => set.tokens.includes(id) !== set.invert)
  const follow = (): void => {
    if (wants.startsWith(text)) wanted = wants.slice(text.length)
    else {
      isLed = true
      wanted = rest
    }
  }
  for (let turn = 0; turn < 200; turn++) {
    const steer = watcher.steer()
    if (steer?.force !== undefined) {
      for (const id of steer.force) {
        say(id)
        watcher.steer()
      }
      follow()
      continue
    }
    const liked = ids.find(
      (id) => wanted !== '' && wanted.startsWith(textOf(id)) && !isDenied(id, steer),
    )
    if (liked === undefined && wanted === '') break
    const id = liked ?? ids.findLast((one) => !isDenied(one, steer))
    if (id === undefined) break
    if (steer?.sync !== true) unawaited += textOf(id)
    say(id)
    if (liked !== undefined) wanted = wanted.slice(textOf(id).length)
    else follow()
    if (isLed && liked === undefined && steer?.deny === undefined) break
  }
  return { text, told, played, unawaited, steer: watcher.steer() }
}

const escape = (text: string): string => text.replaceAll(/[{}[\]().*+^$\\]/g, '\\$&')

describe('ToolWatcher', () => {
  it.each(cases)('$name', (one) => {
    const { text } = run(one)
    const isPattern = /\(alice|\?"|\.\*/.test(one.says)
    if (!isPattern) expect(text).toBe(one.says)
    else if (one.says.endsWith('.*')) expect(text).toMatch(new RegExp(`^${one.says}$`, 's'))
    else {
      const pattern = escape(one.says).replace('\\(alice|bob\\)', '(alice|bob)').replace(' ?', ' ?')
      expect(text).toMatch(new RegExp(`^${pattern}$`))
    }
    expect(text).not.toMatch(/evil|delete_all\W/)
  })

  it('tells of what it steered, once', () => {
    const { told, played } = run(caseOf('forced'))
    expect(told).toEqual(['mail-stays-here=force'])
    expect(played).toEqual([{ name: 'send_email', path: 'to', value: 'safe@bank.example' }])
  })

  it('does not tell of a value that was chosen from a list as of a forced one', () => {
    expect(run(caseOf('only a listed')).played).toEqual([])
  })

  it('leaves a request under a grammar to the stream', () => {
    const forced = caseOf('forced')
    const left = run(forced, { tool_choice: 'required' })
    expect(left.text).toBe(forced.wants)
    expect(left.steer).toBeUndefined()
  })

  it.each(awaited)('$name', ({ format, text: wants, free }) => {
    const { text, unawaited } = run({
      ...caseOf('forced'),
      format,
      offered: ['read'],
      wants,
      rest: '',
    })
    expect(text).toBe(wants)
    expect(unawaited).toBe(free)
  })
})

function caseOf(words: string): Case {
  const found = cases.find(({ name }) => name.includes(words))
  if (found === undefined) throw new Error(`no case ${words}`)
  return found
}
