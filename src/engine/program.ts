/**
 * A token program, executed: which state a token leads to, and which tokens may not come next. The
 * algorithm is docs/token-programs.md, line by line; the plugin's program.py runs the same cases.
 */
import { EVERY_TOKEN, parseBlob, type Blob } from './blob.ts'

/** Sets kept ready; past it the one unused longest goes and is made again when needed. */
const MAX_READY = 2048

export class TokenProgram {
  readonly blob: Blob
  readonly #contIndex: Int32Array
  readonly #ready = new Map<number, Int32Array | undefined>()

  /** Assumes nothing about the bytes. Throws `program_invalid` when they cannot be executed. */
  constructor(bytes: Uint8Array) {
    this.blob = parseBlob(bytes)
    this.#contIndex = new Int32Array(this.blob.width).fill(-1)
    for (const [c, token] of this.blob.contToken.entries()) this.#contIndex[token] = c
  }

  get digest(): string {
    return this.blob.digest
  }

  get start(): number {
    return this.blob.start
  }

  /** The packed state after a token; one outside the vocabulary leads to `dead`. */
  advance(packed: number, token: number): number {
    const { carries, broken, width } = this.blob
    if (token < 0 || token >= width) return this.blob.dead * carries
    const carry = packed % carries
    let state = (packed - carry) / carries
    let read = token
    let tail = this.blob.tail[token] ?? 0
    if (carry !== 0) {
      const at = this.#joint(carry, token)
      const joint = at < 0 ? -1 : (this.blob.joint[at] ?? -1)
      if (joint >= 0) {
        read = joint
        tail = this.blob.jointTail[at] ?? 0
      } else state = broken[state] ?? this.blob.dead // U+FFFD was read
    }
    return this.#next(state, read) * carries + tail
  }

  /** Real tokens denied in a packed state, sorted; undefined when no token is left. */
  denied(packed: number): Int32Array | undefined {
    const { carries, denySet } = this.blob
    const carry = packed % carries
    const set = denySet[(packed - carry) / carries] ?? EVERY_TOKEN
    if (carry === 0 && set === EVERY_TOKEN) return undefined
    const key = carry === 0 ? -1 - set : packed
    if (this.#ready.has(key)) {
      const found = this.#ready.get(key)
      this.#ready.delete(key)
      this.#ready.set(key, found)
      return found
    }
    const made = carry === 0 ? this.#real(set) : this.#atCarry(packed, carry)
    this.#ready.set(key, made)
    const oldest = this.#ready.keys().next()
    if (this.#ready.size > MAX_READY && oldest.done !== true) this.#ready.delete(oldest.value)
    return made
  }

  /** Index into `joint`, or -1 for a token that does not begin with a continuation byte. */
  #joint(carry: number, token: number): number {
    const c = this.#contIndex[token] ?? -1
    return c < 0 ? -1 : carry * this.blob.contToken.length + c
  }

  #next(state: number, read: number): number {
    const { exceptionKey, exceptionNext, extended, base, reference } = this.blob
    const key = state * extended + read
    let low = 0
    let high = exceptionKey.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((exceptionKey[middle] ?? 0) < key) low = middle + 1
      else high = middle
    }
    if (exceptionKey[low] === key) return exceptionNext[low] ?? this.blob.dead
    return base[(reference[state] ?? 0) * extended + read] ?? this.blob.dead
  }

  /** A set with its parent's tokens, virtual ones too. */
  #members(set: number): Set<number> {
    const { denyOffset, denyParent, denyToken } = this.blob
    const out = new Set(denyToken.subarray(denyOffset[set], denyOffset[set + 1]))
    const parent = denyParent[set] ?? -1
    if (parent < 0) return out
    for (const token of denyToken.subarray(denyOffset[parent], denyOffset[parent + 1])) {
      out.add(token)
    }
    return out
  }

  #real(set: number): Int32Array | undefined {
    const real = [...this.#members(set)].filter((token) => token < this.blob.width)
    return real.length >= this.blob.width ? undefined : Int32Array.from(real).sort()
  }

  #atCarry(packed: number, carry: number): Int32Array | undefined {
    const { blob } = this
    const state = (packed - carry) / blob.carries
    const broken = blob.broken[state] ?? blob.dead
    const over = blob.denySet[broken] ?? EVERY_TOKEN
    const here = blob.denySet[state] ?? EVERY_TOKEN
    const all = broken === blob.dead || over === EVERY_TOKEN
    const after = all ? undefined : this.#members(over)
    const inside = here === EVERY_TOKEN ? undefined : this.#members(here)
    const denied: number[] = []
    for (let token = 0; token < blob.width; token++) {
      const at = this.#joint(carry, token)
      const joint = at < 0 ? -1 : (blob.joint[at] ?? -1)
      const isDenied = joint >= 0 ? inside?.has(joint) !== false : after?.has(token) !== false
      if (isDenied) denied.push(token)
    }
    return denied.length === blob.width ? undefined : Int32Array.from(denied)
  }
}
