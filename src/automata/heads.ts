/**
 * Heads: the sets of positions that a match can have reached, and how one class moves each on.
 *
 * A head is all that is known of one match: its bans, readings and gaps together. Moves are found
 * once per position and joined per head, so the cost follows the positions and not the heads.
 */
import { GuardError } from '../model/errors.ts'
import { isVanishing, type Classes, type TypeStrings } from './classes.ts'
import { predicateLabel, SPACE } from './graph.ts'
import { IntList, PairMap, SequenceTable } from './pair-map.ts'
import { SEPARATOR, type Positions } from './positions.ts'

/** Leads to: a complete ban. */
export const DEAD = -1
/** Leads to: no match. */
export const NONE = -2

// Local names: imported ones are looked up through the module each time when run from source.
const dead = DEAD
const none = NONE
const UNKNOWN = -1
const UNSEEN = -3
/** A set's id in a sortable number beside its class. */
const SPAN = 0x4000000

export class Heads {
  readonly classes: Classes
  readonly positions: Positions
  /** Per class: groups in which it closes a pending word. */
  readonly closes: Int32Array
  /** Per head: groups with a pending match. */
  readonly pending = new IntList(256)
  /** Per head that was expanded: its moves, by class; the head it moves to or DEAD. */
  readonly moveFrom = new IntList(256)
  readonly moveTo = new IntList(256)
  readonly moveClass = new IntList(1024)
  readonly moveHead = new IntList(1024)
  readonly #maxHeads: number
  readonly #sets = new SequenceTable()
  /** Set → head, head → set: not every set that comes up in between is a head. */
  readonly #headOf = new IntList(256)
  readonly #setOf = new IntList(256)
  readonly #unions = new PairMap(1024)
  readonly #starts = new PairMap(256)
  readonly #stepFrom: Int32Array
  readonly #stepTo: Int32Array
  readonly #stepClass = new IntList(1024)
  readonly #stepSet = new IntList(1024)
  readonly #byType: (readonly number[])[][]
  readonly #byMove = new Map<string, readonly number[]>()
  readonly #letterSet: Int32Array
  #packed = new Float64Array(1024)

  constructor(positions: Positions, maxHeads: number) {
    this.positions = positions
    this.classes = positions.classes
    this.#maxHeads = maxHeads
    this.closes = closingGroups(this.classes)
    this.#stepFrom = new Int32Array(positions.count).fill(UNKNOWN)
    this.#stepTo = new Int32Array(positions.count)
    this.#byType = indexClasses(this.classes)
    this.#letterSet = new Int32Array(this.classes.types.length)
  }

  get count(): number {
    return this.pending.length
  }

  /** The head of matches that begin inside a code point of the class; NONE or DEAD. */
  start(bits: number, cls: number): number {
    const known = this.#starts.get(bits, cls)
    if (known >= 0) return known - 2
    this.positions.start(bits, cls)
    const head = this.#toHead(this.#internOut())
    this.#starts.add(bits, cls, head + 2)
    return head
  }

  /** Where a head moves: a head, NONE or DEAD. Not asked of classes that vanish. */
  move(head: number, cls: number): number {
    this.expand(head)
    const to = this.moveTo.data[head]!
    let low = this.moveFrom.data[head]!
    let high = to
    while (low < high) {
      const mid = (low + high) >>> 1
      if (this.moveClass.data[mid]! < cls) low = mid + 1
      else high = mid
    }
    return low < to && this.moveClass.data[low] === cls ? this.moveHead.data[low]! : none
  }

  /** Finds the moves of a head. A class that closes a pending word of it is not among them. */
  expand(head: number): void {
    if (this.moveFrom.data[head]! >= 0) return
    const set = this.#setOf.data[head]!
    const from = this.#sets.from(set)
    const to = this.#sets.to(set)
    const steps = this.#gather(from, to)
    const pending = this.pending.data[head]!
    this.moveFrom.data[head] = this.moveClass.length
    for (let i = 0; i < steps;) {
      const cls = Math.floor(this.#packed[i]! / SPAN)
      const first = cls * SPAN
      let target = this.#packed[i]! - first + dead
      for (i++; i < steps && this.#packed[i]! < first + SPAN; i++) {
        const other = this.#packed[i]! - first + dead
        target = target === dead || other === dead ? dead : this.#union(target, other)
      }
      if ((this.closes[cls]! & pending) !== 0) continue
      this.moveClass.push(cls)
      this.moveHead.push(this.#toHead(target))
    }
    this.moveTo.data[head] = this.moveClass.length
  }

  /** The steps of all positions of a set into `#packed`, sorted: class, then set. */
  #gather(from: number, to: number): number {
    let size = 0
    for (let i = from; i < to; i++) {
      const position = this.#sets.data[i]!
      this.#findSteps(position)
      const end = this.#stepTo[position]!
      for (let k = this.#stepFrom[position]!; k < end; k++) {
        if (size === this.#packed.length) {
          const grown = new Float64Array(size * 2)
          grown.set(this.#packed)
          this.#packed = grown
        }
        this.#packed[size++] = this.#stepClass.data[k]! * SPAN + this.#stepSet.data[k]! - dead
      }
    }
    if (to - from > 1) this.#packed.subarray(0, size).sort()
    return size
  }

  #findSteps(position: number): void {
    if (this.#stepFrom[position]! >= 0) return
    this.#stepFrom[position] = this.#stepClass.length
    const readings = this.classes.readings[this.positions.groupOf(position)]!
    const single = Int32Array.of(position)
    this.#letterSet.fill(UNSEEN)
    for (const cls of this.#candidates(position)) {
      const set = this.#step(position, single, cls, readings[cls]!)
      if (set === none) continue
      this.#stepClass.push(cls)
      this.#stepSet.push(set)
    }
    this.#stepTo[position] = this.#stepClass.length
  }

  /** Most classes read as single letters, and many as the same: each is tried once per position. */
  #step(position: number, single: Int32Array, cls: number, strings: TypeStrings): number {
    let set = none
    for (const string of strings) {
      let part: number
      if (string.length > 1) {
        this.positions.step(single, 0, 1, cls)
        return this.#internOut()
      } else if (string.length === 0) part = this.#sets.intern(single, 1)
      else {
        const type = string[0]!
        part = this.#letterSet[type]!
        if (part === UNSEEN) {
          this.positions.stepLetter(position, type)
          this.#letterSet[type] = part = this.#internOut()
        }
      }
      if (part === dead || set === dead) set = dead
      else if (set === none) set = part
      else if (part !== none) set = this.#union(set, part)
    }
    return set
  }

  /** The set in `positions.out`: its id, NONE when empty, DEAD when a ban was completed. */
  #internOut(): number {
    const { out, completed } = this.positions
    if (completed.length > 0) return dead
    return out.length === 0 ? none : this.#sets.intern(out.data, out.length)
  }

  #union(a: number, b: number): number {
    if (a === b) return a
    const known = this.#unions.get(a, b)
    if (known >= 0) return known
    const { data } = this.#sets
    const one = data.subarray(this.#sets.from(a), this.#sets.to(a))
    const other = data.subarray(this.#sets.from(b), this.#sets.to(b))
    this.positions.join(one, other)
    const set = this.#internOut()
    this.#unions.add(a, b, set)
    return set
  }

  #toHead(set: number): number {
    if (set < 0) return set
    while (this.#headOf.length <= set) this.#headOf.push(UNKNOWN)
    const known = this.#headOf.data[set]!
    if (known >= 0) return known
    const head = this.count
    if (head >= this.#maxHeads) {
      throw new GuardError(
        'policy_invalid',
        `bans: expected at most ${this.#maxHeads} automaton states, got more; use fewer or simpler regular expressions, or fewer folds`,
      )
    }
    let pending = 0
    for (let i = this.#sets.from(set); i < this.#sets.to(set); i++) {
      const position = this.#sets.data[i]!
      if (this.positions.isPending(position)) pending |= 1 << this.positions.groupOf(position)
    }
    this.#headOf.data[set] = head
    this.#setOf.push(set)
    this.pending.push(pending)
    this.moveFrom.push(UNKNOWN)
    this.moveTo.push(UNKNOWN)
    return head
  }

  /** Classes that could move a position, and the class of control; sorted. */
  #candidates(position: number): readonly number[] {
    const group = this.positions.groupOf(position)
    let key = String(group)
    const moves: { readonly label: number; readonly leet: boolean }[] = []
    this.positions.eachMove(position, (move) => {
      moves.push(move)
      key += `,${move.label}${move.leet ? 'l' : ''}`
    })
    const known = this.#byMove.get(key)
    if (known !== undefined) return known
    const { types, control } = this.classes
    const lists = this.#byType[group]!
    const found = new Set([control, ...lists[types.length]!])
    for (const { label, leet } of moves) {
      types.forEach((type, t) => {
        const fits =
          label >= 0
            ? type.letter === label || (leet && type.leet.includes(label))
            : label === SPACE
              ? type.isSpace
              : label === SEPARATOR
                ? type.isSeparator
                : type.predicates.some((p) => predicateLabel(p) === label)
        if (fits) for (const c of lists[t]!) found.add(c)
      })
    }
    const sorted = [...found].sort((a, b) => a - b)
    this.#byMove.set(key, sorted)
    return sorted
  }
}

function closingGroups(classes: Classes): Int32Array {
  const closes = new Int32Array(classes.count)
  classes.readings.forEach((group, g) => {
    group.forEach((strings, c) => {
      const closing = strings.some((s) => s.length > 0 && !classes.types[s[0]!]!.joins)
      if (closing) closes[c]! |= 1 << g
    })
  })
  closes[classes.control] = -1
  return closes
}

/** Per group and letter type: the classes with a reading that begins so; last: may vanish. */
function indexClasses(classes: Classes): (readonly number[])[][] {
  return classes.readings.map((group) => {
    const lists: number[][] = Array.from({ length: classes.types.length + 1 }, () => [])
    group.forEach((strings, c) => {
      if (isVanishing(classes, c)) return
      for (const string of strings) lists[string[0] ?? classes.types.length]!.push(c)
    })
    return lists
  })
}
