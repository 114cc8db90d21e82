/**
 * The live view as a value: events in, lines of text out. Pure, so that it is tested without a
 * terminal; `watch-cli.ts` owns the terminal. Bounded: the newest requests and decisions only.
 */
import type { RuleFiring } from '../model/decision.ts'
import type { GuardEvent } from '../model/event.ts'

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
    if (event.policy.startsWith(OWN)) return
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
    { requestId, position }: { requestId: string; position: number },
    firing: RuleFiring,
  ): void {
    const { rule, mode, action, regulation } = firing
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
    const half = Math.max(3, Math.min(shown.length, Math.floor((height - 6) / 2)))
    const isBad = this.#down !== '' || this.#policyError !== undefined
    const out: Line[] = [
      { text: this.#header(live.length), tone: 'head' },
      { text: this.#health(), tone: isBad || !this.#isAttached() ? 'bad' : 'plain' },
      { text: '', tone: 'plain' },
      { text: REQUEST_HEAD, tone: 'head' },
      ...shown.slice(0, half).map((row) => ({ text: requestLine(row), tone: toneOf(row) })),
      { text: '', tone: 'plain' },
      { text: DECISION_HEAD, tone: 'head' },
      ...this.#decisions
        .slice(0, Math.max(1, height - half - 6))
        .map((deed) => ({ text: decisionLine(deed), tone: 'plain' as const })),
    ]
    return out.slice(0, height).map(({ text, tone }) => ({ text: text.slice(0, width), tone }))
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
      sorted.length === 0 ? '–' : `${Math.round(sorted[Math.floor(q * (sorted.length - 1))] ?? 0)}`
    const lost = this.#lost === 0 ? '' : `  ${this.#lost} events lost`
    return `${live} live  ${this.#tokens} tokens  added per step p50 ${at(0.5)} µs, p99 ${at(0.99)} µs${lost}`
  }

  #health(): string {
    if (this.#down !== '') return `${this.#down}; trying again`
    const engines = [...this.#engines].map(([id, up]) => `${id} ${up ? 'attached' : 'GONE'}`)
    const policy = this.#revision === '' ? '' : `policy ${this.#revision.slice(0, 12)}`
    const error = this.#policyError === undefined ? '' : `  POLICY ERROR: ${this.#policyError}`
    return `${engines.length === 0 ? 'no engine attached' : engines.join(', ')}  ${policy}${error}`
  }
}

const REQUEST_HEAD =
  'REQUEST       TENANT      POLICY           TOKENS  RISK                   TEMP  DECISIONS'
const DECISION_HEAD = 'DECISION AT           RULE                        DID'
/** How far back a decision may be joined by its further actions. */
const RECENT = 16

function toneOf({ open, risk }: Row): Tone {
  if (risk !== undefined && risk >= HIGH_RISK) return 'bad'
  return open ? 'plain' : 'dim'
}

function decisionLine({ request, position, rule, mode, law, actions }: Deed): string {
  const deed = `${[...actions].join(', ')}${mode === 'enforce' ? '' : ` (${mode})`}`
  return `${request.padEnd(14)}@${String(position).padEnd(7)}${rule.slice(0, 27).padEnd(28)}${deed.padEnd(24)}${law}`.trimEnd()
}

function requestLine(row: Row): string {
  return [
    `${row.open ? '▸' : ' '}${short(row.requestId)}`.padEnd(14),
    row.tenant.slice(0, 10).padEnd(12),
    row.policy.slice(0, 15).padEnd(17),
    String(row.tokens).padStart(6),
    `  ${bar(row.risk)}`.padEnd(23),
    (row.temperature === undefined ? '' : row.temperature.toFixed(2)).padStart(6),
    String(row.decisions).padStart(11),
  ].join('')
}

const BAR = 14

function bar(risk: number | undefined): string {
  if (risk === undefined) return ''
  const full = Math.round(Math.min(1, Math.max(0, risk)) * BAR)
  return `${'█'.repeat(full)}${'·'.repeat(BAR - full)} ${risk.toFixed(2)}`
}

/** Printable and short: ids come from outside and must not move the cursor. */
function short(id: string): string {
  const printable = [...id].filter((c) => c >= ' ' && c !== '\u007f').join('')
  return (printable === '' ? '(no id)' : printable).slice(-12)
}
