/**
 * From the engine's own stream to what the page shows: every token with the alternatives that the
 * model wanted there, and which of them a rule forbade. Pure: chunks in, events out.
 *
 * The request asks the engine for `return_token_ids`, `return_tokens_as_token_ids` and raw
 * `top_logprobs`: raw means before masking, so what was denied is still in the list
 * (vllm/v1/sample/sampler.py). Clients never see these lists; the page is for the operator.
 */

import type { ProgramState } from '../model/engine.ts'

/** The token program of the run as far as the page needs it; undefined on the unguarded side. */
export type Walk = {
  readonly start: ProgramState
  next(state: ProgramState, token: number): ProgramState
  isDenied(state: ProgramState, token: number): boolean
  /** The rules that `token` would break after `history`; may be slow, called for denied tokens only. */
  rulesOf(history: readonly number[], token: number): readonly string[]
  /** The regulation that a rule names. */
  regulationOf(rule: string): string | undefined
}

export type Alternative = {
  readonly id: number
  readonly text: string
  readonly p: number
  readonly denied: boolean
  readonly rule?: string
}

export type TokenEvent = {
  readonly t: 'token'
  readonly side: 'plain' | 'guarded'
  readonly position: number
  readonly id: number
  readonly text: string
  /** `forced`: neither wanted most nor left over by a mask, so that a rule chose it. */
  readonly fate: 'said' | 'steered' | 'forced'
  readonly alternatives: readonly Alternative[]
}

type Logprob = {
  readonly token?: string
  readonly logprob?: number
  readonly top_logprobs?: readonly Logprob[]
}

/** One parsed chat completion chunk, as far as it is read here. */
export type Chunk = {
  readonly choices?: readonly {
    readonly token_ids?: readonly number[] | null
    readonly logprobs?: { readonly content?: readonly Logprob[] | null } | null
    readonly finish_reason?: string | null
  }[]
}

const MAX_ALTERNATIVES = 8

/** `token_id:42` → 42; undefined for anything else. */
export function toTokenId(text: string | undefined): number | undefined {
  const match = /^token_id:(\d{1,7})$/.exec(text ?? '')
  return match === null ? undefined : Number(match[1])
}

export type TraceParts = {
  readonly side: 'plain' | 'guarded'
  readonly ask: {
    readonly textOf: (token: number) => string
    readonly walk: Walk | undefined
  }
  /** Nothing is sampled by chance: a token that is not the first choice was chosen by a rule. */
  readonly isGreedy: boolean
}

export class TokenTrace {
  readonly #parts: TraceParts
  readonly #history: number[] = []
  readonly texts: string[] = []
  #state: ProgramState

  constructor(parts: TraceParts) {
    this.#parts = parts
    this.#state = parts.ask.walk?.start ?? 0
  }

  /** The events of one chunk; a chunk may carry no token, one, or several. */
  push(chunk: Chunk): TokenEvent[] {
    const choice = chunk.choices?.[0]
    const content = choice?.logprobs?.content ?? []
    const ids = choice?.token_ids ?? content.map((entry) => toTokenId(entry.token))
    return ids.flatMap((id, index) => (id === undefined ? [] : [this.#advance(id, content[index])]))
  }

  #advance(id: number, entry: Logprob | undefined): TokenEvent {
    const { side, ask } = this.#parts
    const alternatives = this.#alternatives(entry)
    const text = ask.textOf(id)
    const fate = this.#fate(id, alternatives[0])
    const position = this.#history.length
    if (ask.walk !== undefined) this.#state = ask.walk.next(this.#state, id)
    this.#history.push(id)
    this.texts.push(text)
    return { t: 'token', side, position, id, text, fate, alternatives }
  }

  #fate(id: number, first: Alternative | undefined): TokenEvent['fate'] {
    if (first === undefined || first.id === id) return 'said'
    if (first.denied) return 'steered'
    return this.#parts.isGreedy && this.#parts.side === 'guarded' ? 'forced' : 'said'
  }

  #alternatives(entry: Logprob | undefined): Alternative[] {
    const { textOf, walk } = this.#parts.ask
    const listed = (entry?.top_logprobs ?? []).slice(0, MAX_ALTERNATIVES).flatMap((wish) => {
      const id = toTokenId(wish.token)
      return id === undefined ? [] : [{ id, p: Math.exp(wish.logprob ?? -Infinity) }]
    })
    return listed
      .sort((a, b) => b.p - a.p)
      .map(({ id, p }) => {
        const denied = walk?.isDenied(this.#state, id) ?? false
        const rule = denied ? walk?.rulesOf(this.#history, id).join(', ') : undefined
        const known = rule === undefined || rule === '' ? {} : { rule }
        return { id, text: textOf(id), p, denied, ...known }
      })
  }
}
