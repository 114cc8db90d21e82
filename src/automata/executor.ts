/**
 * Runs a token program one token at a time: a few array reads per token, nothing allocated.
 *
 * The pseudo-code of docs/token-programs.md, line by line. In addition a denied token leads to
 * `dead` here, so that a violated mask shows.
 */
import type { Tables } from './tables.ts'

export interface Executor {
  /** The packed state after `token`; the packed dead state when the token is denied. */
  next(state: number, token: number): number
  /** True for the state in which a ban is complete; no token is allowed there. */
  isDead(state: number): boolean
  /** May the token not come next? Unknown ids are denied. */
  isDenied(state: number, token: number): boolean
  /** Denied ids below the logits width, sorted. */
  deniedTokens(state: number): Uint32Array
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
  const conts = t.continuing.length
  const deadPacked = t.dead * t.carries
  const holds = (set: number, x: number): boolean => {
    if (set === -2) return true
    if (find(t.denyToken, t.denyOffset[set]!, t.denyOffset[set + 1]!, x) >= 0) return true
    const parent = t.denyParent[set]!
    return (
      parent >= 0 && find(t.denyToken, t.denyOffset[parent]!, t.denyOffset[parent + 1]!, x) >= 0
    )
  }
  const jointOf = (carry: number, token: number): number => {
    const c = find(t.continuing, 0, conts, token)
    return c < 0 || t.joint[carry * conts + c]! < 0 ? -1 : carry * conts + c
  }
  const isDead = (state: number): boolean => Math.floor(state / t.carries) === t.dead
  const isDenied = (state: number, token: number): boolean => {
    if (token < 0 || token >= t.width) return true
    const carry = state % t.carries
    const q = (state - carry) / t.carries
    if (q === t.dead) return true
    if (carry === 0) return holds(t.denySet[q]!, token)
    const joint = jointOf(carry, token)
    return joint < 0
      ? holds(t.denySet[t.broken[q]!]!, token)
      : holds(t.denySet[q]!, t.joint[joint]!)
  }
  const next = (state: number, token: number): number => {
    if (isDenied(state, token)) return deadPacked
    const carry = state % t.carries
    let q = (state - carry) / t.carries
    let x = token
    let tail = t.tail[token]!
    if (carry !== 0) {
      const joint = jointOf(carry, token)
      if (joint < 0) q = t.broken[q]!
      else {
        x = t.joint[joint]!
        tail = t.jointTail[joint]!
      }
    }
    x = t.alias[x]!
    const e = find(t.exceptionToken, t.exceptionFrom[q]!, t.exceptionFrom[q + 1]!, x)
    const to = e >= 0 ? t.exceptionNext[e]! : t.base[t.reference[q]! * t.extended + x]!
    return to * t.carries + tail
  }
  const deniedTokens = (state: number): Uint32Array => {
    const carry = state % t.carries
    const q = (state - carry) / t.carries
    const out: number[] = []
    if (q === t.dead || carry !== 0) {
      for (let token = 0; token < t.width; token++) if (isDenied(state, token)) out.push(token)
      return Uint32Array.from(out)
    }
    for (let set = t.denySet[q]!; set >= 0; set = t.denyParent[set]!) {
      for (let i = t.denyOffset[set]!; i < t.denyOffset[set + 1]!; i++) {
        if (t.denyToken[i]! < t.width) out.push(t.denyToken[i]!)
      }
    }
    return Uint32Array.from(out).sort()
  }
  return { next, isDead, isDenied, deniedTokens }
}
