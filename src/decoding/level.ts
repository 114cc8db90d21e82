/**
 * Risk in, level out: smoothing, thresholds with hysteresis, and a dwell time. Pure: the next state is
 * computed from the old one, so a rewind is an assignment.
 */
import type { AdaptPlan } from './plan.ts'

export type LevelState = {
  /** 0 = the request's own parameters. */
  readonly level: number
  /** Smoothed risk; with `n_of_m` the share of the window that is evidence. */
  readonly risk: number
  /** Output position of the last token whose risk held the level up. */
  readonly evidenceAt: number
  /** Last raw scores, oldest first; only `n_of_m` keeps them, at most m. */
  readonly window: readonly number[]
}

export const CALM: LevelState = { level: 0, risk: 0, evidenceAt: -1, window: [] }

/**
 * The state after a token at `position` whose raw risk is `score` (0 to 1; NaN counts as 1: a score
 * that cannot be read is not a reason to relax).
 *
 * Rising is immediate and may skip levels. Falling goes one level at a time and only when the
 * smoothed risk is below the level's `leave` and `dwellTokens` have passed since the last evidence.
 */
export function nextLevel(
  plan: AdaptPlan,
  state: LevelState,
  position: number,
  score: number,
): LevelState {
  const raw = Number.isNaN(score) ? 1 : Math.min(1, Math.max(0, score))
  const window = plan.smoothing.kind === 'n_of_m' ? pushed(state.window, raw, plan) : state.window
  const risk = smooth(plan, state, raw, window)
  let level = 0
  for (const [i, { enter }] of plan.levels.entries()) if (risk >= enter) level = i + 1
  if (level >= state.level) {
    const evidenceAt = level > 0 ? position : state.evidenceAt
    return { level, risk, evidenceAt, window }
  }
  const held = plan.levels[state.level - 1]
  const isEvidence = held !== undefined && risk >= held.leave
  if (isEvidence) return { level: state.level, risk, evidenceAt: position, window }
  if (position - state.evidenceAt <= plan.dwellTokens) return { ...state, risk, window }
  // The next lower level starts its own dwell here, so that it decays back step by step.
  return { level: state.level - 1, risk, evidenceAt: position, window }
}

function smooth(
  plan: AdaptPlan,
  state: LevelState,
  raw: number,
  window: readonly number[],
): number {
  const { smoothing } = plan
  switch (smoothing.kind) {
    case 'max':
      return raw
    case 'ema':
      return state.risk + smoothing.alpha * (raw - state.risk)
    case 'n_of_m': {
      // The n-th highest of the last m: at least n of them reach a threshold exactly when it does.
      const sorted = [...window].sort((a, b) => b - a)
      return sorted[smoothing.n - 1] ?? 0
    }
  }
}

function pushed(window: readonly number[], raw: number, plan: AdaptPlan): readonly number[] {
  const { smoothing } = plan
  if (smoothing.kind !== 'n_of_m') return window
  return [...window, raw].slice(-smoothing.m)
}
