/**
 * What we remember about one row: its text, the state of its token program, and enough of the past
 * to go back to any of the last 256 positions. A rewind is an assignment.
 *
 * A position p is "before the token at p": position 0 is the empty output.
 */
import type { ProgramState } from '../model/engine.ts'
import type { Opened } from '../model/step.ts'
import { RowText } from './row-text.ts'
import type { TokenBytes } from './row-text.ts'

/** A token program as far as a session walks it. States are packed (docs/token-programs.md). */
export type Walk = {
  readonly digest: string
  readonly start: ProgramState
  next(state: ProgramState, token: number): ProgramState
  isDead(state: ProgramState): boolean
  /** What an engine reports of a state, and back if that tells it; absent: the state itself. */
  report?(state: ProgramState): number
  fromReport?(reported: number): ProgramState | undefined
}

export const HISTORY = 256
const RING = 512 // a power of two above HISTORY, so that the index is a mask
const MASK = RING - 1

/** What `advance` noticed, as bits; 0 is the common case. */
export const NOTICED = {
  /** The row went back; what was found past the position is void. */
  rewind: 1,
  /** Tokens are missing, or the row went back further than we remember. */
  gap: 2,
  /** The engine reported another state than ours. Noticed once. */
  divergence: 4,
  /** A ban is complete in the text: the mask did not bind. Noticed once. */
  violation: 8,
} as const

export type SessionParts = {
  readonly opened: Opened
  readonly vocabulary: TokenBytes | undefined
  /** The program to walk; undefined when there is none. */
  readonly walk: Walk | undefined
  /** True when the engine runs this very program, so its states can be compared with ours. */
  readonly isCompared: boolean
  readonly maxTextBytes: number
}

/** A control token that has a name, and the length of the text in bytes where it stands. */
export type Mark = { readonly position: number; readonly at: number; readonly name: string }

/** Marks kept of one row: past it a call that begins is no longer followed, and left to the stream. */
const MAX_MARKS = 4_096

export class Session {
  readonly opened: Opened
  readonly text: RowText
  readonly #vocabulary: TokenBytes | undefined
  readonly #walk: Walk | undefined
  readonly #states: ProgramState[] = Array.from({ length: RING }, () => 0)
  readonly #lengths = new Int32Array(RING)
  readonly #marks: Mark[] = []
  #isCompared: boolean
  #isViolated = false
  /** Tokens were missed and the engine did not say where its program stands: ours means nothing. */
  #isLost = false
  /** The next token is the first one after a gap. */
  #isAfterGap = false
  #position = 0
  /** The lowest position whose snapshot still exists. */
  #oldest = 0
  #state: ProgramState

  constructor(parts: SessionParts) {
    this.opened = parts.opened
    this.text = new RowText(parts.maxTextBytes)
    this.#vocabulary = parts.vocabulary
    this.#walk = parts.walk
    this.#isCompared = parts.isCompared
    this.#state = parts.walk?.start ?? 0
    this.#states[0] = this.#state
    for (const token of parts.opened.outputTokenIds) this.advance(this.#position, token, undefined)
  }

  /** The position of the next token: how many there are. */
  get position(): number {
    return this.#position
  }

  /** Packed program state before the next token. */
  get state(): ProgramState {
    return this.#state
  }

  get program(): string {
    return this.#walk?.digest ?? ''
  }

  /** Control tokens in the order of their positions. */
  get marks(): readonly Mark[] {
    return this.#marks
  }

  get isViolated(): boolean {
    return this.#isViolated
  }

  /** Reads `token` at `position`; `reported` is the engine's state after it. Gives NOTICED bits. */
  advance(position: number, token: number, reported: number | undefined): number {
    let noticed = position === this.#position ? 0 : this.seek(position)
    const walk = this.#walk
    if (walk !== undefined) {
      this.#state = walk.next(this.#state, token)
      if (reported !== this.#state || this.#isAfterGap) noticed |= this.#compare(reported)
      if (!this.#isViolated && !this.#isLost && walk.isDead(this.#state)) {
        this.#isViolated = true
        noticed |= NOTICED.violation
      }
    }
    const vocabulary = this.#vocabulary
    if (vocabulary !== undefined) {
      this.text.append(vocabulary, token)
      const { offsets } = vocabulary
      if (offsets[token] === offsets[token + 1]) this.#mark(token, vocabulary)
    }
    const at = ++this.#position
    this.#states[at & MASK] = this.#state
    this.#lengths[at & MASK] = this.text.length
    if (at - this.#oldest > HISTORY) this.#oldest = at - HISTORY
    return noticed
  }

  #mark(token: number, { names }: TokenBytes): void {
    const name = names?.get(token)
    if (name === undefined || this.#marks.length >= MAX_MARKS) return
    this.#marks.push({ position: this.#position, at: this.text.length, name })
  }

  /** The oldest position that can be restored. */
  get oldest(): number {
    return this.#oldest
  }

  /**
   * The position after the token that completed the first `units` UTF-16 units of the text; of text
   * that is older than what we remember, the oldest position.
   */
  positionAfter(units: number): number {
    let low = this.#oldest
    let high = this.#position
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.text.unitsAt(this.#lengths[middle & MASK] ?? 0) < units) low = middle + 1
      else high = middle
    }
    return low
  }

  #compare(reported: number | undefined): number {
    const isGap = this.#isAfterGap
    this.#isAfterGap = false
    if (!this.#isCompared || reported === undefined) {
      if (isGap && this.#position > 0) this.#isLost = true
      if (isGap) this.#isCompared = false
      return 0
    }
    const walk = this.#walk
    if (isGap) {
      // What was missed cannot be walked: the engine's word is all there is, and is checked again
      // from here on. A program of matches reports a digest, which does not tell where it stands.
      const told = walk?.fromReport === undefined ? reported : walk.fromReport(reported)
      if (told !== undefined) this.#state = told
      else {
        this.#isLost = true
        this.#isCompared = false
      }
      return 0
    }
    if (reported === (walk?.report?.(this.#state) ?? this.#state)) return 0
    this.#isCompared = false
    return NOTICED.divergence
  }

  /**
   * Goes to `position`, which is not the present one: back by an assignment, or over a gap. Gives
   * NOTICED bits. The text is then what it was before the token there.
   */
  seek(position: number): number {
    while ((this.#marks.at(-1)?.position ?? -1) >= position) this.#marks.pop()
    if (position < this.#position && position >= this.#oldest) {
      this.#state = this.#states[position & MASK] ?? 0
      this.text.truncate(this.#lengths[position & MASK] ?? 0)
      this.#position = position
      return NOTICED.rewind
    }
    const isBack = position < this.#position
    if (isBack) {
      this.text.truncate(0)
      this.#marks.length = 0
    }
    this.text.appendHole()
    this.#isAfterGap = true
    this.#state = this.#walk?.start ?? 0
    this.#position = position
    this.#oldest = position
    this.#states[position & MASK] = this.#state
    this.#lengths[position & MASK] = this.text.length
    return isBack ? NOTICED.gap | NOTICED.rewind : NOTICED.gap
  }
}
