/**
 * Runs a token program one token at a time: a few array reads per token.
 *
 * The pseudo-code of docs/token-programs.md, line by line. In addition a denied token leads to
 * `dead` here, so that a violated mask shows.
 */
import type { ProgramState } from '../model/engine.ts'
import { NO_ROW, type Tables } from './tables.ts'

export interface Executor {
  /** The state after `token`; the packed dead state when the token is denied. */
  next(state: ProgramState, token: number): ProgramState
  /** True for the state in which a ban is complete; no token is allowed there. */
  isDead(state: ProgramState): boolean
  /** May the token not come next? Unknown ids are denied. */
  isDenied(state: ProgramState, token: number): boolean
  /** Denied ids below the logits width, sorted. */
  deniedTokens(state: ProgramState): Uint32Array
  /** What the step protocol reports: the packed state itself, or a digest of all of it. */
  report(state: ProgramState): number
  /** The state that was reported so; undefined when a report does not tell. */
  fromReport(reported: number): ProgramState | undefined
}

/** FNV-1a over the numbers of a state (docs/token-programs.md). */
export function reportState(state: ProgramState): number {
  if (typeof state === 'number') return state
  let hash = 0x811c9dc5
  for (const part of state) hash = Math.imul(hash ^ part, 0x01000193)
  return hash >>> 0
}

function find(data: Int32Array, from: number, to: number, wanted: number): number {
  let low = from
  let high = to
  while (low < high) {
    const mid = (low + high) >>> 1
    if (data[mid]! < wanted) low = mid + 1
    else high = mid
  }
  return low < to && data[low] === wanted ? low : -1
}

export function createExecutor(t: Tables): Executor {
  const one = new OneState(t)
  const plain: Executor = {
    next: (state, token) => one.next(state as number, token),
    isDead: (state) => one.isDead(state as number),
    isDenied: (state, token) => one.isDenied(state as number, token),
    deniedTokens: (state) => one.deniedTokens(state as number),
    report: reportState,
    fromReport: (reported) => reported,
  }
  if (t.open === 0) return plain
  const many = new ManyStates(t, one)
  return {
    next: (state, token) => many.next(state, token),
    isDead: (state) => many.isDead(state),
    isDenied: (state, token) => many.isDenied(state, token),
    deniedTokens: (state) => many.deniedTokens(state),
    report: reportState,
    fromReport: () => undefined,
  }
}

/** A row in one packed state. */
class OneState {
  readonly #t: Tables
  readonly dead: number

  constructor(tables: Tables) {
    this.#t = tables
    this.dead = tables.dead * tables.carries
  }

  isDead(state: number): boolean {
    return Math.floor(state / this.#t.carries) === this.#t.dead
  }

  isDenied(state: number, token: number): boolean {
    const t = this.#t
    if (token < 0 || token >= t.width) return true
    const carry = state % t.carries
    const q = (state - carry) / t.carries
    if (q === t.dead) return true
    if (carry === 0) return this.#holds(t.denySet[q]!, token)
    const joint = this.#jointOf(carry, token)
    if (joint >= 0) return this.#holds(t.denySet[q]!, t.joint[joint]!)
    return t.broken[q]! >= 0 && this.#holds(t.denySet[t.broken[q]!]!, token)
  }

  next(state: number, token: number): number {
    if (this.isDenied(state, token)) return this.dead
    const { q, x, tail } = this.read(state, token)
    return this.follow(q, x) * this.#t.carries + tail
  }

  /** The state and the column that a token is read from, and the carry that it leaves. */
  read(state: number, token: number): { q: number; x: number; tail: number } {
    const t = this.#t
    const carry = state % t.carries
    const q = (state - carry) / t.carries
    const joint = carry === 0 ? -1 : this.#jointOf(carry, token)
    if (joint >= 0) return { q, x: t.alias[t.joint[joint]!]!, tail: t.jointTail[joint]! }
    return { q: carry === 0 ? q : t.broken[q]!, x: t.alias[token]!, tail: t.tail[token]! }
  }

  /** The state or bundle behind column x; -1: nothing is left. */
  follow(q: number, x: number): number {
    const t = this.#t
    const e = find(t.exceptionToken, t.exceptionFrom[q]!, t.exceptionFrom[q + 1]!, x)
    if (e >= 0) return t.exceptionNext[e]!
    const row = t.reference[q]!
    return row === NO_ROW ? -1 : t.base[row * t.extended + x]!
  }

  deniedTokens(state: number): Uint32Array {
    const t = this.#t
    const carry = state % t.carries
    const q = (state - carry) / t.carries
    const out: number[] = []
    if (q === t.dead || carry !== 0) {
      for (let token = 0; token < t.width; token++) if (this.isDenied(state, token)) out.push(token)
      return Uint32Array.from(out)
    }
    for (let set = t.denySet[q]!; set >= 0; set = t.denyParent[set]!) {
      for (let i = t.denyOffset[set]!; i < t.denyOffset[set + 1]!; i++) {
        if (t.denyToken[i]! < t.width) out.push(t.denyToken[i]!)
      }
    }
    return Uint32Array.from(out).sort()
  }

  #holds(set: number, x: number): boolean {
    const t = this.#t
    if (set === -2) return true
    if (find(t.denyToken, t.denyOffset[set]!, t.denyOffset[set + 1]!, x) >= 0) return true
    const parent = t.denyParent[set]!
    return (
      parent >= 0 && find(t.denyToken, t.denyOffset[parent]!, t.denyOffset[parent + 1]!, x) >= 0
    )
  }

  #jointOf(carry: number, token: number): number {
    const t = this.#t
    const conts = t.continuing.length
    const c = find(t.continuing, 0, conts, token)
    return c < 0 || t.joint[carry * conts + c]! < 0 ? -1 : carry * conts + c
  }
}

/** A row in several states at once, each of which goes its own way; the carry is the first one's. */
class ManyStates {
  readonly #t: Tables
  readonly #one: OneState

  constructor(tables: Tables, one: OneState) {
    this.#t = tables
    this.#one = one
  }

  isDead(state: ProgramState): boolean {
    return this.#one.isDead(typeof state === 'number' ? state : state[0]!)
  }

  isDenied(state: ProgramState, token: number): boolean {
    return this.#each(state).some((packed) => this.#one.isDenied(packed, token))
  }

  next(state: ProgramState, token: number): ProgramState {
    const t = this.#t
    if (this.isDenied(state, token)) return this.#one.dead
    let root = 0
    let tail = 0
    const matches: number[] = []
    this.#each(state).forEach((packed, i) => {
      const read = this.#one.read(packed, token)
      const to = read.q < 0 ? -1 : this.#one.follow(read.q, read.x)
      tail = read.tail
      if (to >= t.states) {
        const bundle = to - t.states
        const [from, end] = [t.bundleOffset[bundle]!, t.bundleOffset[bundle + 1]!]
        root = t.bundleState[from]!
        for (let k = from + 1; k < end; k++) matches.push(t.bundleState[k]!)
      } else if (i === 0) root = to
      else if (to >= 0) matches.push(to)
    })
    const packed = root * t.carries + tail
    if (matches.length === 0) return packed
    const distinct = [...new Set(matches)].sort((a, b) => a - b)
    return distinct.length > t.open ? this.#one.dead : [packed, ...distinct]
  }

  deniedTokens(state: ProgramState): Uint32Array {
    const each = this.#each(state)
    if (each.length === 1) return this.#one.deniedTokens(each[0]!)
    const out = new Set<number>()
    for (const packed of each) for (const token of this.#one.deniedTokens(packed)) out.add(token)
    return Uint32Array.from(out).sort()
  }

  /** The packed states that a row is in. */
  #each(state: ProgramState): readonly number[] {
    if (typeof state === 'number') return [state]
    const carry = state[0]! % this.#t.carries
    return state.map((part, i) => (i === 0 ? part : part * this.#t.carries + carry))
  }
}
