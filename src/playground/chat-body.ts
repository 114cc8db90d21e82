/** From what the page asks for to the chat request that both sides send. Pure. */
import { GuardError } from '../model/errors.ts'
import type { Preset } from './presets.ts'

type Wish = {
  readonly preset?: unknown
  readonly prompt?: unknown
  readonly temperature?: unknown
  readonly max_tokens?: unknown
  readonly seed?: unknown
}

export type ChatBody = Readonly<Record<string, unknown>> & { readonly temperature: number }

/** A preset's messages when its prompt was not edited, else one turn. Throws `request_invalid`. */
export function toChatBody(presets: readonly Preset[], json: string): ChatBody {
  const wish = parseWish(json)
  const preset = presets.find((item) => item.id === wish.preset)
  const prompt = typeof wish.prompt === 'string' ? wish.prompt : ''
  if (preset === undefined && prompt.trim() === '') {
    throw new GuardError('request_invalid', 'prompt: expected some text, got none')
  }
  return {
    messages: preset?.messages ?? [{ role: 'user', content: prompt }],
    ...(preset?.tools === undefined ? {} : { tools: preset.tools }),
    temperature: toNumber(wish.temperature, 'temperature', 0, 2) ?? 0,
    max_tokens: toNumber(wish.max_tokens, 'max_tokens', 1, 2000) ?? 96,
    seed: toNumber(wish.seed, 'seed', -(2 ** 31), 2 ** 31) ?? 7,
    stream: true,
    return_token_ids: true,
    return_tokens_as_token_ids: true,
    logprobs: true,
    top_logprobs: 8,
  }
}

function parseWish(json: string): Wish {
  const value: unknown = JSON.parse(json)
  if (typeof value === 'object' && value !== null) return value
  throw new GuardError('request_invalid', 'body: expected a JSON object')
}

function toNumber(value: unknown, name: string, low: number, high: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value >= low && value <= high) return value
  throw new GuardError(
    'request_invalid',
    `${name}: expected a number from ${low} to ${high}, got ${JSON.stringify(value)}`,
  )
}
