/** Effects of all rules that fired, merged: the strictest wins, ties go to the higher priority. */
import type { Decision, RuleFiring, TextEffect, ToolEffect } from '../../model/decision.ts'
import type { Adapt, TokenSet } from '../../model/directive.ts'
import { stricter } from '../../decoding/tighten.ts'
import type { CompiledPolicy } from '../compiled.ts'

type Stop = NonNullable<Decision['stop']>
type Span = Extract<TextEffect, { kind: 'redact' }>

export class Outcome {
  readonly firings: RuleFiring[] = []
  readonly deny: TokenSet[] = []
  sync = false
  readonly #policy: CompiledPolicy
  readonly #spans: Span[] = []
  readonly #injects: Extract<TextEffect, { kind: 'inject' }>[] = []
  readonly #tools: ToolEffect[] = []
  #adapt: Adapt | undefined
  #force: readonly number[] | undefined
  #stop: Stop | undefined
  #stopPriority = -1

  constructor(policy: CompiledPolicy) {
    this.#policy = policy
  }

  adapt(adapt: Adapt): void {
    this.#adapt = stricter(this.#adapt, adapt)
  }

  /** The first to force is the one of the highest priority: rules are judged in that order. */
  force(tokens: readonly number[]): void {
    this.#force ??= tokens
  }

  stop(priority: number, stop: Stop): void {
    if (priority <= this.#stopPriority) return
    this.#stop = stop
    this.#stopPriority = priority
  }

  replace(start: number, end: number, text: string): void {
    this.#spans.push({ kind: 'redact', start, end, with: text })
  }

  inject(where: 'before' | 'after', text: string, isOnce: boolean): void {
    const isThere = this.#injects.some((i) => i.where === where && i.text === text)
    if (!isOnce || !isThere) this.#injects.push({ kind: 'inject', where, text })
  }

  /** One rewrite for each argument, by the highest priority; a blocked call is not rewritten. */
  tool(effect: ToolEffect): void {
    if (effect.kind === 'block') {
      if (!this.#tools.some((e) => e.kind === 'block')) this.#tools.push(effect)
    } else if (effect.kind === 'step_up') this.#tools.push(effect)
    else if (!this.#tools.some((e) => e.kind === 'rewrite' && e.argument === effect.argument)) {
      this.#tools.push(effect)
    }
  }

  toDecision(): Decision {
    const text: TextEffect[] = [...mergeSpans(this.#spans), ...this.#injects]
    const stop = this.#stop
    if (stop !== undefined) {
      text.push({ kind: 'stop', message: stop.message, status: stop.status })
    }
    const blocked = this.#tools.filter((e) => e.kind === 'block')
    const tool = blocked.length > 0 ? blocked : this.#tools
    return {
      revision: this.#policy.digest,
      sync: this.sync,
      text,
      firings: this.firings,
      ...(this.#adapt === undefined ? {} : { adapt: this.#adapt }),
      ...(this.deny.length === 0 ? {} : { deny: this.deny }),
      ...(this.#force === undefined ? {} : { force: this.#force }),
      ...(stop === undefined ? {} : { stop }),
      ...(tool.length === 0 ? {} : { tool }),
    }
  }
}

/**
 * Spans in order without overlap. Spans that overlap, or touch with the same replacement, become one
 * with the replacement of the first rule that asked: nothing of either may be left.
 */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const ordered = spans.map((span, rank) => ({ span, rank }))
  ordered.sort((a, b) => a.span.start - b.span.start || a.rank - b.rank)
  const merged: { start: number; end: number; with: string; rank: number }[] = []
  for (const { span, rank } of ordered) {
    const last = merged.at(-1)
    const isOne =
      last !== undefined &&
      (span.start < last.end || (span.start === last.end && span.with === last.with))
    if (!isOne) {
      merged.push({ start: span.start, end: span.end, with: span.with, rank })
      continue
    }
    last.end = Math.max(last.end, span.end)
    if (rank < last.rank) {
      last.rank = rank
      last.with = span.with
    }
  }
  return merged.map(({ start, end, with: text }) => ({ kind: 'redact', start, end, with: text }))
}
