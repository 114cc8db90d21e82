/** From logits to probabilities to one score a label: pure arithmetic, with NaN as a named failure. */

export type Activation = 'sigmoid' | 'softmax'

/** One label's highest probability in a text and the span that it is about. */
export type Score = {
  readonly label: string
  readonly probability: number
  readonly start: number
  readonly end: number
}

/** Undefined when a logit is not a number: the model failed, whatever its other numbers say. */
export function probabilities(
  logits: Float32Array,
  activation: Activation,
): Float32Array | undefined {
  if (logits.some((x) => Number.isNaN(x))) return undefined
  if (activation === 'sigmoid') return logits.map((x) => 1 / (1 + Math.exp(-x)))
  const top = Math.max(...logits)
  const powers = logits.map((x) => Math.exp(x - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((x) => x / sum)
}

type Judged = { readonly start: number; readonly end: number; readonly values: Float32Array }

/**
 * The highest probability of each label over all windows, and that window's span. Its odds are divided
 * by the number of windows to the power `sharesOdds`, because the highest of many is high by chance
 * alone (1: Bonferroni) and an honest prompt's windows err alike (above 1): a long one would be called
 * an attack for its length.
 */
export function bestOf(
  labels: readonly string[],
  windows: readonly Judged[],
  sharesOdds = 0,
): Score[] {
  const shares = Math.max(1, windows.length) ** sharesOdds
  return labels.map((label, k) => {
    let best: Score = { label, probability: 0, start: 0, end: 0 }
    for (const { start, end, values } of windows) {
      const probability = values[k] ?? 0
      if (probability > best.probability) best = { label, probability, start, end }
    }
    const p = best.probability
    return shares === 1 ? best : { ...best, probability: p / (p + shares * (1 - p)) }
  })
}

const plain = (label: string): string => label.replace(/^[BIES]-/, '')

/**
 * Token labels to spans: neighbouring words whose best label is the same kind become one score.
 * `O` is no label. A word has the highest probability of its tokens.
 */
export function spansOf(labels: readonly string[], words: readonly Judged[]): Score[] {
  const spans: Score[] = []
  let open: Score | undefined
  for (const { start, end, values } of words) {
    const k = values.indexOf(Math.max(...values))
    const label = plain(labels[k] ?? 'O')
    const probability = values[k] ?? 0
    if (open?.label === label) {
      open = { ...open, end, probability: Math.max(open.probability, probability) }
      continue
    }
    if (open !== undefined) spans.push(open)
    open = label === 'O' ? undefined : { label, probability, start, end }
  }
  if (open !== undefined) spans.push(open)
  return spans
}
