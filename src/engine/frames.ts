/**
 * Deltas to OpenAI's JSON, in the dialect of vLLM 0.32: the keys that vLLM sets are set, in its
 * order, and the others are absent (vllm/entrypoints/openai/*: exclude_unset).
 */
import type { TokenLogprob } from './logprobs.ts'
import type { Delta } from './sequence.ts'
import type { Tokenizer } from './tokenizer.ts'

export type Json = Readonly<Record<string, unknown>>

export type Head = { readonly id: string; readonly created: number; readonly model: string }

/** How tokens are named in logprobs. */
export type Naming = { readonly tokenizer: Tokenizer; readonly asIds: boolean }

export function usage(promptTokens: number, completionTokens: number): Json {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  }
}

export function chunk(kind: 'chat' | 'completion', head: Head, choices: readonly Json[]): Json {
  const object = kind === 'chat' ? 'chat.completion.chunk' : 'text_completion'
  return { id: head.id, object, created: head.created, model: head.model, choices }
}

/** `finish_reason` and, at the end, `stop_reason`. */
export function finishOf(delta: Delta, called: boolean): Json {
  if (delta.finish === undefined) return { finish_reason: null }
  const { reason, stopReason } = delta.finish
  const finish = called && reason === 'stop' ? 'tool_calls' : reason
  return { finish_reason: finish, stop_reason: stopReason }
}

export function chatLogprobs(logprobs: readonly TokenLogprob[], naming: Naming, top: number): Json {
  return {
    content: logprobs.map((entry) => ({
      ...named(entry, naming),
      top_logprobs: entry.top.slice(0, top).map((other) => named(other, naming)),
    })),
  }
}

function named(entry: { readonly id: number; readonly logprob: number }, naming: Naming): Json {
  const token = nameOf(entry.id, naming)
  const logprob = Math.max(entry.logprob, -9999)
  return { token, logprob, bytes: [...new TextEncoder().encode(token)] }
}

function nameOf(id: number, naming: Naming): string {
  return naming.asIds ? `token_id:${id}` : naming.tokenizer.text(id)
}

/** `offset` is the length of the text before these tokens. */
export function completionLogprobs(
  logprobs: readonly TokenLogprob[],
  naming: Naming,
  offset: number,
): Json {
  const tokens = logprobs.map((entry) => nameOf(entry.id, naming))
  let at = offset
  return {
    text_offset: tokens.map((token) => {
      const here = at
      at += token.length
      return here
    }),
    token_logprobs: logprobs.map((entry) => Math.max(entry.logprob, -9999)),
    tokens,
    top_logprobs: logprobs.map((entry) =>
      Object.fromEntries(
        [entry, ...entry.top].map(({ id, logprob }) => [
          nameOf(id, naming),
          Math.max(logprob, -9999),
        ]),
      ),
    ),
  }
}

/** Several deltas of one answer as one. */
export function merged(deltas: readonly Delta[]): Delta {
  const last = deltas.at(-1)
  return {
    index: last?.index ?? 0,
    text: deltas.map((delta) => delta.text).join(''),
    tokenIds: deltas.flatMap((delta) => delta.tokenIds),
    logprobs: deltas.flatMap((delta) => delta.logprobs),
    ...(last?.finish === undefined ? {} : { finish: last.finish }),
  }
}
