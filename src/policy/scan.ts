/**
 * All texts of a policy over a growing text: phrases and disguised patterns by the automaton that the
 * token programs are made from, other patterns in linear time. Text may be cut anywhere.
 */
import { compileAutomaton } from '../automata/automaton.ts'
import type { Automaton } from '../automata/automaton.ts'
import { createTextScanner } from '../automata/scan.ts'
import type { Ban } from '../model/ban.ts'
import type { Finding } from '../model/finding.ts'
import type { CompiledPolicy } from './compiled.ts'
import { compileLinear, LinearScanner } from './linear.ts'
import type { LinearPattern } from './linear.ts'
import { parseRegex } from './regex.ts'

export type TextMatch = { readonly ban: string; readonly start: number; readonly end: number }

export interface PolicyScanner {
  /** Matches that this chunk decided. */
  push(text: string): readonly TextMatch[]
  /** Matches that the end of the text decides. The scanner is used up. */
  end(): readonly TextMatch[]
  /** UTF-16 offset of the oldest open partial match; `length` when nothing is open. */
  readonly openFrom: number
  readonly length: number
}

/** A pattern that only folds case is as exact, and smaller, when simulated. */
const isSimulated = (text: Ban): boolean =>
  text.kind === 'regex' && text.folds.every((fold) => fold === 'case')

/** How far back an open pattern without a bound may hold text, in characters. */
const MAX_OPEN = 256

type Machines = {
  readonly automaton: Automaton | undefined
  readonly linear: readonly LinearPattern[]
}

const machinesOf = new WeakMap<CompiledPolicy, Machines>()
/** Automata by their texts: a reload that changes no text compiles none. The last few are kept. */
const automata = new Map<string, Automaton>()
const MAX_AUTOMATA = 16
/** Names of policies that were scanned for; at most as many as there are policies. */
const scanned = new Set<string>()
export const isScanned = (name: string): boolean => scanned.has(name)

/**
 * Compiles what the policy scans for; at the first scan otherwise. Throws GuardError for a text that
 * cannot be looked for: empty, white space only, or nothing but what its folds drop.
 */
export function prepareScan(policy: CompiledPolicy): Machines {
  const known = machinesOf.get(policy)
  if (known !== undefined) return known
  const made = compileMachines(policy)
  machinesOf.set(policy, made)
  return made
}

function compileMachines(policy: CompiledPolicy): Machines {
  const simulated = policy.texts.filter(isSimulated).map(simulate)
  const rest = policy.texts.filter((text) => !isSimulated(text))
  const linear = [...policy.linear, ...simulated]
  return { automaton: rest.length === 0 ? undefined : automatonOf(rest), linear }
}

/** Refuses a ban that the engine's masks could not hold. Throws GuardError with its place. */
export function checkBans(policy: CompiledPolicy): void {
  const patterns = policy.bans.filter((ban) => ban.kind === 'regex')
  if (patterns.length > 0) automatonOf(patterns)
}

function simulate({ id, text, match, folds }: Ban): LinearPattern {
  const source = match === 'word' ? `\\b(?:${text})\\b` : text
  return compileLinear(id, text, parseRegex(source), folds.includes('case'))
}

function automatonOf(texts: readonly Ban[]): Automaton {
  const key = JSON.stringify(texts.map((text) => ({ ...text, place: '' })))
  const known = automata.get(key)
  if (known !== undefined) {
    automata.delete(key)
    automata.set(key, known)
    return known
  }
  const made = compileAutomaton(texts)
  automata.set(key, made)
  for (const oldest of automata.keys()) {
    if (automata.size <= MAX_AUTOMATA) break
    automata.delete(oldest)
  }
  return made
}

export function createPolicyScanner(policy: CompiledPolicy): PolicyScanner {
  const { automaton, linear } = prepareScan(policy)
  scanned.add(policy.name)
  const phrases = automaton === undefined ? undefined : createTextScanner(automaton)
  const patterns = linear.map((pattern) => new LinearScanner(pattern))
  let length = 0
  const collect = (
    found: readonly TextMatch[],
    of: (scanner: LinearScanner) => readonly { id: string; start: number; end: number }[],
  ): readonly TextMatch[] => {
    if (patterns.length === 0) return found
    const more = patterns.flatMap((scanner) =>
      of(scanner).map(({ id, start, end }) => ({ ban: id, start, end })),
    )
    return more.length === 0 ? found : [...found, ...more]
  }
  return {
    push: (text) => {
      length += text.length
      return collect(phrases?.push(text) ?? [], (scanner) => scanner.feed(text))
    },
    end: () => collect(phrases?.end() ?? [], (scanner) => scanner.end()),
    get openFrom() {
      let from = phrases?.openFrom ?? length
      for (const scanner of patterns)
        from = Math.min(from, Math.max(scanner.openFrom, length - MAX_OPEN))
      return Math.min(from, length)
    },
    get length() {
      return length
    },
  }
}

/** Everything that a whole text holds, as findings. */
export function scanText(policy: CompiledPolicy, text: string): readonly Finding[] {
  const scanner = createPolicyScanner(policy)
  const found = [...scanner.push(text), ...scanner.end()]
  const unique = new Map(found.map((match) => [`${match.ban} ${match.start} ${match.end}`, match]))
  return [...unique.values()].map((match) => ({ kind: 'match', ...match }))
}
