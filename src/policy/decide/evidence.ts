/**
 * What a set of findings satisfies. Every leaf is judged once per decision, by index; rules are then
 * formulas over bits. The arrays belong to the policy and are used again, so that the hot path
 * allocates nothing while nothing fires; a decision is synchronous, so nobody else sees them.
 */
import type { Finding } from '../../model/finding.ts'
import { barFor, lowestBar } from '../bars.ts'
import type { CompiledPolicy, DecideContext, Formula } from '../compiled.ts'

type Level = Extract<Finding, { kind: 'level' }>
type Tool = Extract<Finding, { kind: 'tool' }>
type Unjudged = Extract<Finding, { kind: 'unjudged' }>
type Heard = Extract<Finding, { kind: 'verdict' }>

/** Most findings kept as evidence of one leaf: as many as a row or a channel remembers. */
const MAX_EVIDENCE = 256

export class Evidence {
  /** Rules that something here speaks for, each once; unordered. */
  readonly candidates: number[] = []
  readonly levels = new Map<number, Level>()
  readonly unjudged: Unjudged[] = []
  isDivergent = false
  /** A tool call is open or complete in the text. */
  hasTool = false
  isToolOpen = false
  /** Every judgement of the classifiers that a `count` counts, whether it holds or not. */
  readonly #judged: Heard[] = []
  readonly #policy: CompiledPolicy
  readonly #found: Finding[][]
  readonly #leafRound: Uint32Array
  readonly #ruleRound: Uint32Array
  #round = 0

  constructor(policy: CompiledPolicy) {
    this.#policy = policy
    this.#found = policy.leaves.map(() => [])
    this.#leafRound = new Uint32Array(policy.leaves.length)
    this.#ruleRound = new Uint32Array(policy.rules.length)
  }

  read(findings: readonly Finding[]): void {
    this.#clear()
    for (const rule of this.#policy.index.always) this.#candidate(rule)
    for (const finding of findings) this.#readOne(finding)
  }

  #clear(): void {
    if (this.#round === 0xffffffff) {
      this.#leafRound.fill(0)
      this.#ruleRound.fill(0)
      this.#round = 0
    }
    this.#round++
    this.candidates.length = 0
    if (this.levels.size > 0) this.levels.clear()
    this.unjudged.length = 0
    this.#judged.length = 0
    this.isDivergent = false
    this.hasTool = false
    this.isToolOpen = false
  }

  #readOne(finding: Finding): void {
    const { index } = this.#policy
    switch (finding.kind) {
      case 'match': {
        const leaves = index.byBan.get(finding.ban)
        if (leaves !== undefined) for (const leaf of leaves) this.#hit(leaf, finding)
        return
      }
      case 'verdict':
        this.#readVerdict(finding)
        return
      case 'pii':
        for (const i of index.pii) {
          const leaf = this.#policy.leaves[i]
          if (leaf?.kind !== 'pii' || finding.confidence < leaf.min) continue
          if (leaf.types?.has(finding.type) !== false) this.#hit(i, finding)
        }
        return
      case 'tool':
        this.#readTool(finding)
        return
      case 'unjudged':
        this.unjudged.push(finding)
        return
      case 'level': {
        const rule = index.ruleByName.get(finding.rule)
        if (rule === undefined) return
        this.levels.set(rule, finding)
        this.#candidate(rule)
        return
      }
      case 'divergence':
        this.isDivergent = true
    }
  }

  #readVerdict(finding: Heard): void {
    const { model, label, probability, digest } = finding.verdict
    if (this.#policy.counted.has(model)) this.#judged.push(finding)
    const leaves = this.#policy.index.byModel.get(model)
    if (leaves === undefined) return
    for (const i of leaves) {
      const leaf = this.#policy.leaves[i]
      if (leaf?.kind !== 'verdict') continue
      if (probability < lowestBar(leaf)) return // by rising bar: none of the rest can hold
      if (probability < barFor(leaf, digest) || probability > leaf.max) continue
      if (leaf.label === undefined || leaf.label === label) this.#hit(i, finding)
    }
  }

  #readTool(finding: Tool): void {
    this.hasTool = true
    this.isToolOpen = !finding.complete
    const values = parseArguments(finding)
    for (const i of this.#policy.index.tool) {
      const leaf = this.#policy.leaves[i]
      if (leaf?.kind === 'tool' && leaf.test(finding.name, values)) this.#hit(i, finding)
    }
  }

  #hit(leaf: number, finding: Finding): void {
    const found = this.#found[leaf]
    if (found === undefined) return
    if (this.#leafRound[leaf] !== this.#round) {
      this.#leafRound[leaf] = this.#round
      found.length = 0
      const rules = this.#policy.index.rulesOfLeaf[leaf]
      if (rules !== undefined) for (const rule of rules) this.#candidate(rule)
    }
    if (found.length < MAX_EVIDENCE) found.push(finding)
  }

  #candidate(rule: number): void {
    if (this.#ruleRound[rule] === this.#round) return
    this.#ruleRound[rule] = this.#round
    this.candidates.push(rule)
  }

  holds(formula: Formula, context: DecideContext): boolean {
    switch (formula.op) {
      case 'leaf':
        return this.#leafRound[formula.leaf] === this.#round
      case 'context':
        return formula.test(context)
      case 'any':
        for (const part of formula.of) if (this.holds(part, context)) return true
        return false
      case 'all':
        for (const part of formula.of) if (!this.holds(part, context)) return false
        return true
      case 'not':
        return !this.holds(formula.of, context)
      case 'count':
        return this.holds(formula.of, context) && this.#counts(formula)
    }
  }

  /**
   * Whether a level may act: what the level rests on may have passed, so findings count as found; what
   * the formula says of the request, and what it excludes, is asked now.
   */
  permits(formula: Formula, context: DecideContext): boolean {
    switch (formula.op) {
      case 'leaf':
        return true
      case 'any':
        return formula.of.some((part) => this.permits(part, context))
      case 'all':
        return formula.of.every((part) => this.permits(part, context))
      case 'count':
        return this.permits(formula.of, context)
      case 'context':
      case 'not':
        return this.holds(formula, context)
    }
  }

  /** At least so many findings, of the last so many judgements, within so many tokens. */
  #counts(formula: Extract<Formula, { op: 'count' }>): boolean {
    const { atLeast: n, withinTokens: within, window } = formula
    const all = this.of(formula.of)
    if (all.length < n) return false
    const recent = window === undefined ? all : this.#recent(all, window)
    if (within === undefined) return recent.length >= n
    const places = recent.map(placeOf).sort((a, b) => a - b)
    return places.some((place, i) => i + 1 >= n && place - (places[i + 1 - n] ?? 0) < within)
  }

  /** Those of the last `window` judgements that hold. */
  #recent(holding: readonly Finding[], window: number): readonly Finding[] {
    const models = new Set<string>()
    for (const finding of holding) if (finding.kind === 'verdict') models.add(finding.verdict.model)
    const holds = new Set(holding)
    const judgements: Finding[] = this.#judged.filter(({ verdict }) => models.has(verdict.model))
    for (const finding of holding) if (finding.kind !== 'verdict') judgements.push(finding)
    judgements.sort((a, b) => placeOf(a) - placeOf(b))
    return judgements.slice(-window).filter((finding) => holds.has(finding))
  }

  #ofAll(parts: readonly Formula[]): Finding[] {
    const found: Finding[] = []
    for (const part of parts) {
      const more = this.of(part)
      for (const finding of more) found.push(finding)
    }
    return found
  }

  /** The findings that speak for a formula which holds; none for what was not found. */
  of(formula: Formula): Finding[] {
    switch (formula.op) {
      case 'leaf':
        return this.#leafRound[formula.leaf] === this.#round
          ? (this.#found[formula.leaf]?.slice() ?? [])
          : []
      case 'any':
      case 'all':
        return this.#ofAll(formula.of)
      case 'count':
        return this.of(formula.of)
      case 'not':
      case 'context':
        return []
    }
  }
}

/** Output position in tokens, or an estimate from the offset of what has only a place in the text. */
function placeOf(finding: Finding): number {
  if ('position' in finding && finding.position !== undefined) return finding.position
  if ('start' in finding) return finding.start / 4
  return finding.kind === 'verdict' ? finding.verdict.span[0] / 4 : 0
}

/** Arguments as values; undefined while they are not complete JSON. */
function parseArguments(finding: Tool): unknown {
  try {
    return JSON.parse(finding.arguments)
  } catch {
    // Not an error: a call that grows is not JSON yet. Conditions on values do not hold, names do.
    return undefined
  }
}
