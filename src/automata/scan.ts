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
  return new Scanner(automaton)
}

class Scanner implements TextScanner {
  readonly #classOf: ScanMachine['classes']['classOf']
  readonly #matcher: Matcher
  #high = -1
  length = 0

  constructor(automaton: ScanMachine) {
    this.#classOf = automaton.classes.classOf
    this.#matcher = createMatcher(automaton)
  }

  push(chunk: string): Match[] {
    const classOf = this.#classOf
    const matcher = this.#matcher
    const out: Match[] = []
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk.charCodeAt(i)
      const at = this.length
      this.length++
      if (this.#high >= 0) {
        const first = this.#high
        this.#high = -1
        if (isLow(unit)) {
          const c = 0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00)
          matcher.read(classOf[c]!, at - 1, at + 1, out)
          continue
        }
        matcher.read(classOf[REPLACEMENT]!, at - 1, at, out)
      }
      if (isHigh(unit)) this.#high = unit
      else matcher.read(classOf[isLow(unit) ? REPLACEMENT : unit]!, at, at + 1, out)
    }
    return out
  }

  end(): Match[] {
    const out: Match[] = []
    const classOf = this.#classOf
    if (this.#high >= 0) {
      this.#matcher.read(classOf[REPLACEMENT]!, this.length - 1, this.length, out)
    }
    this.#high = -1
    this.length = 0
    this.#matcher.end(out)
    return out
  }

  get openFrom(): number {
    const first = this.#matcher.openFrom ?? this.length
    return this.#high >= 0 ? Math.min(first, this.length - 1) : first
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
  return new OpenMatches(automaton)
}

class OpenMatches implements Matcher {
  readonly #automaton: ScanMachine
  readonly #starts: Starts
  #open: Open[] = []
  #bits: number

  constructor(automaton: ScanMachine) {
    this.#automaton = automaton
    this.#starts = startTable(automaton)
    this.#bits = this.#starts.initial
  }

  get openFrom(): number | undefined {
    return this.#open[0]?.start
  }

  read(cls: number, from: number, to: number, out: Match[]): void {
    const isControl = cls === this.#automaton.classes.control
    // Most characters of most texts: nothing is open, and nothing begins.
    if (this.#open.length === 0 && !isControl) {
      const first = this.#begin(cls, from, to, out)
      if (first !== undefined) this.#open = [first]
      return
    }
    const kept: Open[] = []
    for (const entry of this.#open) {
      const moved = this.#move(entry, cls, to, out)
      if (moved !== undefined) keep(kept, moved)
    }
    if (isControl) this.#bits = this.#starts.initial
    else {
      const next = this.#begin(cls, from, to, out)
      if (next !== undefined) keep(kept, next)
    }
    this.#open = kept
  }

  end(out: Match[]): void {
    const { positions } = this.#automaton
    for (const entry of this.#open) {
      const list = positions.endsOf(entry.set, 0, entry.set.length)
      this.#record(out, list, entry.start, entry.pendingEnd)
    }
    this.#open = []
    this.#bits = this.#starts.initial
  }

  #record(out: Match[], list: Iterable<number>, start: number, end: number): void {
    for (const ban of new Set(list)) out.push({ ban: this.#automaton.bans[ban]!.id, start, end })
  }

  #begin(cls: number, from: number, to: number, out: Match[]): Open | undefined {
    const begun = this.#starts.of(this.#bits, cls)
    this.#bits = begun.bitsAfter
    if (begun.completed.length > 0) this.#record(out, begun.completed, from, to)
    if (begun.set.length === 0) return undefined
    return { start: from, set: begun.set, pendingEnd: begun.enteredPending ? to : -1 }
  }

  #move(entry: Open, cls: number, to: number, out: Match[]): Open | undefined {
    const { set } = entry
    const { classes, positions } = this.#automaton
    if (cls === classes.control) {
      this.#record(out, positions.endsOf(set, 0, set.length), entry.start, entry.pendingEnd)
    }
    positions.step(set, 0, set.length, cls)
    // A pending match ended before this character; one that this character completes ends with it.
    if (positions.completed.length > 0) {
      const pending = positions.endsOf(set, 0, set.length)
      for (const ban of new Set(positions.completed.toArray())) {
        this.#record(out, [ban], entry.start, pending.includes(ban) ? entry.pendingEnd : to)
      }
    }
    if (positions.out.length === 0) return undefined
    const pendingEnd = positions.enteredPending ? to : entry.pendingEnd
    return { start: entry.start, set: positions.out.toArray(), pendingEnd }
  }
}

/** Two matches that can no longer be told apart: the one that began first stands for both. */
function keep(kept: Open[], entry: Open): void {
  if (!kept.some((other) => isEqual(other.set, entry.set))) kept.push(entry)
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
