/** Text after its effects: spans replaced, notices added, ended by a stop. For whole texts and tests. */
import type { TextEffect } from '../../model/decision.ts'

export function applyText(text: string, effects: readonly TextEffect[]): string {
  const stop = effects.find((effect) => effect.kind === 'stop')
  if (stop !== undefined) return stop.message
  let out = ''
  let at = 0
  for (const effect of effects) {
    if (effect.kind !== 'redact' || effect.start < at) continue
    out += text.slice(at, effect.start) + effect.with
    at = effect.end
  }
  out += text.slice(at)
  for (const effect of effects) {
    if (effect.kind !== 'inject') continue
    out = effect.where === 'before' ? effect.text + out : out + effect.text
  }
  return out
}
