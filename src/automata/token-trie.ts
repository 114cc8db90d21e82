/**
 * The vocabulary as an automaton sees it: one trie of tokens over classes of code points.
 *
 * Holds real tokens and virtual ones (what a carry and a continuing token make together). Nodes are
 * numbered in preorder and tokens sorted along it, so a subtree is one range of tokens.
 */
import { UNUSED, type Vocabulary } from '../vocabulary/vocabulary.ts'
import { createCarryTree } from './carries.ts'
import { isIdle, isVanishing, type Classes } from './classes.ts'
import { IntList, PairMap } from './pair-map.ts'
import { tokenTexts, type TokenTexts } from './token-texts.ts'

export type TokenTrie = {
  readonly count: number
  readonly parent: Int32Array
  readonly cls: Int32Array
  /** First node after the subtree. */
  readonly end: Int32Array
  /** Children of a node: `childNode[childFrom[n] .. childFrom[n + 1]]`. */
  readonly childFrom: Int32Array
  readonly childNode: Int32Array
  /** Their classes, rising within a node. */
  readonly childClass: Int32Array
  /** `order[from[n] .. from[n + 1]]` end at node n; the subtree ends at `from[end[n]]`. */
  readonly from: Int32Array
  readonly order: Int32Array
  /** Index of a token in `order`; -1 for those that are denied always. */
  readonly place: Int32Array
  /** Per node: the token that stands for all that end there, or -1. */
  readonly reader: Int32Array
  /** Per token: the one that stands for it, because it reads the same way. */
  readonly alias: Int32Array
  /** Real and virtual tokens. */
  readonly extended: number
  /** Tokens that are denied in every state: unused ids, and control inside a character. */
  readonly never: readonly number[]
  readonly tail: Int16Array
  readonly carries: number
  readonly continuing: Int32Array
  readonly joint: Int32Array
  readonly jointTail: Int16Array
}

/** A trie that grows; `token` lists are kept as (node, token) pairs. */
class Builder {
  readonly parent = new IntList(4096)
  readonly cls = new IntList(4096)
  readonly children: PairMap
  readonly node = new IntList(4096)
  readonly token = new IntList(4096)
  readonly #representative = new Map<number, number>()

  readonly #vanishes: Uint8Array
  readonly #idles: Uint8Array

  constructor(capacity: number, classes: Classes) {
    this.children = new PairMap(capacity)
    this.#vanishes = Uint8Array.from({ length: classes.count }, (_, c) => +isVanishing(classes, c))
    this.#idles = Uint8Array.from({ length: classes.count }, (_, c) => +isIdle(classes, c))
    this.parent.push(-1)
    this.cls.push(-1)
  }

  /** The node after a class: the same one when the class reads as nothing more. */
  child(node: number, cls: number): number {
    if (this.#vanishes[cls] === 1) return node
    if (this.#idles[cls] === 1 && this.cls.data[node] === cls) return node
    const known = this.children.get(node, cls)
    if (known >= 0) return known
    const made = this.parent.length
    this.parent.push(node)
    this.cls.push(cls)
    this.children.add(node, cls, made)
    return made
  }

  end(node: number, token: number): void {
    this.node.push(node)
    this.token.push(token)
    if (!this.#representative.has(node)) this.#representative.set(node, token)
  }

  /** Some token that ends at the node, or -1. */
  at(node: number): number {
    return this.#representative.get(node) ?? -1
  }
}

/** Tries kept per vocabulary: compiles whose bans use the same letters and folds share one. */
const KEPT = 4
type Kept = { readonly classes: Classes; readonly trie: TokenTrie }
const kept = new WeakMap<Vocabulary, readonly Kept[]>()

/** The trie for a partition into classes; remembered for the last few partitions. */
export function tokenTrie(v: Vocabulary, classes: Classes): TokenTrie {
  const before = kept.get(v) ?? []
  const found = before.find((k) => k.classes === classes)
  const entry = found ?? { classes, trie: buildTokenTrie(tokenTexts(v), v, classes) }
  kept.set(v, [entry, ...before.filter((k) => k !== entry)].slice(0, KEPT))
  return entry.trie
}

export function buildTokenTrie(texts: TokenTexts, v: Vocabulary, classes: Classes): TokenTrie {
  const builder = new Builder(texts.nodeParent.length / 2, classes)
  const map = new Int32Array(texts.nodeParent.length)
  for (let n = 1; n < map.length; n++) {
    const cls = classes.classOf[texts.nodeCodePoint[n]!]!
    map[n] = builder.child(map[texts.nodeParent[n]!]!, cls)
  }
  const control = texts.continuing.some((id) => texts.tokenNode[id]! < 0)
    ? builder.child(0, classes.control)
    : -1
  const never: number[] = []
  for (let id = 0; id < v.size; id++) {
    const node = texts.tokenNode[id]!
    if (node >= 0) builder.end(map[node]!, id)
    else if (v.kinds[id] === UNUSED) never.push(id)
    else builder.end(control, id)
  }
  const joints = addJoints(texts, v, classes, builder)
  if (joints.stuck >= 0) never.push(joints.stuck)
  return { ...number(builder, joints.extended), ...joints, never }
}

type Joints = Pick<
  TokenTrie,
  'extended' | 'tail' | 'carries' | 'continuing' | 'joint' | 'jointTail'
> & { readonly stuck: number }

function addJoints(texts: TokenTexts, v: Vocabulary, classes: Classes, builder: Builder): Joints {
  const tree = createCarryTree(classes.classOf)
  const carryOf = new Map<number, number>()
  const nodes = [-1]
  const carry = (node: number): number => {
    let id = carryOf.get(node)
    if (id === undefined) {
      id = nodes.length
      nodes.push(node)
      carryOf.set(node, id)
    }
    return id
  }
  const tail = new Int16Array(v.size)
  const prefixes = new Map<number, number>([[0, 0]])
  const carryOfPrefix = (prefix: number): number => {
    let id = prefixes.get(prefix)
    if (id === undefined) prefixes.set(prefix, (id = carry(tree.node(prefix))))
    return id
  }
  for (let id = 0; id < v.size; id++) tail[id] = carryOfPrefix(texts.tokenTail[id]!)

  const { continuing } = texts
  const joint: number[] = []
  const jointTail: number[] = []
  let extended = v.size
  let identity = -1
  let stuck = -1
  const virtuals = new PairMap(1024)
  const virtual = (cls: number, text: number): number => {
    const known = virtuals.get(cls, text)
    if (known >= 0) return known
    let node = builder.child(0, cls)
    for (let i = texts.texts.from(text); i < texts.texts.to(text); i++) {
      node = builder.child(node, classes.classOf[texts.texts.data[i]!]!)
    }
    let token = builder.at(node)
    if (token < 0) {
      token = extended++
      builder.end(node, token)
    }
    virtuals.add(cls, text, token)
    return token
  }
  const stuckToken = (): number => (stuck < 0 ? (stuck = extended++) : stuck)
  const identityToken = (): number => {
    if (identity < 0) builder.end(0, (identity = extended++))
    return identity
  }
  const join = (node: number, c: number): void => {
    const head = texts.heads[c]!
    if (head.length === 0) {
      joint.push(stuckToken())
      jointTail.push(0)
      return
    }
    let at = node
    let taken = 0
    for (let need = tree.missing(node); taken < head.length && taken < need && at >= 0; taken++) {
      at = tree.next(at, head[taken]! & 0x3f)
    }
    const isWhole = taken === tree.missing(node)
    // The token ends, or goes on with another character, before this one is complete.
    const isShort = !isWhole && taken < v.offsets[continuing[c]! + 1]! - v.offsets[continuing[c]!]!
    if (at < 0 || isShort) {
      joint.push(-1)
      jointTail.push(0)
    } else if (isWhole) {
      joint.push(virtual(at, texts.restText[taken]![c]!))
      jointTail.push(carryOfPrefix(texts.restTail[taken]![c]!))
    } else {
      joint.push(identityToken())
      jointTail.push(carry(at))
    }
  }
  for (let p = 0; p < nodes.length; p++) {
    for (let c = 0; c < continuing.length; c++) {
      if (p > 0) join(nodes[p]!, c)
      else {
        joint.push(-1)
        jointTail.push(0)
      }
    }
  }
  return {
    extended,
    tail,
    carries: nodes.length,
    continuing,
    joint: Int32Array.from(joint),
    jointTail: Int16Array.from(jointTail),
    stuck,
  }
}

type Numbered = Omit<TokenTrie, keyof Joints | 'never'>

/** Numbers the nodes in preorder, children by class, and lays the tokens out along it. */
function number(builder: Builder, extended: number): Numbered {
  const count = builder.parent.length
  const oldFrom = new Int32Array(count + 1)
  for (let n = 1; n < count; n++) oldFrom[builder.parent.data[n]! + 1]!++
  for (let n = 0; n < count; n++) oldFrom[n + 1]! += oldFrom[n]!
  const oldChild = new Int32Array(count)
  const fill = oldFrom.slice()
  for (let n = 1; n < count; n++) oldChild[fill[builder.parent.data[n]!]!++] = n
  const { cls: classOf } = builder
  for (let n = 0; n < count; n++) {
    if (oldFrom[n + 1]! - oldFrom[n]! < 2) continue
    const siblings = oldChild.subarray(oldFrom[n]!, oldFrom[n + 1]!)
    siblings.sort((a, b) => classOf.data[a]! - classOf.data[b]!)
  }
  const id = new Int32Array(count)
  const old = new Int32Array(count)
  const stack = new IntList(256)
  stack.push(0)
  let next = 0
  while (stack.length > 0) {
    const n = stack.data[--stack.length]!
    id[n] = next
    old[next++] = n
    for (let k = oldFrom[n + 1]! - 1; k >= oldFrom[n]!; k--) stack.push(oldChild[k]!)
  }
  const parent = new Int32Array(count)
  const cls = new Int32Array(count)
  const end = new Int32Array(count)
  for (let n = 0; n < count; n++) {
    parent[n] = n === 0 ? -1 : id[builder.parent.data[old[n]!]!]!
    cls[n] = builder.cls.data[old[n]!]!
  }
  for (let n = count - 1; n >= 0; n--) {
    if (end[n] === 0) end[n] = n + 1
    const p = parent[n]!
    if (p >= 0 && end[p]! < end[n]!) end[p] = end[n]!
  }
  const childFrom = new Int32Array(count + 1)
  const childNode = new Int32Array(count)
  for (let n = 0, at = 0; n < count; n++) {
    const o = old[n]!
    for (let k = oldFrom[o]!; k < oldFrom[o + 1]!; k++) childNode[at++] = id[oldChild[k]!]!
    childFrom[n + 1] = at
  }
  const childClass = childNode.map((child) => cls[child]!)
  const from = new Int32Array(count + 1)
  for (let i = 0; i < builder.node.length; i++) from[id[builder.node.data[i]!]! + 1]!++
  for (let n = 0; n < count; n++) from[n + 1]! += from[n]!
  const order = new Int32Array(builder.node.length)
  const place = new Int32Array(extended).fill(-1)
  const at = from.slice()
  for (let i = 0; i < builder.node.length; i++) {
    const to = at[id[builder.node.data[i]!]!]!++
    order[to] = builder.token.data[i]!
    place[order[to]!] = to
  }
  const reader = new Int32Array(count).fill(-1)
  const alias = Int32Array.from({ length: extended }, (_, token) => token)
  for (let n = 0; n < count; n++) {
    if (from[n] === from[n + 1]) continue
    reader[n] = order[from[n]!]!
    for (let k = from[n]!; k < from[n + 1]!; k++) alias[order[k]!] = reader[n]!
  }
  return {
    count,
    parent,
    cls,
    end,
    childFrom,
    childNode,
    childClass,
    from,
    order,
    place,
    reader,
    alias,
  }
}
