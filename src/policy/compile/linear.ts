/**
 * Patterns that are not bounded, matched in linear time: Thompson's simulation, all threads at once,
 * so no input can make it backtrack. Incremental: text may be cut anywhere. (Thompson, 1968; Cox,
 * "Regular Expression Matching Can Be Simple And Fast", 2007.)
 *
 * A match is told as soon as it is one, and again, longer, when its longest end is known.
 */
import { GuardError } from '../../model/errors.ts'
import { isWordChar, setHas } from './regex.ts'
import type { Assertion, ParsedRegex, RegexNode } from './regex.ts'

type Instruction =
  | { readonly op: 'set'; readonly has: (c: number) => boolean }
  | { readonly op: 'split'; readonly a: number; readonly b: number }
  | { readonly op: 'assert'; readonly what: Assertion }
  | { readonly op: 'match' }

export type LinearPattern = {
  readonly id: string
  readonly source: string
  readonly isFolded: boolean
  readonly program: readonly Instruction[]
  /** ASCII characters that can begin a match (1) or not (0); undefined when any may. */
  readonly first: Uint8Array | undefined
}

export type LinearMatch = { readonly id: string; readonly start: number; readonly end: number }

/** Instructions of one pattern; past it the pattern is refused. Time per character is at most this. */
export const MAX_PROGRAM = 4_000

export function compileLinear(
  id: string,
  source: string,
  regex: ParsedRegex,
  isFolded: boolean,
): LinearPattern {
  const program: Instruction[] = []
  emit(regex.root, program, isFolded || regex.isCaseInsensitive)
  program.push({ op: 'match' })
  return { id, source, isFolded, program, first: firstOf(program) }
}

/** Most characters of a text begin nothing: they are passed over without a simulation step. */
function firstOf(program: readonly Instruction[]): Uint8Array | undefined {
  const first = new Uint8Array(128)
  const seen = new Set<number>()
  const stack = [0]
  for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
    const instruction = program[pc]
    if (seen.has(pc) || instruction === undefined) continue
    seen.add(pc)
    if (instruction.op === 'match') return undefined
    if (instruction.op === 'split') stack.push(instruction.a, instruction.b)
    else if (instruction.op === 'assert') stack.push(pc + 1)
    else for (let c = 0; c < first.length; c++) if (instruction.has(c)) first[c] = 1
  }
  return first
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= MAX_PROGRAM) {
    const message = `the pattern is too large: more than ${MAX_PROGRAM} steps once repetitions are written out`
    throw new GuardError('policy_invalid', message)
  }
  return program.push(instruction) - 1
}

function emit(node: RegexNode, program: Instruction[], isFolded: boolean): void {
  switch (node.kind) {
    case 'empty':
      return
    case 'set':
      push(program, { op: 'set', has: isFolded ? foldedTest(node) : (c) => setHas(node, c) })
      return
    case 'assert':
      push(program, { op: 'assert', what: node.what })
      return
    case 'seq':
      for (const part of node.parts) emit(part, program, isFolded)
      return
    case 'alt':
      emitAlternatives(node.parts, program, isFolded)
      return
    case 'repeat':
      emitRepeat(node, program, isFolded)
  }
}

function foldedTest(node: Extract<RegexNode, { kind: 'set' }>): (c: number) => boolean {
  return (c) => {
    const text = String.fromCodePoint(c)
    const lower = text.toLowerCase().codePointAt(0) ?? c
    const upper = text.toUpperCase().codePointAt(0) ?? c
    // A negated set refuses a character when it refuses any of its cases.
    if (node.isNegated) return setHas(node, c) && setHas(node, lower) && setHas(node, upper)
    return setHas(node, c) || setHas(node, lower) || setHas(node, upper)
  }
}

function emitAlternatives(parts: readonly RegexNode[], program: Instruction[], f: boolean): void {
  const exits: number[] = []
  for (const [i, part] of parts.entries()) {
    if (i === parts.length - 1) {
      emit(part, program, f)
      break
    }
    const split = push(program, { op: 'match' })
    emit(part, program, f)
    exits.push(push(program, { op: 'match' }))
    program[split] = { op: 'split', a: split + 1, b: program.length }
  }
  for (const exit of exits) program[exit] = { op: 'split', a: program.length, b: program.length }
}

function emitRepeat(
  node: Extract<RegexNode, { kind: 'repeat' }>,
  program: Instruction[],
  f: boolean,
): void {
  for (let i = 0; i < node.min; i++) emit(node.of, program, f)
  if (node.max === Infinity) {
    const split = push(program, { op: 'match' })
    emit(node.of, program, f)
    push(program, { op: 'split', a: split, b: split })
    program[split] = { op: 'split', a: split + 1, b: program.length }
    return
  }
  const splits: number[] = []
  for (let i = node.min; i < node.max; i++) {
    splits.push(push(program, { op: 'match' }))
    emit(node.of, program, f)
  }
  for (const at of splits) program[at] = { op: 'split', a: at + 1, b: program.length }
}

const NONE = -1

/** One text, one pattern. Offsets are UTF-16. */
export class LinearScanner {
  readonly #pattern: LinearPattern
  #threads: number[] = []
  #starts: number[] = []
  /** UTF-16 offset of the next character. */
  #at = 0
  #previous = NONE
  /** First half of a surrogate pair that was cut. */
  #half = ''
  #pending: { start: number; end: number; told: number } | undefined
  #found: LinearMatch[] = []
  #mark: Uint32Array
  #round = 0

  constructor(pattern: LinearPattern) {
    this.#pattern = pattern
    this.#mark = new Uint32Array(pattern.program.length)
  }

  /** Offset of the oldest open partial match, or of the end of the text. */
  get openFrom(): number {
    return this.#starts[0] ?? this.#at
  }

  feed(text: string): readonly LinearMatch[] {
    this.#found = []
    const whole = this.#half + text
    this.#half = ''
    for (let i = 0; i < whole.length;) {
      const c = whole.codePointAt(i) ?? 0
      const size = c > 0xffff ? 2 : 1
      if (size === 1 && c >= 0xd800 && c < 0xdc00 && i === whole.length - 1) {
        this.#half = whole.slice(i)
        break
      }
      this.#step(c, size)
      i += size
    }
    return this.#found
  }

  /** The text is complete: what could still grow is settled. */
  end(): readonly LinearMatch[] {
    this.#found = []
    this.#close(NONE)
    this.#settle()
    return this.#found
  }

  /** All open threads, through everything that reads no character; `next` is known by now. */
  #close(next: number): { threads: number[]; starts: number[] } {
    const threads: number[] = []
    const starts: number[] = []
    this.#round++
    for (const [i, pc] of this.#threads.entries()) {
      this.#follow(pc, this.#starts[i] ?? 0, next, threads, starts)
    }
    this.#follow(0, this.#at, next, threads, starts)
    return { threads, starts }
  }

  #follow(from: number, start: number, next: number, threads: number[], starts: number[]): void {
    const stack = [from]
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (this.#mark[pc] === this.#round) continue
      this.#mark[pc] = this.#round
      const instruction = this.#pattern.program[pc]
      if (instruction === undefined) continue
      if (instruction.op === 'match') this.#match(start)
      else if (instruction.op === 'split') stack.push(instruction.b, instruction.a)
      else if (instruction.op === 'assert') {
        if (this.#holds(instruction.what, next)) stack.push(pc + 1)
      } else {
        threads.push(pc)
        starts.push(start)
      }
    }
  }

  #holds(what: Assertion, next: number): boolean {
    if (what === 'start') return this.#previous === NONE
    if (what === 'end') return next === NONE
    const isBoundary =
      (this.#previous !== NONE && isWordChar(this.#previous)) !==
      (next !== NONE && isWordChar(next))
    return isBoundary === (what === 'word')
  }

  #match(start: number): void {
    const pending = this.#pending
    if (pending === undefined) {
      if (start === this.#at) return // an empty match is no finding
      this.#pending = { start, end: this.#at, told: this.#at }
      this.#found.push({ id: this.#pattern.id, start, end: this.#at })
    } else if (pending.start === start) pending.end = this.#at
  }

  #settle(): void {
    const pending = this.#pending
    if (pending === undefined) return
    if (pending.end > pending.told) {
      this.#found.push({ id: this.#pattern.id, start: pending.start, end: pending.end })
    }
    this.#pending = undefined
  }

  #step(c: number, size: number): void {
    if (this.#threads.length === 0 && this.#pending === undefined && c < 128) {
      if (this.#pattern.first?.[c] === 0) {
        this.#previous = c
        this.#at += size
        return
      }
    }
    const closed = this.#close(c)
    const threads: number[] = []
    const starts: number[] = []
    for (const [i, pc] of closed.threads.entries()) {
      const instruction = this.#pattern.program[pc]
      if (instruction?.op !== 'set' || !instruction.has(c)) continue
      threads.push(pc + 1)
      starts.push(closed.starts[i] ?? 0)
    }
    const pending = this.#pending
    if (pending !== undefined && !starts.includes(pending.start)) {
      this.#settle()
      // What began inside the match overlaps it: matches of one pattern do not overlap.
      const kept = starts.map((start) => start >= pending.end)
      this.#threads = threads.filter((_, i) => kept[i])
      this.#starts = starts.filter((_, i) => kept[i])
    } else {
      this.#threads = threads
      this.#starts = starts
    }
    this.#previous = c
    this.#at += size
  }
}

/** Every match in a whole text; for tests, tools and short texts. */
export function scanLinear(pattern: LinearPattern, text: string): readonly LinearMatch[] {
  const scanner = new LinearScanner(pattern)
  const found = [...scanner.feed(text), ...scanner.end()]
  const longest = new Map<number, LinearMatch>()
  for (const match of found) longest.set(match.start, match)
  return [...longest.values()]
}
