/**
 * Follows the tool calls that a row spells, and steers them while they are spelled: a refused name or
 * value cannot be sampled, and a value that can only be one text is forced, so that the engine's cache
 * and its own parser hold the safe one. What cannot be steered is left to the stream.
 */
import type { GuardEvent, TextAt } from '../model/event.ts'
import type { Finding } from '../model/finding.ts'
import type { ToolFormat } from '../model/tool-format.ts'
import type { TokenLookup } from '../programs/token-lookup.ts'
import { DEFAULT_PRIORITY } from '../policy/compiled.ts'
import type { CompiledPolicy, DecideContext } from '../policy/compiled.ts'
import type { Row, Steer, Watcher } from '../session/row.ts'
import { SpelledText } from '../session/spelled-text.ts'
import { JsonCursor } from '../tools/json-cursor.ts'
import { createDetectingRecogniser, createToolRecogniser } from '../tools/recogniser.ts'
import type { ToolRecogniser } from '../tools/recogniser.ts'
import type { SpelledName } from '../tools/source.ts'
import { namesIn, planNames, planValue } from './plan.ts'
import type { NamePlan, ValuePlan } from './plan.ts'
import type { ForcedValue, ToolSite } from './site.ts'
import { afterValue, spellings } from './spelling.ts'
import type { ValueSpelling } from './spelling.ts'
import { TokenSets } from './token-sets.ts'

/** A row's policy, as far as steering asks it. */
export type Steered = { readonly compiled: CompiledPolicy }

/** `span` is what is spelled of the call so far, in the row's text. */
export type SteeredCall = {
  readonly rule: string
  readonly action: 'deny' | 'force'
  readonly span: readonly [number, number]
  /** Whole microseconds that this token's steering took. */
  readonly tookUs: number
}

export type ToolWatcherParts = {
  readonly policy: CompiledPolicy
  readonly site: ToolSite | undefined
  readonly context: DecideContext
  readonly format: ToolFormat | undefined
  readonly lookup: TokenLookup
  /** Told once of every name and value that is steered. Must not throw. */
  readonly observe: (steered: SteeredCall) => void
  /** The one value that policy allows there is being played. Must not throw. */
  readonly forced?: (call: ForcedValue) => void
}

type Call = { start: number; name: string; read: number; cursor: JsonCursor }

/** Where text is spelled now, and what may follow. */
type Spelling = {
  readonly kind: 'only' | 'never'
  readonly place: string
  readonly rule: string
  readonly rests: readonly string[]
  /** Control tokens that end the name which is spelled. */
  readonly marks?: readonly string[]
  /** What is left of the only value that may stand here. */
  readonly force?: string
  /** Told of when it is forced, unless the model had a choice of values. */
  readonly safe?: ForcedValue
}

const MAX_CALL_CHARS = 64 * 1024
const SYNC: Steer = { sync: true }
/** Where a call may begin with the very next token: nothing said yet, the thinking just over, calls begun. */
const MAY_CALL = [
  '</think>',
  '[/THINK]',
  '<tool_call>',
  '<|tool_calls_section_begin|>',
  '<|tool_call_end|>',
  '<｜tool▁calls▁begin｜>',
  '<｜tool▁call▁end｜>',
]
const TAIL = 64

export class ToolWatcher implements Watcher {
  readonly #row: Row<Steered>
  readonly #parts: ToolWatcherParts
  readonly #sets: TokenSets
  /** What is read and steered; evidence is told in places of the row's own text. */
  readonly #text: SpelledText
  #reader: ToolRecogniser
  #read = 0
  #call: Call | undefined
  #names: NamePlan | undefined
  #steer: Steer | undefined
  #key = ''
  /** A sequence that the engine plays: what the text will be when it is over. */
  #forced: { readonly until: number; readonly text: string } | undefined
  #told = new Set<string>()
  #beganMs = 0

  constructor(row: Row<Steered>, parts: ToolWatcherParts) {
    this.#row = row
    this.#parts = parts
    this.#sets = new TokenSets(parts.lookup)
    this.#text = new SpelledText(row)
    this.#reader = createReader(parts.format)
  }

  advance(): readonly Finding[] {
    const text = this.#text.toString()
    if (text.length > this.#read) {
      this.#hear(text.slice(this.#read))
      this.#read = text.length
    }
    return []
  }

  /** Reads the shortened text again: rewinds are rare. */
  rewind(): void {
    this.#text.reset()
    this.#reader = createReader(this.#parts.format)
    this.#call = undefined
    this.#forced = undefined
    this.#read = 0
    this.advance()
  }

  close(): void {
    this.#read = Number.MAX_SAFE_INTEGER
  }

  steer(): Steer | undefined {
    const { site } = this.#parts
    this.#beganMs = performance.now()
    if (site?.isConstrained === true) return undefined
    const text = this.#text.toString()
    if (this.#isPlaying(text)) return this.#steer
    const isOpen = this.#reader.openFrom < text.length
    if (!isOpen) return this.#keep(site !== undefined && mayCall(text) ? SYNC : undefined, '')
    const spelling = this.#spelling(text)
    if (spelling === undefined) return this.#keep(SYNC, '')
    return this.#apply(spelling, text)
  }

  #hear(more: string): void {
    for (const seen of this.#reader.push(more)) {
      if (this.#call?.start !== seen.start) {
        this.#call = { start: seen.start, name: seen.name, read: 0, cursor: new JsonCursor() }
      }
      this.#call.cursor.push(seen.arguments.slice(this.#call.read))
      this.#call.read = seen.arguments.length
      if (seen.complete) this.#call = undefined
    }
  }

  /** While a forced sequence plays nothing new is told; one that came too late is given up. */
  #isPlaying(text: string): boolean {
    const forced = this.#forced
    if (forced === undefined) return false
    const isOnIt = forced.text.startsWith(text) && this.#row.position < forced.until
    if (!isOnIt) this.#forced = undefined
    return isOnIt
  }

  #spelling(text: string): Spelling | undefined {
    const { format } = this.#reader
    if (format === undefined) return undefined
    const name = this.#reader.spelledName
    if (name !== undefined) return this.#spellingOfName(name)
    const call = this.#call
    const value = this.#reader.spelledValue
    if (call === undefined) return undefined
    if (value !== undefined) {
      const spell = (one: string): readonly ValueSpelling[] => spellings(format, one, '')
      return this.#spellingOfValue(call, value.key, value.text, spell)
    }
    const { place } = call.cursor
    if (place === undefined) return undefined
    const path = place.path.join('.')
    if (place.kind === 'string') {
      const quote = text[text.length - place.raw.length - 1] ?? '"'
      return this.#spellingOfValue(call, path, place.raw, (one) => spellings(format, one, quote))
    }
    const plan = this.#plan(call, path)
    if (plan?.kind !== 'only') return undefined
    const at = `${call.start} ${path}`
    if (place.kind === 'end') {
      const next = afterValue(format)
      return next.length === 0
        ? undefined
        : { kind: 'only', rests: next, place: at, rule: plan.rule }
    }
    const gap = place.gap === '' && format !== 'pythonic' ? ' ' : ''
    return this.#spellingOfValue(call, path, '', (one) =>
      spellings(format, one, '"').map(({ text: body, ends }) => ({ text: `${gap}"${body}`, ends })),
    )
  }

  #spellingOfValue(
    call: Call,
    path: string,
    spelled: string,
    spell: (value: string) => readonly ValueSpelling[],
  ): Spelling | undefined {
    const plan = this.#plan(call, path)
    if (plan === undefined) return undefined
    const { kind, values, rule } = plan
    const at = { place: `${call.start} ${path}`, rule }
    if (kind === 'never') {
      const left = values.flatMap((value) =>
        spell(value).flatMap((one) => restsOf(closed(one), spelled)),
      )
      return left.length === 0 ? undefined : { kind, rests: left, ...at }
    }
    const open = values.flatMap((value) => spell(value).find((one) => isOpen(one, spelled)) ?? [])
    // The text has left every spelling: it came too late, and the stream decides.
    if (open.length === 0) return undefined
    const left = open.flatMap((one) => restsOf(spelledOut(one), spelled))
    const [only] = open
    const force = only?.text.slice(spelled.length) ?? ''
    if (open.length > 1 || force === '') return { kind, rests: left, ...at }
    const [value] = values
    const safe =
      values.length > 1 || value === undefined ? undefined : { name: call.name, path, value }
    return { kind, rests: left, force, ...(safe === undefined ? {} : { safe }), ...at }
  }

  #spellingOfName({ text, form }: SpelledName): Spelling | undefined {
    const { allowed, refused } = (this.#names ??= this.#planNames())
    if (refused.length === 0) return undefined
    const spelled = text.trimStart()
    const at = { place: `name ${this.#reader.openFrom}`, rule: 'tools.name' }
    const marks = form.ends.filter((end) => this.#sets.isMark(end))
    const spell = (names: readonly string[]): readonly string[] =>
      names.flatMap((name) => form.before.map((part) => part + name))
    const open = (kind: Spelling['kind'], names: readonly string[], texts: readonly string[]) => {
      const left = restsOf(texts, spelled)
      const closing = names.includes(spelled) ? marks : []
      const isOpen = left.length > 0 || closing.length > 0
      return isOpen ? { kind, rests: left, marks: closing, ...at } : undefined
    }
    const good = spell(allowed.length === 0 ? [] : [...allowed, ...form.words])
    const ends = form.ends.filter((end) => !marks.includes(end))
    const ended = good.flatMap((name) =>
      ends.length === 0 ? [name] : ends.map((end) => name + end),
    )
    const only = open('only', good, allowed.length === 0 ? [] : [...ended, ...form.others])
    if (only !== undefined) return only
    // No allowed name is spelled any more, or there is none: no refused one is completed, or ends.
    const bad = spell(refused)
    const completed = bad.flatMap((name) => [name, ...form.ends.map((end) => name + end)])
    return open('never', bad, completed)
  }

  #planNames(): NamePlan {
    const { policy, site, context } = this.#parts
    if (site !== undefined) return planNames(policy, site.offered, site.context, site.tools())
    return { allowed: [], refused: planNames(policy, namesIn(policy), context).refused }
  }

  #plan(call: Call, path: string): ValuePlan | undefined {
    const { policy, site, context } = this.#parts
    return planValue(policy, call.name, path, site?.context ?? context)
  }

  #apply(spelling: Spelling, text: string): Steer | undefined {
    const { kind, marks, place, rule, force: only, safe } = spelling
    // Bytes of a character that is not whole yet are spelled already.
    const open = this.#row.session.text.openTail()
    const skip = open.length
    const left = skip === 0 ? spelling.rests : spelling.rests.filter((rest) => begins(rest, open))
    const key = `${kind} ${skip} ${left.join('\u0000')}\u0001${marks?.join('\u0000') ?? ''}`
    if (key === this.#key) return this.#steer
    const force = only === undefined ? [] : this.#sets.encode(only, skip)
    if (only !== undefined && force.length > 0) {
      this.#forced = { until: this.#row.position + force.length, text: text + only }
      this.#tell(place, rule, 'force')
      if (safe !== undefined) this.#parts.forced?.(safe)
      return this.#keep({ sync: true, force }, key)
    }
    const set =
      kind === 'only' ? this.#sets.only(left, skip, marks) : this.#sets.never(left, skip, marks)
    if (set.tokens.length === 0) return this.#keep(SYNC, '')
    this.#tell(place, rule, 'deny')
    return this.#keep({ sync: true, deny: [set] }, key)
  }

  #keep(steer: Steer | undefined, key: string): Steer | undefined {
    this.#key = key
    this.#steer = steer
    return steer
  }

  #tell(place: string, rule: string, action: 'deny' | 'force'): void {
    if (this.#told.has(place)) return
    this.#told.add(place)
    const span = [this.#text.plainOffset(this.#reader.openFrom), this.#row.text().length] as const
    const tookUs = Math.round((performance.now() - this.#beganMs) * 1_000)
    this.#parts.observe({ rule, action, span, tookUs })
  }
}

export function watchCalls(
  row: Row<Steered>,
  parts: Pick<ToolWatcherParts, 'site' | 'format' | 'lookup'> & {
    readonly observe: (event: GuardEvent) => void
  },
): Watcher {
  const { requestId, tenant } = row.session.opened
  const context: DecideContext = {
    requestId,
    tenant,
    user: '',
    model: '',
    phase: 'tool',
    position: 0,
    parameters: {},
  }
  return new ToolWatcher(row, {
    ...parts,
    policy: row.policy.compiled,
    context,
    forced: (value) => parts.site?.forced(row.child, value),
    observe: ({ rule, action, span, tookUs }) => {
      const firing = {
        rule,
        phase: 'tool',
        mode: 'enforce',
        action,
        priority: DEFAULT_PRIORITY,
        span,
      } as const
      const { position } = row
      const textAt: TextAt = (start, end) => row.text().slice(start, end)
      parts.observe({ kind: 'decision', requestId, position, firings: [firing], tookUs, textAt })
    },
  })
}

const createReader = (format: ToolFormat | undefined): ToolRecogniser =>
  format === undefined
    ? createDetectingRecogniser(MAX_CALL_CHARS)
    : createToolRecogniser(format, MAX_CALL_CHARS)

function mayCall(text: string): boolean {
  const tail = text.slice(-TAIL).trimEnd()
  if (tail === '') return text.length < TAIL
  return MAY_CALL.some((mark) => tail.endsWith(mark))
}

const begins = (text: string, bytes: Uint8Array): boolean =>
  Buffer.from(text).subarray(0, bytes.length).equals(bytes)

/** What is left of the texts that what is spelled so far begins. */
const restsOf = (texts: readonly string[], spelled: string): readonly string[] =>
  texts.flatMap((one) =>
    one.startsWith(spelled) && one.length > spelled.length ? [one.slice(spelled.length)] : [],
  )

/** The value with everything that may follow it. */
const spelledOut = ({ text, ends }: ValueSpelling): readonly string[] =>
  ends.length === 0 ? [text] : ends.map((end) => text + end)

/** The value to its end, whatever follows: all ends begin with the one quote. */
const closed = ({ text, ends: [end] }: ValueSpelling): readonly string[] => [
  text + (end?.slice(0, 1) ?? ''),
]

const isOpen = (one: ValueSpelling, spelled: string): boolean =>
  restsOf(spelledOut(one), spelled).length > 0
