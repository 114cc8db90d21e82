/**
 * One governed row at the guard: its session, what was found in it so far, and the directive that is
 * in force. Findings remember their position, so a rewind takes them back with the text.
 */
import type { Decision } from '../model/decision.ts'
import type { Directive, TokenSet } from '../model/directive.ts'
import type { Finding } from '../model/finding.ts'
import type { Latch, RequestEntry } from './request-hub.ts'
import type { Session } from './session.ts'

/** Findings kept per row. Past it the oldest is forgotten: rules that fired on it have acted. */
export const MAX_FINDINGS = 256

/**
 * Follows one row's text: keywords, tool calls, scores. It reads what it wants from the session and
 * keeps its own place. No method may throw or block.
 */
export interface Watcher {
  /** The row has new text. Gives what was found at once; the rest is reported later. */
  advance(): readonly Finding[]
  /** The row went back to `position`. */
  rewind(position: number): void
  close(): void
  /** Resolves when all text read so far is judged; undefined when it is already. Never rejects. */
  settled?(): Promise<void> | undefined
  /** Risk of the text judged so far, 0 to 1, for those who look on. */
  readonly risk?: number
  /** What the text wants done at its next token, beside what findings mean; the same object while it holds. */
  steer?(): Steer | undefined
}

/** Done at the next token for the sake of a tool call that is being spelled. */
export type Steer = {
  readonly sync: boolean
  readonly deny?: readonly TokenSet[]
  readonly force?: readonly number[]
}

const ALLOW: Directive = { fromPosition: 0, sync: false }

export class Row<P> {
  readonly slot: number
  readonly generation: number
  readonly session: Session
  readonly policy: P
  readonly entry: RequestEntry<P> | undefined
  watchers: readonly Watcher[] = []
  heardMs: number
  /** What was last sent; `fromPosition` aside, equal directives are not sent again. */
  directive: Directive = ALLOW
  latch: Latch | undefined
  /** The sequence that was forced last, and where: it is played once. */
  forced: { readonly tokens: readonly number[]; readonly at: number } | undefined
  /** Number of the step that touched the row last, so that it is judged once per step. */
  touchedBy = -1
  isClosed = false
  /** Of the engine's probe, 0 to 1, for the newest token; undefined while it reports none. */
  probability: number | undefined
  /** What the policy's rules want, before it is steered. */
  ruled: Directive = ALLOW
  steer: Steer | undefined
  #findings: Finding[] = []
  #foundAt: number[] = []

  constructor(session: Session, policy: P, entry: RequestEntry<P> | undefined, nowMs: number) {
    this.slot = session.opened.slot
    this.generation = session.opened.generation
    this.session = session
    this.policy = policy
    this.entry = entry
    this.heardMs = nowMs
  }

  get child(): number {
    return this.session.opened.child
  }

  get position(): number {
    return this.session.position
  }

  /** The highest that any watcher sees; undefined when nothing scores this row. */
  get risk(): number | undefined {
    let highest: number | undefined
    for (const { risk } of this.watchers) {
      if (risk !== undefined && risk > (highest ?? -1)) highest = risk
    }
    return highest
  }

  /** The text so far; an unfinished character at the end is not there yet. */
  text(): string {
    return this.session.text.toString()
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  find(findings: readonly Finding[]): void {
    for (const finding of findings) {
      if (this.#findings.length >= MAX_FINDINGS) {
        // Counted verdicts come with every token: they give way before what is found but once.
        const oldest = Math.max(0, this.#findings.findIndex(isRepeated))
        this.#findings.splice(oldest, 1)
        this.#foundAt.splice(oldest, 1)
      }
      this.#findings.push(finding)
      this.#foundAt.push(completedAt(finding) ?? this.session.position)
    }
  }

  /** Takes back what was found past `position`; true when there was something. */
  rewind(position: number): boolean {
    for (const watcher of this.watchers) watcher.rewind(position)
    if (this.forced !== undefined && this.forced.at > position) this.forced = undefined
    const before = this.#findings.length
    const isKept = (_: unknown, i: number): boolean => (this.#foundAt[i] ?? 0) <= position
    const kept = this.#findings.filter(isKept)
    if (kept.length === before) return false
    this.#foundAt = this.#foundAt.filter((at) => at <= position)
    this.#findings = kept
    return true
  }
}

/**
 * Where the text of a finding was complete. Tokens that come at once are read at once: a match is found
 * after the last of them, and text after it that is taken back does not take the match back.
 */
const completedAt = (finding: Finding): number | undefined =>
  finding.kind === 'match' || finding.kind === 'pii' ? finding.position : undefined

/** A later verdict says the same again. */
const isRepeated = ({ kind }: Finding): boolean => kind === 'verdict'

/** What the engine is to do from `fromPosition` on. */
export function toDirective(decision: Decision, fromPosition: number): Directive {
  const { adapt, deny, force, stop } = decision
  return {
    fromPosition,
    sync: decision.sync,
    ...(adapt === undefined ? {} : { adapt }),
    ...(deny === undefined ? {} : { deny }),
    ...(force === undefined ? {} : { force }),
    ...(stop === undefined ? {} : { stop: { reason: stop.reason } }),
  }
}

/**
 * The rules' directive with what steers a tool call; the row's own force comes first. A mask of a call is
 * about the very next token: an engine that hears of it too late must not spell the one after with it.
 */
export function steered(
  ruled: Directive,
  steer: Steer | undefined,
  fromPosition: number,
): Directive {
  if (steer === undefined) return { ...ruled, fromPosition }
  const deny = [...(ruled.deny ?? []), ...(steer.deny ?? [])]
  const force = ruled.force ?? steer.force
  return {
    ...ruled,
    fromPosition,
    sync: ruled.sync || steer.sync,
    ...(steer.deny === undefined || isEditing(ruled) ? {} : { untilPosition: fromPosition + 1 }),
    ...(deny.length === 0 ? {} : { deny }),
    ...(force === undefined ? {} : { force }),
  }
}

const isEditing = ({ adapt, deny, force, stop }: Directive): boolean =>
  adapt !== undefined || deny !== undefined || force !== undefined || stop !== undefined

/** True when the engine would do the same, wherever it begins. */
export function isSameDirective(a: Directive, b: Directive): boolean {
  return (
    a.sync === b.sync &&
    a.untilPosition === b.untilPosition &&
    a.stop?.reason === b.stop?.reason &&
    isSameSets(a.deny, b.deny) &&
    isSameList(a.force, b.force) &&
    a.adapt?.temperature === b.adapt?.temperature &&
    a.adapt?.topP === b.adapt?.topP &&
    a.adapt?.topK === b.adapt?.topK &&
    a.adapt?.minP === b.adapt?.minP &&
    a.adapt?.repetitionPenalty === b.adapt?.repetitionPenalty
  )
}

/** A sequence is told once: told again later it would be played from there. */
export function withoutForce({ force: _told, ...directive }: Directive): Directive {
  return directive
}

/** A sequence that was played already is not played again while its reason still holds. */
export function withoutPlayed<P>(row: Row<P>, directive: Directive): Directive {
  if (directive.force === undefined) return directive
  const isPlayed = isSameList(directive.force, row.forced?.tokens)
  if (!isPlayed) {
    row.forced = { tokens: directive.force, at: directive.fromPosition }
    return directive
  }
  return withoutForce(directive)
}

function isSameSets(
  a: readonly TokenSet[] | undefined,
  b: readonly TokenSet[] | undefined,
): boolean {
  if (a === b) return true
  return a?.length === b?.length && (a ?? []).every((set, i) => isSameSet(set, b?.[i]))
}

const isSameSet = (a: TokenSet, b: TokenSet | undefined): boolean =>
  a === b || (a.invert === b?.invert && isSameList(a.tokens, b.tokens))

function isSameList<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): boolean {
  if (a === b) return true
  return a?.length === b?.length && (a ?? []).every((item, i) => item === b?.[i])
}
