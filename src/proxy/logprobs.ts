/**
 * Keeps logprobs from saying what was banned. vLLM reports them before masking, so a denied token
 * stands among the alternatives with its full probability (vllm/v1/sample/sampler.py).
 *
 * Without knowledge of what was denied where, everything beyond the sampled token is dropped.
 */
import type { MapValue } from './frames.ts'

type Json = Record<string, unknown>

/** Cheap look at an event's text; `"logprobs": null`, which most frames have, is nothing. */
export const hasLogprobs = (text: string): boolean => /logprobs":\s*[^n\s]/.test(text)

/** Drops alternatives from choices (chat and completions), responses and prompt logprobs. */
export const stripAlternatives: MapValue = (value) => {
  const changed: Json = {}
  if (Array.isArray(value['choices'])) {
    const choices = value['choices'].map(stripChoice)
    if (differs(choices, value['choices'])) changed['choices'] = choices
  }
  if (value['prompt_logprobs'] !== undefined && value['prompt_logprobs'] !== null) {
    changed['prompt_logprobs'] = null
  }
  const output = isObject(value['response']) ? value['response'] : value
  const stripped = deepStrip(output)
  if (stripped !== output && value['choices'] === undefined) {
    return isObject(value['response']) ? { ...value, response: stripped } : (stripped as Json)
  }
  return Object.keys(changed).length === 0 ? value : { ...value, ...changed }
}

function stripChoice(choice: unknown): unknown {
  if (!isObject(choice)) return choice
  const changed: Json = {}
  if (choice['prompt_logprobs'] !== undefined && choice['prompt_logprobs'] !== null) {
    changed['prompt_logprobs'] = null
  }
  const logprobs = choice['logprobs']
  if (isObject(logprobs)) {
    const next = stripLogprobs(logprobs)
    if (next !== logprobs) changed['logprobs'] = next
  }
  return Object.keys(changed).length === 0 ? choice : { ...choice, ...changed }
}

/** Chat: `{content: [{token, logprob, top_logprobs}]}`; completions: `{tokens, top_logprobs: [{…}]}`. */
function stripLogprobs(logprobs: Json): Json {
  const content = logprobs['content']
  if (Array.isArray(content)) {
    const next = content.map(sampledOnly)
    return differs(next, content) ? { ...logprobs, content: next } : logprobs
  }
  const tokens = logprobs['tokens']
  const tops = logprobs['top_logprobs']
  if (!Array.isArray(tops) || !Array.isArray(tokens)) return logprobs
  const next = tops.map((top: unknown, index) => {
    const sampled = String(tokens[index])
    return isObject(top) ? Object.fromEntries(own(top, sampled)) : top
  })
  return { ...logprobs, top_logprobs: next }
}

const own = (top: Json, sampled: string): [string, unknown][] =>
  Object.hasOwn(top, sampled) ? [[sampled, top[sampled]]] : []

function sampledOnly(entry: unknown): unknown {
  if (!isObject(entry) || !Array.isArray(entry['top_logprobs'])) return entry
  const tops = entry['top_logprobs'] as readonly unknown[]
  const kept = tops.filter((top) => isObject(top) && top['token'] === entry['token'])
  return kept.length === tops.length ? entry : { ...entry, top_logprobs: kept }
}

/** Responses API: `top_logprobs` wherever it stands, at a bounded depth. */
function deepStrip(value: unknown, depth = 8): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const next = value.map((item: unknown) => deepStrip(item, depth - 1))
    return differs(next, value) ? next : value
  }
  const entry = sampledOnly(value) as Json
  const pairs = Object.entries(entry).map(([key, child]): [string, unknown] => [
    key,
    key === 'top_logprobs' ? child : deepStrip(child, depth - 1),
  ])
  const same = entry === value && pairs.every(([key, child]) => child === entry[key])
  return same ? value : Object.fromEntries(pairs)
}

const differs = (next: readonly unknown[], before: readonly unknown[]): boolean =>
  next.some((item, index) => item !== before[index])

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
