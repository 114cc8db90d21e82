/**
 * All texts of a policy over a growing text: phrases and disguised patterns by the automaton that the
 * token programs are made from, other patterns in linear time. Text may be cut anywhere.
 */
import { createHash } from 'node:crypto'
import { compileAutomaton, compileScanMachine } from '../../automata/automaton.ts'
import type { ScanMachine } from '../../automata/automaton.ts'
import { createTextScanner } from '../../automata/scan.ts'
import type { TextScanner } from '../../automata/scan.ts'
import type { Ban } from '../../model/ban.ts'
import { GuardError } from '../../model/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { CompiledPolicy } from '../compiled.ts'
import { compileLinear, LinearScanner } from '../compile/linear.ts'
import type { LinearPattern } from '../compile/linear.ts'
import type { Problem } from '../read/problem.ts'
import { parseRegex } from '../compile/regex.ts'

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
  readonly machine: ScanMachine | undefined
  readonly linear: readonly LinearPattern[]
}

const machinesOf = new WeakMap<CompiledPolicy, Machines>()
/** Machines by their texts: a reload that changes no text compiles none. The last few are kept. */
const machines = new Map<string, ScanMachine>()
const MAX_MACHINES = 16
/** Names of policies that were scanned for; at most as many as there are policies. */
const scanned = new Set<string>()
export const scannedNames = (): readonly string[] => [...scanned]

/**
 * Compiles what the policy scans for; at the first scan otherwise. Throws GuardError for a text that
 * cannot be looked for: empty, white space only, or nothing but what its folds drop.
 */
export function prepareScan(policy: CompiledPolicy): Machines {
  const known = machinesOf.get(policy)
  if (known !== undefined) return known
  const texts = scannedTexts(policy)
  return keep(policy, texts.length === 0 ? undefined : machineOf(texts))
}

/** The same with a machine that was made elsewhere, of the texts that `scannedTexts` gives. */
export function adoptScan(policy: CompiledPolicy, machine: ScanMachine | undefined): void {
  if (!machinesOf.has(policy)) keep(policy, machine)
}

/** Texts that a machine finds; the others of the policy are simulated one by one. */
export const scannedTexts = (policy: CompiledPolicy): readonly Ban[] =>
  policy.texts.filter((text) => !isSimulated(text))

function keep(policy: CompiledPolicy, machine: ScanMachine | undefined): Machines {
  const simulated = policy.texts.filter(isSimulated).map(simulate)
  const made = { machine, linear: [...policy.linear, ...simulated] }
  machinesOf.set(policy, made)
  return made
}

/** Texts that cannot be looked for, and bans that the engine's masks could not hold. */
export function checkTexts(policy: CompiledPolicy): readonly Problem[] {
  try {
    prepareScan(policy)
    const patterns = policy.bans.filter((ban) => ban.kind === 'regex')
    if (patterns.length > 0) compileAutomaton(patterns)
    return []
  } catch (error) {
    const { message } = GuardError.from(error, 'policy_invalid')
    const [, file = policy.name, line = '1', column = '1', what = message] =
      /^(.*?):(\d+):(\d+): (.*)$/s.exec(message) ?? []
    const at = { file, line: Number(line), column: Number(column) }
    return [{ severity: 'error', code: 'ban', message: what, ...at }]
  }
}

function simulate({ id, text, match, folds }: Ban): LinearPattern {
  const source = match === 'word' ? `\\b(?:${text})\\b` : text
  return compileLinear(id, text, parseRegex(source), folds.includes('case'))
}

/** One key for equal texts, wherever they are written. */
export function textsKey(texts: readonly Ban[]): string {
  const told = texts.map(({ id, kind, text, match, folds }) => [id, kind, text, match, folds])
  return createHash('sha256').update(JSON.stringify(told)).digest('hex')
}

function machineOf(texts: readonly Ban[]): ScanMachine {
  const key = textsKey(texts)
  const known = machines.get(key)
  if (known === undefined) return holdMachine(key, compileScanMachine(texts))
  machines.delete(key)
  machines.set(key, known)
  return known
}

export const heldMachine = (key: string): ScanMachine | undefined => machines.get(key)
export const heldMachines = (): readonly string[] => [...machines.keys()]

export function holdMachine(key: string, machine: ScanMachine): ScanMachine {
  machines.set(key, machine)
  for (const oldest of machines.keys()) {
    if (machines.size <= MAX_MACHINES) break
    machines.delete(oldest)
  }
  return machine
}

export function createPolicyScanner(policy: CompiledPolicy): PolicyScanner {
  return new Scanner(policy)
}

class Scanner implements PolicyScanner {
  readonly #phrases: TextScanner | undefined
  readonly #patterns: readonly LinearScanner[]
  length = 0

  constructor(policy: CompiledPolicy) {
    const { machine, linear } = prepareScan(policy)
    scanned.add(policy.name)
    this.#phrases = machine === undefined ? undefined : createTextScanner(machine)
    this.#patterns = linear.map((pattern) => new LinearScanner(pattern))
  }

  push(text: string): readonly TextMatch[] {
    this.length += text.length
    return this.#collect(this.#phrases?.push(text) ?? [], (scanner) => scanner.feed(text))
  }

  end(): readonly TextMatch[] {
    return this.#collect(this.#phrases?.end() ?? [], (scanner) => scanner.end())
  }

  get openFrom(): number {
    let from = this.#phrases?.openFrom ?? this.length
    for (const scanner of this.#patterns)
      from = Math.min(from, Math.max(scanner.openFrom, this.length - MAX_OPEN))
    return Math.min(from, this.length)
  }

  #collect(
    found: readonly TextMatch[],
    of: (scanner: LinearScanner) => readonly { id: string; start: number; end: number }[],
  ): readonly TextMatch[] {
    if (this.#patterns.length === 0) return found
    const more = this.#patterns.flatMap((scanner) =>
      of(scanner).map(({ id, start, end }) => ({ ban: id, start, end })),
    )
    return more.length === 0 ? found : [...found, ...more]
  }
}

/** Everything that a whole text holds, as findings. */
export function scanText(policy: CompiledPolicy, text: string): readonly Finding[] {
  const scanner = createPolicyScanner(policy)
  const found = [...scanner.push(text), ...scanner.end()]
  const unique = new Map(found.map((match) => [`${match.ban} ${match.start} ${match.end}`, match]))
  return [...unique.values()].map((match) => ({ kind: 'match', ...match }))
}
