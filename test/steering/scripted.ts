/** A scripted model, a real session and a real watcher: it says what it prefers as far as it may. */
import { expect } from 'vitest'
import { ToolWatcher } from '../../src/steering/watcher.ts'
import { toolSite } from '../../src/main/site/tool-site.ts'
import type { TokenSet } from '../../src/model/directive.ts'
import type { Steer } from '../../src/session/row.ts'
import { buildLibrary, requireLibrary } from '../../src/policy/files/library.ts'
import { Session } from '../../src/session/session.ts'
import { createTokenLookup } from '../../src/programs/token-lookup.ts'
import { Taint } from '../../src/tools/taint.ts'
import type { ToolFormat } from '../../src/model/tool-format.ts'
import type { TokenLookup } from '../../src/programs/token-lookup.ts'
import { tokenBytes } from '../../src/vocabulary/vocabulary.ts'
import type { Vocabulary } from '../../src/vocabulary/vocabulary.ts'
import { contextAt } from '../policy/findings.ts'
import { openedRow } from '../step/fakes.ts'

export type Case = {
  readonly name: string
  readonly format: ToolFormat | 'auto'
  readonly offered: readonly string[]
  readonly wants: string
  readonly rest: string
  readonly says: string
}
/** Bytes as a string of the same length: what is said, wanted and spelled is compared so. */
const latin = (text: string | Uint8Array): string => Buffer.from(text).toString('latin1')
const plain = (text: string): string => Buffer.from(text, 'latin1').toString()

export type Words = {
  readonly vocabulary: Vocabulary
  readonly lookup: TokenLookup
  /** Ids that write or are called something, the longest first. */
  readonly ids: readonly number[]
  /** The same by what they begin with. */
  readonly starting: ReadonlyMap<string, readonly number[]>
  readonly textOf: (id: number) => string
}

export function toWords(vocabulary: Vocabulary): Words {
  const said = Array.from({ length: vocabulary.size }, (_, id) =>
    latin(vocabulary.names.get(id) ?? tokenBytes(vocabulary, id)),
  )
  const textOf = (id: number): string => said[id] ?? ''
  const ids = [...said.keys()]
    .filter((id) => said[id] !== '')
    .toSorted((a, b) => textOf(b).length - textOf(a).length)
  const starting = new Map<string, number[]>()
  for (const id of ids) {
    const first = textOf(id)[0] ?? ''
    const known = starting.get(first)
    if (known === undefined) starting.set(first, [id])
    else known.push(id)
  }
  return { vocabulary, lookup: createTokenLookup(vocabulary), ids, starting, textOf }
}

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
    ship:
      values: [{ path: city, allow: { one_of: [Zürich, Zagreb] } }]
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

const context = contextAt('tool')
const facts = () => ({
  tenant: '',
  agent: '',
  nowMs: 0,
  history: [],
  taint: new Taint(),
  commit: (value: string) => value,
})

const lists = new WeakMap<TokenSet, ReadonlySet<number>>()

function listed(set: TokenSet): ReadonlySet<number> {
  const found = lists.get(set) ?? new Set(set.tokens)
  lists.set(set, found)
  return found
}

/** What a model says that prefers `wants` and obeys what the row is told. */
export function run(
  one: Case,
  body: object,
  { vocabulary, lookup, ids, starting, textOf }: Words,
  /** After this the engine hears of a mask only when the next token is said. */
  deafAfter?: string,
) {
  const { format, offered } = one
  const wants = latin(one.wants)
  const rest = latin(one.rest)
  let said = ''
  const session = new Session({
    opened: openedRow(),
    vocabulary,
    walk: undefined,
    isCompared: false,
    maxTextBytes: 100_000,
  })
  const row = {
    text: () => session.text.toString(),
    get position() {
      return session.position
    },
    session,
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
      expect(span[0]).toBeGreaterThanOrEqual(0)
      expect(span[0]).toBeLessThanOrEqual(span[1])
      expect(span[1]).toBe(row.text().length)
      expect(Number.isInteger(tookUs)).toBe(true)
    },
  })
  const say = (id: number): void => {
    said += textOf(id)
    session.advance(session.position, id, undefined)
    watcher.advance()
  }
  let wanted = wants
  let isLed = false
  const isDenied = (id: number, steer: Steer | undefined): boolean =>
    (steer?.deny ?? []).some((set) => listed(set).has(id) !== set.invert)
  const follow = (): void => {
    if (wants.startsWith(said)) wanted = wants.slice(said.length)
    else {
      isLed = true
      wanted = rest
    }
  }
  for (let turn = 0; turn < 200; turn++) {
    const asked = watcher.steer()
    const steer = deafAfter !== undefined && said === latin(deafAfter) ? undefined : asked
    if (steer?.force !== undefined) {
      for (const id of steer.force) {
        say(id)
        watcher.steer()
      }
      follow()
      continue
    }
    const liked = starting
      .get(wanted[0] ?? '')
      ?.find((id) => wanted.startsWith(textOf(id)) && !isDenied(id, steer))
    if (liked === undefined && wanted === '') break
    const id = liked ?? ids.findLast((other) => !isDenied(other, steer))
    if (id === undefined) break
    if (steer?.sync !== true) unawaited += textOf(id)
    say(id)
    if (liked !== undefined) wanted = wanted.slice(textOf(id).length)
    else follow()
    if (isLed && liked === undefined && steer?.deny === undefined) break
  }
  return { text: plain(said), told, played, unawaited: plain(unawaited), steer: watcher.steer() }
}
