/**
 * The tables of a token program, checked: after `parseTables` every index an executor follows is
 * inside its table. Sizes, orders and ranges are all verified, values of virtual tokens included.
 */
import { GuardError } from '../model/errors.ts'
import { readBlob, type Blob, type Dtype } from './blob.ts'

export type Tables = {
  readonly width: number
  readonly extended: number
  readonly states: number
  readonly carries: number
  readonly start: number
  readonly dead: number
  readonly vocabulary: string
  readonly automaton: string
  readonly base: Int32Array
  readonly reference: Uint8Array
  /** The extended token whose column a token reads. */
  readonly alias: Int32Array
  readonly tail: Int16Array
  /** CSR over states, made from the keys. */
  readonly exceptionFrom: Uint32Array
  readonly exceptionToken: Int32Array
  readonly exceptionNext: Int32Array
  readonly denySet: Int32Array
  readonly denyParent: Int32Array
  readonly denyOffset: Float64Array
  readonly denyToken: Int32Array
  readonly broken: Int32Array
  readonly continuing: Int32Array
  readonly joint: Int32Array
  readonly jointTail: Int16Array
  /** 0: a row is in one state. Else in one with a row of `base`, and in at most so many without. */
  readonly open: number
  readonly bundleOffset: Int32Array
  readonly bundleState: Int32Array
}

/** `reference` of a state without a row of `base`: what is no exception leaves nothing of it. */
export const NO_ROW = 255

const fail = (message: string): GuardError => new GuardError('program_invalid', message)

function whole(blob: Blob, name: string, least: number, most: number): number {
  const text = blob.metadata[name]
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw fail(`program ${name}: expected a decimal number, got ${JSON.stringify(text)}`)
  }
  const value = Number(text)
  if (value < least || value > most) {
    throw fail(`program ${name}: expected ${least} to ${most}, got ${value}`)
  }
  return value
}

function tensor(blob: Blob, name: string, dtype: Dtype, shape: readonly number[]) {
  const found = blob.tensors.get(name)
  const got = found === undefined ? 'nothing' : `${found.dtype} [${found.shape.join(', ')}]`
  const wanted = `${dtype} [${shape.join(', ')}]`
  if (found === undefined || got !== wanted) {
    throw fail(`program tensor ${name}: expected ${wanted}, got ${got}`)
  }
  return found.data
}

const sizeOf = (blob: Blob, name: string): number => blob.tensors.get(name)?.shape[0] ?? 0

/** Every value in [least, below). */
function within(name: string, data: ArrayLike<number>, least: number, below: number): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (value < least || value >= below) {
      throw fail(`program ${name}[${i}]: expected ${least} to ${below - 1}, got ${value}`)
    }
  }
}

function rising(name: string, data: ArrayLike<number>, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    if (data[i]! <= data[i - 1]!) throw fail(`program ${name}[${i}]: expected rising values`)
  }
}

/** `isChecked`: values were checked before, in this process; sizes and orders still are. */
export function parseTables(bytes: Uint8Array, isChecked = false): Tables {
  const blob = readBlob(bytes)
  const { format, vocabulary = '', automaton = '' } = blob.metadata
  if (format !== 'checkstream-token-program/1') {
    throw fail(`program format: expected checkstream-token-program/1, got ${String(format)}`)
  }
  if (!/^[0-9a-f]{64}$/.test(vocabulary)) throw fail('program vocabulary: expected a hex SHA-256')
  const width = whole(blob, 'logits_width', 1, 262_144)
  const virtual = whole(blob, 'virtual', 0, 1 << 20)
  const states = whole(blob, 'states', 1, 1 << 24)
  const carries = whole(blob, 'carries', 1, 0x7fff)
  const references = whole(blob, 'references', 1, 254)
  if (states * carries > 0x7fffffff) throw fail('program: states * carries exceeds 31 bits')
  const dead = whole(blob, 'dead', 0, states - 1)
  const start = whole(blob, 'start', 0, states * carries - 1)
  const x = width + virtual
  const exceptions = sizeOf(blob, 'exception_key')
  const sets = sizeOf(blob, 'deny_parent')
  const conts = sizeOf(blob, 'cont_token')
  const key = tensor(blob, 'exception_key', 'I64', [exceptions]) as Float64Array
  const tables = {
    width,
    extended: x,
    states,
    carries,
    start,
    dead,
    vocabulary,
    automaton,
    base: tensor(blob, 'base', 'I32', [references, x]) as Int32Array,
    alias: aliasOf(blob, x),
    reference: tensor(blob, 'reference', 'U8', [states]) as Uint8Array,
    tail: tensor(blob, 'tail', 'I16', [width]) as Int16Array,
    ...splitKeys(key, states, x),
    exceptionNext: tensor(blob, 'exception_next', 'I32', [exceptions]) as Int32Array,
    denySet: tensor(blob, 'deny_set', 'I32', [states]) as Int32Array,
    denyParent: tensor(blob, 'deny_parent', 'I32', [sets]) as Int32Array,
    denyOffset: tensor(blob, 'deny_offset', 'I64', [sets + 1]) as Float64Array,
    denyToken: tensor(blob, 'deny_token', 'I32', [sizeOf(blob, 'deny_token')]) as Int32Array,
    broken: tensor(blob, 'broken', 'I32', [states]) as Int32Array,
    continuing: tensor(blob, 'cont_token', 'I32', [conts]) as Int32Array,
    joint: tensor(blob, 'joint', 'I32', [carries, conts]) as Int32Array,
    jointTail: tensor(blob, 'joint_tail', 'I16', [carries, conts]) as Int16Array,
    ...bundlesOf(blob),
  }
  if (!isChecked) check(tables, references)
  return tables
}

/** Programs without the tensor read every token from its own column. */
function aliasOf(blob: Blob, x: number): Int32Array {
  if (!blob.tensors.has('alias')) return Int32Array.from({ length: x }, (_, token) => token)
  return tensor(blob, 'alias', 'I32', [x]) as Int32Array
}

function bundlesOf(blob: Blob): Pick<Tables, 'open' | 'bundleOffset' | 'bundleState'> {
  if (blob.metadata['open'] === undefined) {
    return { open: 0, bundleOffset: new Int32Array(1), bundleState: new Int32Array(0) }
  }
  const [offsets, states] = [sizeOf(blob, 'bundle_offset'), sizeOf(blob, 'bundle_state')]
  return {
    open: whole(blob, 'open', 1, 1024),
    bundleOffset: tensor(blob, 'bundle_offset', 'I32', [Math.max(offsets, 1)]) as Int32Array,
    bundleState: tensor(blob, 'bundle_state', 'I32', [states]) as Int32Array,
  }
}

function splitKeys(key: Float64Array, states: number, x: number) {
  const exceptionFrom = new Uint32Array(states + 1)
  const exceptionToken = new Int32Array(key.length)
  let before = -1
  for (let e = 0; e < key.length; e++) {
    const value = key[e]!
    if (value <= before) throw fail(`program exception_key[${e}]: expected rising values`)
    before = value
    const state = Math.floor(value / x)
    if (state >= states) throw fail(`program exception_key[${e}]: expected a known state`)
    exceptionToken[e] = value - state * x
    exceptionFrom[state + 1]!++
  }
  for (let s = 0; s < states; s++) exceptionFrom[s + 1]! += exceptionFrom[s]!
  return { exceptionFrom, exceptionToken }
}

function check(t: Tables, references: number): void {
  const named = t.states + t.bundleOffset.length - 1
  within('base', t.base, 0, named)
  within('alias', t.alias, 0, t.extended)
  within('exception_next', t.exceptionNext, 0, named)
  checkOpen(t, references)
  within('tail', t.tail, 0, t.carries)
  within('joint', t.joint, -1, t.extended)
  within('joint_tail', t.jointTail, 0, t.carries)
  within('cont_token', t.continuing, 0, t.width)
  rising('cont_token', t.continuing, 0, t.continuing.length)
  const sets = t.denyParent.length
  within('deny_set', t.denySet, -2, sets)
  within('deny_parent', t.denyParent, -1, sets)
  within('deny_token', t.denyToken, 0, t.extended)
  if (t.denyOffset[0] !== 0 || t.denyOffset[sets] !== t.denyToken.length) {
    throw fail('program deny_offset: expected to begin at 0 and end at the number of tokens')
  }
  for (let d = 0; d < sets; d++) {
    if (t.denyOffset[d + 1]! < t.denyOffset[d]!) {
      throw fail(`program deny_offset[${d + 1}]: expected no smaller value than before`)
    }
    const parent = t.denyParent[d]!
    if (parent >= 0 && t.denyParent[parent] !== -1) {
      throw fail(`program deny_parent[${d}]: expected a set without a parent, got ${parent}`)
    }
  }
  for (let d = 0; d < sets; d++)
    rising('deny_token', t.denyToken, t.denyOffset[d]!, t.denyOffset[d + 1]!)
  if (t.denySet.includes(-1)) throw fail('program deny_set: expected a set or -2, got -1')
  if (t.denySet[t.dead] !== -2) throw fail('program deny_set: expected -2 for the dead state')
}

/** Where rows are in several states: exactly one of them has a row of `base`, in every bundle. */
function checkOpen(t: Tables, references: number): void {
  const hasRow = (state: number): boolean => t.reference[state] !== NO_ROW
  const { bundleOffset: offset, bundleState: state } = t
  if (t.open === 0) within('reference', t.reference, 0, references)
  else t.reference.forEach((row, s) => hasRow(s) && within(`reference[${s}]`, [row], 0, references))
  within('broken', t.broken, t.open === 0 ? 0 : -1, t.states)
  within('bundle_state', state, 0, t.states)
  if (offset[0] !== 0 || offset.at(-1) !== state.length) {
    throw fail('program bundle_offset: expected to begin at 0 and end at the number of states')
  }
  rising('bundle_offset', offset, 0, offset.length)
  for (let b = 0; b + 1 < offset.length; b++) {
    const [from, to] = [offset[b]!, offset[b + 1]!]
    const isOne = hasRow(state[from]!) && !state.subarray(from + 1, to).some(hasRow)
    if (!isOne || to - from - 1 > t.open) {
      throw fail(`program bundle_state[${from}]: expected one state with a row, then matches`)
    }
    rising('bundle_state', state, from + 1, to)
  }
  const start = Math.floor(t.start / t.carries)
  if (!hasRow(start) || !hasRow(t.dead))
    throw fail('program start, dead: expected states with a row')
  checkKinds(t, hasRow)
}

/** A state with a row leads to one, or to a bundle; a match leads to matches only, or to `dead`. */
function checkKinds(t: Tables, hasRow: (state: number) => boolean): void {
  const isKept = (from: number, to: number): boolean =>
    to === t.dead || (to >= t.states ? hasRow(from) : hasRow(from) === hasRow(to))
  for (let s = 0; s < t.states; s++) {
    for (let e = t.exceptionFrom[s]!; e < t.exceptionFrom[s + 1]!; e++) {
      if (!isKept(s, t.exceptionNext[e]!))
        throw fail(`program exception_next[${e}]: expected its kind`)
    }
    const after = t.broken[s]!
    if (after < 0 ? hasRow(s) : !isKept(s, after))
      throw fail(`program broken[${s}]: expected its kind`)
  }
  for (let i = 0; i < t.base.length; i++) {
    const to = t.base[i]!
    if (to < t.states && !hasRow(to)) throw fail(`program base[${i}]: expected a state with a row`)
  }
}
