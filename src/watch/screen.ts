/**
 * The live view as a value: events in, lines of text out. Pure, so that it is tested without a
 * terminal; `watch-cli.ts` owns the terminal. Bounded: the newest requests and decisions only.
 */
import type { GuardEvent } from '../model/event.ts'

const MAX_REQUESTS = 200
const MAX_DECISIONS = 200
const MAX_SAMPLES = 512

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
  #decisions: string[] = []
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
      case 'policy':
        this.#revision = event.revision
        this.#policyError = event.error
        break
      case 'lost':
        this.#lost += event.count
        break
    }
  }

  #open(event: GuardEvent & { kind: 'opened' }): void {
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
    row.tokens = event.position + 1
    row.risk = event.risk
    row.temperature = event.adapt?.temperature
  }

  #decide(event: GuardEvent & { kind: 'decision' }): void {
    const row = this.#requests.get(event.requestId)
    if (row !== undefined) row.decisions += event.firings.length
    for (const firing of event.firings) {
      const law = firing.regulation === undefined ? '' : `  ${firing.regulation}`
      this.#decisions.unshift(
        `${short(event.requestId)}  @${event.position}  ${firing.action}  ${firing.rule}  ${firing.mode}${law}`,
      )
    }
    this.#decisions.length = Math.min(this.#decisions.length, MAX_DECISIONS)
  }

  /** At most `height` lines of at most `width` columns. */
  lines(width: number, height: number): string[] {
    const live = [...this.#requests.values()].filter((row) => row.open)
    const shown = [...live, ...[...this.#requests.values()].filter((row) => !row.open).toReversed()]
    const half = Math.max(3, Math.floor((height - 6) / 2))
    const out = [
      this.#header(live.length),
      this.#health(),
      '',
      'REQUEST       TENANT      POLICY           TOKENS  RISK                   TEMP  DECISIONS',
      ...shown.slice(0, half).map((row) => requestLine(row)),
      '',
      'DECISIONS',
      ...this.#decisions.slice(0, Math.max(1, height - half - 6)),
    ]
    return out.slice(0, height).map((line) => line.slice(0, width))
  }

  #header(live: number): string {
    const sorted = [...this.#added].sort((a, b) => a - b)
    const at = (q: number): string =>
      sorted.length === 0 ? '–' : `${Math.round(sorted[Math.floor(q * (sorted.length - 1))] ?? 0)}`
    const lost = this.#lost === 0 ? '' : `  ${this.#lost} events lost`
    return `${live} live  ${this.#tokens} tokens  added per step p50 ${at(0.5)} µs, p99 ${at(0.99)} µs${lost}`
  }

  #health(): string {
    const engines = [...this.#engines].map(([id, up]) => `${id} ${up ? 'attached' : 'GONE'}`)
    const policy = this.#revision === '' ? '' : `policy ${this.#revision.slice(0, 12)}`
    const error = this.#policyError === undefined ? '' : `  POLICY ERROR: ${this.#policyError}`
    return `${engines.length === 0 ? 'no engine attached' : engines.join(', ')}  ${policy}${error}`
  }
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
