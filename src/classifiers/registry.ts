/**
 * The registry of classifiers: which name is which head of which model, in which tier, with which
 * budget. Names are what policies say (`toxicity_detector`); digests bind a name to exact files.
 *
 * Tiers: A scores inside the step, B off the path, C offline only.
 */
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'

export type Tier = 'A' | 'B' | 'C'

/** A model's time per unit of work, 95th percentile, in milliseconds; past it the model is late. */
export const BUDGET_MS: Readonly<Record<Tier, number>> = {
  A: 0.3,
  B: 10,
  C: Number.POSITIVE_INFINITY,
}

const entrySchema = z.strictObject({
  folder: z.string().min(1),
  version: z.string().min(1),
  tier: z.enum(['A', 'B', 'C']),
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
})

const registrySchema = z.strictObject({
  format: z.literal(1),
  models: z.record(z.string(), entrySchema),
  /** Policy name → label of the model in tier A and in tier B. */
  names: z.record(
    z.string(),
    z.strictObject({
      label: z.string(),
      /** Further labels that the name stands for: `pii_detector` is names and addresses. */
      labels: z.array(z.string()).min(1).optional(),
      models: z.array(z.string()).min(1),
    }),
  ),
})

export type RegistryEntry = z.infer<typeof entrySchema>
export type Registry = z.infer<typeof registrySchema>

export function parseRegistry(value: unknown, place: string): Registry {
  const found = registrySchema.safeParse(value, { reportInput: true })
  if (!found.success) {
    const { path, told } = firstMistake(found.error)
    throw new GuardError('model_invalid', `${place}.${path}: ${told}`)
  }
  for (const [name, { models }] of Object.entries(found.data.names)) {
    const lost = models.find((model) => found.data.models[model] === undefined)
    if (lost !== undefined) {
      throw new GuardError('model_invalid', `${place}.names.${name}: no model named ${lost}`)
    }
  }
  return found.data
}

/** The label behind a policy's classifier name, or an error that lists the names there are. */
export function labelOf(registry: Registry, name: string): string {
  const found = registry.names[name]
  if (found !== undefined) return found.label
  const known = Object.keys(registry.names).toSorted().join(', ')
  throw new GuardError('config_invalid', `classifier ${name}: expected one of ${known}`)
}

/** Models that may serve: tier C is too slow to stand in the way of anything. */
export function servable(registry: Registry, name: string): RegistryEntry {
  const entry = registry.models[name]
  if (entry === undefined) {
    const known = Object.keys(registry.models).toSorted().join(', ')
    throw new GuardError('config_invalid', `model ${name}: expected one of ${known}`)
  }
  if (entry.tier !== 'C') return entry
  throw new GuardError('config_invalid', `model ${name}: tier C is for eval and calibrate only`)
}

/**
 * Watches a model's times against its tier's budget over the last `size` runs. `over` holds when
 * the 95th percentile is past the budget; what happens then is the rule's `on_failure`.
 */
export class BudgetMeter {
  readonly #budgetMs: number
  readonly #times: Float64Array
  #count = 0

  constructor(tier: Tier, size = 200) {
    this.#budgetMs = BUDGET_MS[tier]
    this.#times = new Float64Array(size)
  }

  record(ms: number): void {
    this.#times[this.#count++ % this.#times.length] = ms
  }

  get p95(): number {
    const filled = this.#times.subarray(0, Math.min(this.#count, this.#times.length)).toSorted()
    return filled[Math.max(0, Math.ceil(filled.length * 0.95) - 1)] ?? 0
  }

  /** Needs 20 runs, so that a cold start condemns nobody. */
  get over(): boolean {
    return this.#count >= 20 && this.p95 > this.#budgetMs
  }
}

/** What happens to a model that is past its budget: it is shown, or what it is asked counts as late. */
export type OverBudget = 'report' | 'late'

const PROBE_EVERY = 20

/**
 * Enforces a budget. A model that is kept from work is never measured again, so one request in
 * PROBE_EVERY goes through; when the times are good again, all do.
 */
export class BudgetGate {
  readonly meter: BudgetMeter
  readonly #over: OverBudget
  #refused = 0

  constructor(tier: Tier, over: OverBudget) {
    this.meter = new BudgetMeter(tier)
    this.#over = over
  }

  /** False: the model is not to be asked, and the rule's `on_failure` decides. */
  admits(): boolean {
    if (this.#over === 'report' || !this.meter.over) return true
    this.#refused++
    return this.#refused % PROBE_EVERY === 0
  }

  get refused(): number {
    return this.#refused
  }
}
