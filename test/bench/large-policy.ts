/** A policy as large as a bank's: 100 rules of every kind, any number of phrases; for the benches. */

export const RULES = 100
/** Phrase `n` of a large policy. */
export const TEXT = (n: number): string =>
  `forbidden phrase ${n} of the ${['bank', 'fund', 'desk'][n % 3] ?? ''}`

const MODELS = ['toxicity_detector', 'finance_regulatory', 'prompt_injection', 'self_harm', 'risk']

/** YAML; `mark` makes every phrase another one, so that nothing compiled before can be used. */
export function largePolicy(phrases: number, mark = ''): string {
  const per = phrases / RULES
  const rules = Array.from({ length: RULES }, (_, i) => {
    const list = Array.from({ length: per }, (__, k) =>
      JSON.stringify(`${TEXT(i * per + k)}${mark === '' ? '' : ` ${mark}`}`),
    )
    const words = `{type: keywords, folds: [case], any: [${list.join(', ')}]}`
    const score = `{type: classifier, classifier: ${MODELS[i % 5] ?? ''}, threshold: ${0.5 + (i % 40) / 100}}`
    const trigger = i % 2 === 0 ? `{type: any, triggers: [${words}, ${score}]}` : words
    const action = [
      '{type: stop}',
      '{type: redact}',
      '{type: audit}',
      '{type: log, message: m}',
      '{type: ban}',
    ][i % 5]
    const kind = i % 2 === 0 && i % 5 === 4 ? '{type: audit}' : action
    return `  - {name: rule-${i}, phase: [step, midstream], priority: ${i}, trigger: ${trigger}, actions: [${kind}]}`
  })
  return `name: large\nrules:\n${rules.join('\n')}\n`
}
