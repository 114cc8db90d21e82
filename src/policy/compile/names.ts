/** Names of classifiers: the registry's own, and what CheckStream rule files call them. */

export const CLASSIFIERS = [
  'toxicity_detector',
  'finance_regulatory',
  'pii_detector',
  'prompt_injection',
  'self_harm',
  'risk',
] as const

const ALIASES: Readonly<Record<string, string>> = {
  toxicity: 'toxicity_detector',
  toxic: 'toxicity_detector',
  regulatory_finance: 'finance_regulatory',
  advice_vs_information: 'finance_regulatory',
  advice_detector: 'finance_regulatory',
  financial_advice: 'finance_regulatory',
  pii: 'pii_detector',
  injection: 'prompt_injection',
  prompt_injection_detector: 'prompt_injection',
  jailbreak: 'prompt_injection',
}

/** The name of a probe on the model's own hidden states. */
export const PROBE = 'probe'

/** Classifier that answers for PII findings too. */
export const PII = 'pii_detector'
/** Types of personal data that only its model finds. */
export const TAGGED: readonly string[] = ['name', 'address']

export const classifierName = (written: string): string => ALIASES[written] ?? written
