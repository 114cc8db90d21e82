/**
 * The automaton over plain text, chunk by chunk, as the stream side uses it.
 *
 * It keeps one set of positions per place at which a match is open, so starts are exact. Chunks may
 * be cut anywhere, also inside a surrogate pair. Memory is bounded by the open matches: no longer
 * than the longest ban, plus what a ban may repeat (its own spaces) or ignore.
 */
import type { ScanMachine } from './automaton.ts'
import { REPLACEMENT } from './unicode.ts'

/** UTF-16 offsets over everything that was pushed, end exclusive. */
export type Match = { readonly ban: string; readonly start: number; readonly end: number }

export interface TextScanner {
  /** Matches that this chunk decided, in order of their decision. */
  push(chunk: string): readonly Match[]
  /** Matches that the end of the text decides; the scanner is then at its beginning again. */
  end(): readonly Match[]
  /** Text from here on could still be part of a match; equals `length` when nothing is open. */
  readonly openFrom: number
  /** UTF-16 units pushed so far. */
  readonly length: number
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000

export function createTextScanner(automaton: ScanMachine): TextScanner {
  const { classOf } = automaton.classes
  const matcher = createMatcher(automaton)
  let length = 0
  let high = -1
  const push = (chunk: string): Match[] => {
    const out: Match[] = []
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk.charCodeAt(i)
      const at = length
      length++
      if (high >= 0) {
        const first = high
        high = -1
        if (isLow(unit)) {
          const c = 0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00)
          matcher.read(classOf[c]!, at - 1, at + 1, out)
          continue
        }
        matcher.read(classOf[REPLACEMENT]!, at - 1, at, out)
      }
      if (isHigh(unit)) high = unit
      else matcher.read(classOf[isLow(unit) ? REPLACEMENT : unit]!, at, at + 1, out)
    }
    return out
  }
  const end = (): Match[] => {
    const out: Match[] = []
    if (high >= 0) matcher.read(classOf[REPLACEMENT]!, length - 1, length, out)
    high = -1
    length = 0
    matcher.end(out)
    return out
  }
  return {
    push,
    end,
    get openFrom() {
      const first = matcher.openFrom ?? length
      return high >= 0 ? Math.min(first, length - 1) : first
    },
    get length() {
      return length
    },
  }
}

/** The same over classes of code points; control tokens are a class too. */
export interface Matcher {
  /** One code point of the class, which lies at [from, to) of the text; adds to `out`. */
  read(cls: number, from: number, to: number, out: Match[]): void
  /** The end of the text; the matcher is then at its beginning again. */
  end(out: Match[]): void
  readonly openFrom: number | undefined
}

/** A match that began at `start`; `pendingEnd` is where it ended if the next letter allows it. */
type Open = { readonly start: number; readonly set: Int32Array; readonly pendingEnd: number }

export function createMatcher(automaton: ScanMachine): Matcher {
  const { classes, positions, bans } = automaton
  const starts = startTable(automaton)
  let open: Open[] = []
  let bits = starts.initial
  const record = (out: Match[], list: Iterable<number>, start: number, end: number): void => {
    for (const ban of new Set(list)) out.push({ ban: bans[ban]!.id, start, end })
  }
  const begin = (cls: number, from: number, to: number, out: Match[]): Open | undefined => {
    const begun = starts.of(bits, cls)
    bits = begun.bitsAfter
    if (begun.completed.length > 0) record(out, begun.completed, from, to)
    if (begun.set.length === 0) return undefined
    return { start: from, set: begun.set, pendingEnd: begun.enteredPending ? to : -1 }
  }
  const move = (entry: Open, cls: number, to: number, out: Match[]): Open | undefined => {
    const { set } = entry
    const isControl = cls === classes.control
    if (isControl) record(out, positions.endsOf(set, 0, set.length), entry.start, entry.pendingEnd)
    positions.step(set, 0, set.length, cls)
    // A pending match ended before this character; one that this character completes ends with it.
    if (positions.completed.length > 0) {
      const pending = positions.endsOf(set, 0, set.length)
      for (const ban of new Set(positions.completed.toArray())) {
        record(out, [ban], entry.start, pending.includes(ban) ? entry.pendingEnd : to)
      }
    }
    if (positions.out.length === 0) return undefined
    const pendingEnd = positions.enteredPending ? to : entry.pendingEnd
    return { start: entry.start, set: positions.out.toArray(), pendingEnd }
  }
  const read = (cls: number, from: number, to: number, out: Match[]): void => {
    const isControl = cls === classes.control
    // Most characters of most texts: nothing is open, and nothing begins.
    if (open.length === 0 && !isControl) {
      const first = begin(cls, from, to, out)
      if (first !== undefined) open = [first]
      return
    }
    const kept: Open[] = []
    // Two matches that can no longer be told apart: the one that began first stands for both.
    const keep = (entry: Open): void => {
      if (!kept.some((other) => isEqual(other.set, entry.set))) kept.push(entry)
    }
    for (const entry of open) {
      const moved = move(entry, cls, to, out)
      if (moved !== undefined) keep(moved)
    }
    if (isControl) bits = starts.initial
    else {
      const next = begin(cls, from, to, out)
      if (next !== undefined) keep(next)
    }
    open = kept
  }
  const end = (out: Match[]): void => {
    for (const entry of open) {
      const list = positions.endsOf(entry.set, 0, entry.set.length)
      record(out, list, entry.start, entry.pendingEnd)
    }
    open = []
    bits = starts.initial
  }
  return {
    read,
    end,
    get openFrom() {
      return open[0]?.start
    },
  }
}

function isEqual(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

type Begun = {
  readonly set: Int32Array
  readonly completed: readonly number[]
  readonly enteredPending: boolean
  /** What the next character begins with. */
  readonly bitsAfter: number
}

type Starts = {
  readonly initial: number
  of(bits: number, cls: number): Begun
}

const tables = new WeakMap<ScanMachine, Starts>()

/** What begins at one class, remembered: at most (fold masks' boundary bits × classes) entries. */
function startTable(automaton: ScanMachine): Starts {
  const known = tables.get(automaton)
  if (known !== undefined) return known
  const { positions, states } = automaton
  const begun = new Map<number, Begun>()
  const count = automaton.classes.count
  const starts: Starts = {
    initial: states.wordGroups,
    of(bits, cls) {
      const key = bits * count + cls
      let entry = begun.get(key)
      if (entry === undefined) {
        positions.start(bits, cls)
        entry = {
          set: positions.out.toArray(),
          completed: [...positions.completed.toArray()],
          enteredPending: positions.enteredPending,
          bitsAfter: states.bitsAfter(bits, cls),
        }
        begun.set(key, entry)
      }
      return entry
    },
  }
  tables.set(automaton, starts)
  return starts
}
