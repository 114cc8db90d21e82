/**
 * What was decided about one response, in order: for headers and events, and for whoever keeps the
 * decision log, who are told the same.
 *
 * That text of a tool call was changed is told when the call is decided, as then it is known: a value
 * that policy chose or replaced is not redacted, and in a call that is not made nothing is. What only
 * says that something was found is told at once.
 */
import type { TextAt } from '../model/event.ts'
import { TOO_MANY, fateOf, isEdit, saysEdit, settled } from './call-edits.ts'
import type { Call, CallBook } from './calls.ts'
import type { StreamDecision, StreamOptions, TextDecision } from './guard-options.ts'
import type { Channel } from './holdback.ts'

/** Decisions kept of one response; further ones are counted only. */
const MAX_DECISIONS = 256
/** Findings that wait for their calls, of one response; of further ones it is told that they were found. */
const MAX_HELD = 512
/** Longest text that is kept of a finding that waits, in UTF-16 units. */
const MAX_TEXT = 1_024

type Entry = {
  readonly channel: Channel
  readonly decision: TextDecision
  readonly isLate: boolean
  readonly textAt: TextAt
}

export class Ledger {
  readonly decisions: StreamDecision[] = []
  lostDecisions = 0
  readonly #calls: CallBook
  readonly #observe: StreamOptions['observe']
  readonly #held = new Map<string, Entry[]>()
  #heldCount = 0

  constructor(calls: CallBook, observe: StreamOptions['observe']) {
    this.#calls = calls
    this.#observe = observe
  }

  note(channel: Channel, decision: TextDecision, isLate: boolean): void {
    const { key, field } = channel.name
    const call = field === 'arguments' ? this.#calls.get(key) : undefined
    const entry = { channel, decision, isLate, textAt: channel.textAt }
    if (call === undefined) return this.#tell(entry)
    if (call.isGone || this.#calls.isReady(key)) return this.#settle([entry], call)
    const { edits, rest } = split(decision)
    this.#tell({ ...entry, decision: rest })
    if (edits.firings.length + edits.effects.length === 0) return
    if (this.#heldCount < MAX_HELD) this.#hold({ ...entry, decision: edits })
    else for (const one of settled([edits], TOO_MANY)) this.#tell({ ...entry, decision: one })
  }

  /** A call was decided, or will never be. */
  noteCall(call: Call): void {
    const { key, choice, outcome } = call
    if (outcome?.kind === 'hold') return
    if (outcome?.kind === 'rewrite' || outcome?.kind === 'block') {
      const { kind, firings = [] } = outcome
      this.#add({ channel: key, choice, effects: [kind], firings, isLate: false })
    }
    const held = this.#held.get(key)
    if (held === undefined) return
    this.#held.delete(key)
    this.#heldCount -= held.length
    this.#settle(held, call)
  }

  #hold(entry: Entry): void {
    const { key } = entry.channel.name
    const held = this.#held.get(key) ?? []
    this.#held.set(key, held)
    held.push({ ...entry, textAt: remembering(entry) })
    this.#heldCount++
  }

  /** All of one channel: a call's arguments. */
  #settle(entries: readonly Entry[], call: Call): void {
    const [first] = entries
    if (first === undefined) return
    const decisions = entries.map((entry) => entry.decision)
    settled(decisions, fateOf(call, first.channel)).forEach((decision, i) => {
      this.#tell({ ...(entries[i] ?? first), textAt: anyOf(entries), decision })
    })
  }

  #tell({ channel, decision, isLate, textAt }: Entry): void {
    const { effects, firings } = decision
    if (effects.length === 0 && firings.length === 0) return
    if (firings.length > 0) this.#observe?.(decision, textAt)
    this.#add({
      channel: channel.name.key,
      choice: channel.name.choice,
      effects: effects.map((effect) => effect.kind),
      firings,
      isLate,
    })
  }

  #add(decision: StreamDecision): void {
    if (this.decisions.length < MAX_DECISIONS) this.decisions.push(decision)
    else this.lostDecisions++
  }
}

function split(decision: TextDecision): { edits: TextDecision; rest: TextDecision } {
  const { effects, firings } = decision
  const rest = {
    ...decision,
    effects: effects.filter((effect) => !isEdit(effect)),
    firings: firings.filter((firing) => !saysEdit(firing)),
  }
  return {
    edits: { ...decision, effects: effects.filter(isEdit), firings: firings.filter(saysEdit) },
    rest,
  }
}

/** The channel forgets old text; what a finding is about is kept as long as the finding. */
function remembering({ channel, decision: { firings, alone = [] } }: Entry): TextAt {
  const said = new Map<string, string>()
  for (const { span } of [...firings, ...alone]) {
    const text = span === undefined ? undefined : channel.textAt(...span)
    if (span === undefined || text === undefined || text.length > MAX_TEXT) continue
    // A copy: a slice would keep all of the text that it was cut from.
    said.set(span.join('-'), Buffer.from(text).toString())
  }
  return (start, end) => channel.textAt(start, end) ?? said.get(`${start}-${end}`)
}

function anyOf(entries: readonly Entry[]): TextAt {
  return (start, end) => {
    for (const { textAt } of entries) {
      const text = textAt(start, end)
      if (text !== undefined) return text
    }
    return undefined
  }
}
