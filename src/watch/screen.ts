/**
 * The live view as a value: events in, lines of text out. Pure, so that it is tested without a
 * terminal; `watch-cli.ts` owns the terminal. Bounded: the newest requests and decisions only.
 */
import type { RuleFiring } from '../model/decision.ts'
import type { GuardEvent } from '../model/event.ts'
import { clean, fit, table } from './table.ts'
import type { Column } from './table.ts'

const MAX_REQUESTS = 200
const MAX_DECISIONS = 200
const MAX_SAMPLES = 512

/** A line and how much it wants to be seen; what a tone looks like is the terminal's matter. */
export type Line = { readonly text: string; readonly tone: Tone }
export type Tone = 'plain' | 'head' | 'dim' | 'bad'

type Deed = {
  readonly key: string
  readonly request: string
  readonly position: number
  readonly rule: string
  readonly mode: string
  readonly law: string
  readonly actions: Set<string>
}

/** The sidecar's own requests: canaries, and the playground's unguarded side. */
const OWN = 'checkstream.'
/** Risk from which a row is shown as bad. */
const HIGH_RISK = 0.7

type Row = {
  readonly requestId: string
  readonly tenant: string
  readonly policy: string
  tokens: number
  risk: number | undefined
  temperature: number | undefined
  decisions: number
  open: boolean
}

export class Screen {
  #requests = new Map<string, Row>()
  #decisions: Deed[] = []
  #down = ''
  #added: number[] = []
  #tokens = 0
  #lost = 0
  #engines = new Map<string, boolean>()
  #revision = ''
  #policyError: string | undefined

  apply(event: GuardEvent | { readonly kind: 'lost'; readonly count: number }): void {
    switch (event.kind) {
      case 'opened':
        this.#open(event)
        break
      case 'tokens':
        this.#advance(event)
        break
      case 'decision':
        this.#decide(event)
        break
      case 'closed': {
        const row = this.#requests.get(event.requestId)
        if (row !== undefined) row.open = false
        break
      }
      case 'engine':
        this.#engines.set(event.engine, event.attached)
        break
      case 'latched':
      case 'approval':
        break
      case 'policy':
        this.#revision = event.revision
        this.#policyError = event.error
        break
      case 'lost':
        this.#lost += event.count
        break
    }
  }

  /** The event stream stands, or why it does not. */
  connected(reason = ''): void {
    this.#down = reason
  }

  #open(event: GuardEvent & { kind: 'opened' }): void {
    if (own(event.policy)) return
    this.#requests.set(event.requestId, {
      requestId: event.requestId,
      tenant: event.tenant,
      policy: event.policy,
      tokens: 0,
      risk: undefined,
      temperature: undefined,
      decisions: 0,
      open: true,
    })
    for (const [id, row] of this.#requests) {
      if (this.#requests.size <= MAX_REQUESTS) break
      if (!row.open || this.#requests.size > 2 * MAX_REQUESTS) this.#requests.delete(id)
    }
  }

  #advance(event: GuardEvent & { kind: 'tokens' }): void {
    this.#tokens += event.count
    this.#added.push(event.addedUs)
    if (this.#added.length > MAX_SAMPLES) this.#added.shift()
    const row = this.#requests.get(event.requestId)
    if (row === undefined) return
    row.tokens = event.position
    row.risk = event.risk
    row.temperature = event.adapt?.temperature
  }

  #decide(event: GuardEvent & { kind: 'decision' }): void {
    const row = this.#requests.get(event.requestId)
    if (row !== undefined) row.decisions += event.firings.length
    for (const firing of event.firings) this.#tell(event, firing)
    this.#decisions.length = Math.min(this.#decisions.length, MAX_DECISIONS)
  }

  /** One line for a rule at a place, whatever it did there and in how many phases. */
  #tell(
    { requestId, position: at }: { requestId: string; position: number },
    firing: RuleFiring,
  ): void {
    const { rule, mode, action, regulation } = firing
    // What was found in the answer's text does not know the token that was under way.
    const position = at === 0 ? (this.#requests.get(requestId)?.tokens ?? 0) : at
    const key = `${requestId} ${position} ${rule} ${mode}`
    const known = this.#decisions.slice(0, RECENT).find((deed) => deed.key === key)
    if (known !== undefined) {
      known.actions.add(action)
      return
    }
    const actions = new Set([action])
    const request = short(requestId)
    this.#decisions.unshift({ key, request, position, rule, mode, law: regulation ?? '', actions })
  }

  /** At most `height` lines of at most `width` columns. */
  view(width: number, height: number): Line[] {
    const all = [...this.#requests.values()]
    const live = all.filter((row) => row.open)
    const shown = [...live.toReversed(), ...all.filter((row) => !row.open).toReversed()]
    const alarm = this.#alarm(width)
    const room = height - alarm.length - FIXED_LINES
    const half = Math.max(3, Math.min(shown.length, Math.floor(room / 2)))
    const rows = shown.slice(0, half)
    const deeds = this.#decisions.slice(0, Math.max(1, room - half))
    const requests = table(REQUESTS, rows, width)
    const decisions = table(DECISIONS, deeds, width)
    const out: Line[] = [
      { text: this.#header(live.length), tone: 'head' },
      { text: this.#health(), tone: this.#isAttached() ? 'plain' : 'bad' },
      ...alarm,
      { text: '', tone: 'plain' },
      { text: requests.head, tone: 'head' },
      ...requests.lines.map((text, i) => ({ text, tone: toneOf(rows[i]) })),
      ...(rows.length === 0 ? [{ text: 'none yet', tone: 'dim' as const }] : []),
      { text: '', tone: 'plain' },
      { text: decisions.head, tone: 'head' },
      ...decisions.lines.map((text, i) => ({ text, tone: deedTone(deeds[i]) })),
      ...(deeds.length === 0 ? [{ text: 'none yet', tone: 'dim' as const }] : []),
    ]
    return out.slice(0, height).map(({ text, tone }) => ({ text: fit(text, width), tone }))
  }

  lines(width: number, height: number): string[] {
    return this.view(width, height).map(({ text }) => text)
  }

  #isAttached(): boolean {
    return [...this.#engines.values()].includes(true)
  }

  #header(live: number): string {
    const sorted = [...this.#added].sort((a, b) => a - b)
    const at = (q: number): string =>
      sorted.length === 0 ? '–' : time(sorted[Math.floor(q * (sorted.length - 1))] ?? 0)
    const lost = this.#lost === 0 ? '' : `  ${this.#lost} events lost`
    return `${live} live  ${this.#tokens} tokens  added per step p50 ${at(0.5)}, p99 ${at(0.99)}${lost}`
  }

  #health(): string {
    const engines = [...this.#engines].map(([id, up]) => `${id} ${up ? 'attached' : 'GONE'}`)
    const policy = this.#revision === '' ? '' : `policy ${this.#revision.slice(0, 12)}`
    return clean(`${engines.length === 0 ? 'no engine attached' : engines.join(', ')}  ${policy}`)
  }

  /** What somebody should look at, a few lines at most. */
  #alarm(width: number): Line[] {
    const down = this.#down === '' ? [] : [`${this.#down}; trying again`]
    const policy = this.#policyError === undefined ? [] : ['the last good policy is in force:']
    const lines = [...down, ...policy, ...(this.#policyError ?? '').split('\n')]
    return lines
      .filter((text) => text !== '')
      .slice(0, ALARM_LINES)
      .map((text) => ({ text: fit(clean(text), width), tone: 'bad' }))
  }
}

/** Two of the header, and of each table its head and the line before it. */
const FIXED_LINES = 6
const ALARM_LINES = 5

const REQUESTS: readonly Column<Row>[] = [
  {
    head: ' REQUEST',
    text: (row) => `${row.open ? '▸' : ' '}${short(row.requestId)}`,
    min: 13,
    max: 13,
  },
  { head: 'TENANT', text: (row) => row.tenant, min: 6, max: 20, optional: true },
  { head: 'POLICY', text: (row) => row.policy, min: 6, max: 24 },
  { head: 'TOKENS', text: (row) => String(row.tokens), min: 6, max: 6, right: true },
  { head: 'RISK', text: (row, width) => bar(row.risk, width), min: 11, max: 32 },
  {
    head: 'TEMP',
    text: ({ temperature }) => temperature?.toFixed(2) ?? '',
    min: 5,
    max: 5,
    right: true,
  },
  { head: 'DECISIONS', text: (row) => String(row.decisions), min: 9, max: 9, right: true },
]

const DECISIONS: readonly Column<Deed>[] = [
  { head: ' REQUEST', text: ({ request }) => ` ${request}`, min: 13, max: 13 },
  { head: 'TOKEN', text: ({ position }) => String(position), min: 5, max: 6, right: true },
  { head: 'RULE', text: ({ rule }) => rule, min: 10, max: 32 },
  { head: 'DID', text: didOf, min: 12, max: 40 },
  { head: 'REGULATION', text: ({ law }) => law, min: 10, max: 40, optional: true },
]
/** How far back a decision may be joined by its further actions. */
const RECENT = 16

function toneOf(row: Row | undefined): Tone {
  if (row?.risk !== undefined && row.risk >= HIGH_RISK) return 'bad'
  return row?.open === true ? 'plain' : 'dim'
}

/** What no verdict came for in time is told, but asks for nothing. */
const deedTone = (deed: Deed | undefined): Tone =>
  deed?.actions.size === 1 && deed.actions.has('unjudged') ? 'dim' : 'plain'

function didOf({ actions, mode }: Deed): string {
  return `${[...actions].join(', ')}${mode === 'enforce' ? '' : ` (${mode})`}`
}

const time = (us: number): string =>
  us < 10_000 ? `${Math.round(us)} µs` : `${(us / 1000).toFixed(0)} ms`

const RISK_TEXT = 5

function bar(risk: number | undefined, width: number): string {
  if (risk === undefined) return ''
  const length = width - RISK_TEXT
  const full = Math.round(Math.min(1, Math.max(0, risk)) * length)
  return `${'█'.repeat(full)}${'·'.repeat(length - full)} ${risk.toFixed(2)}`
}

/** The end of an id, which differs most. */
function short(id: string): string {
  const printable = clean(id).trim()
  return [...(printable === '' ? '(no id)' : printable)].slice(-12).join('')
}

/** What an event says in one line, where there is no screen to draw on; undefined for every token. */
export function eventLine(event: GuardEvent | { kind: 'lost'; count: number }): string | undefined {
  switch (event.kind) {
    case 'opened':
      return own(event.policy)
        ? undefined
        : clean(`${event.requestId} opened ${event.tenant} ${event.policy}`)
    case 'closed':
      return clean(`${event.requestId} closed after ${event.tokens} tokens`)
    case 'decision':
      return event.firings
        .map(({ rule, action, mode, regulation = '' }) =>
          clean(`${event.requestId} @${event.position} ${rule} ${action} ${mode} ${regulation}`),
        )
        .join('\n')
    case 'engine':
      return clean(`engine ${event.engine} ${event.attached ? 'attached' : 'gone'}`)
    case 'policy':
      return clean(`policy ${event.revision} ${event.error ?? 'in force'}`)
    case 'tenants':
      return clean(`${event.tenants} tenants ${event.error ?? 'in force'}`)
    case 'lost':
      return `${event.count} events lost`
    default:
      return undefined
  }
}

const own = (policy: string): boolean => policy.startsWith(OWN)
