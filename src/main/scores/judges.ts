/**
 * Classifiers that run off the path, as the planes ask them: which registered names they answer for,
 * and a text's findings within a deadline. An answer that does not come is a finding too.
 */
import type { DriftState, DriftWatch } from '../../classifiers/drift.ts'
import type { Finding } from '../../model/finding.ts'
import type { ClassifyResult, TextClassifier, Verdict } from '../../model/verdict.ts'
import { mask, TAGGED_TYPES } from '../../pii/finding.ts'
import { PII } from '../../policy/compile/names.ts'

export type Priority = Parameters<TextClassifier['classify']>[1]['priority']

/** One model, and the registered names of its labels. */
export type Judging = {
  readonly classifier: TextClassifier
  readonly names: ReadonlyMap<string, string>
  readonly close?: () => Promise<void>
  /** Told of the score of every text, where the site has calibrated the model. */
  readonly drift?: DriftWatch
}

export class Judges {
  readonly #judging: readonly Judging[]

  constructor(judging: readonly Judging[]) {
    this.#judging = judging
  }

  /** Whether a model answers for the name. */
  has(name: string): boolean {
    return this.#judging.some((one) => [...one.names.values()].includes(name))
  }

  /** Findings for `names`, spans in `text`. Never rejects, and never later than the deadline. */
  async ask(
    names: ReadonlySet<string>,
    text: string,
    options: { readonly priority: Priority; readonly deadlineMs: number },
  ): Promise<readonly Finding[]> {
    const asked = this.#judging.filter((one) =>
      [...one.names.values()].some((name) => names.has(name)),
    )
    const answers = await Promise.all(
      asked.map(async (one) => {
        const result = await one.classifier.classify(text, options)
        if (result.kind === 'verdicts') {
          for (const { label, probability } of result.verdicts)
            one.drift?.record(label, probability)
        }
        return toFindings(one, names, text, result)
      }),
    )
    return answers.flat()
  }

  drift(): readonly DriftState[] {
    return this.#judging.flatMap(({ drift }) => drift?.states() ?? [])
  }

  async close(): Promise<void> {
    for (const one of this.#judging) await one.close?.()
  }
}

/** A label answers for its registered name; further labels of the model are not asked for. */
function toFindings(
  { names }: Judging,
  asked: ReadonlySet<string>,
  text: string,
  result: ClassifyResult,
): readonly Finding[] {
  if (result.kind !== 'verdicts') {
    const missing = [...new Set(names.values())].filter((name) => asked.has(name))
    return missing.map((model) => ({ kind: 'unjudged', model, reason: result.kind }))
  }
  return result.verdicts.flatMap((verdict): Finding[] => {
    const model = names.get(verdict.label)
    if (model === undefined || !asked.has(model)) return []
    const finding = toPersonalData(verdict, text)
    return [model === PII ? finding : { kind: 'verdict', verdict: { ...verdict, model } }]
  })
}

/** What a tagger says is personal data like what the scanner finds: a span that can be masked. */
function toPersonalData({ label, probability, span }: Verdict, text: string): Finding {
  const [start, end] = span
  const type = TAGGED_TYPES.find((one) => one === label) ?? 'name'
  const masked = mask(type, text.slice(start, end))
  return { kind: 'pii', type, start, end, confidence: probability, masked }
}
