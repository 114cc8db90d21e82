/**
 * What chat completions and completions have in common: choices in an envelope, usage, the last frames
 * of a stream, and the members of a choice that repeat its text.
 */
import { type JsonObject, type Made, type Usage, count, objects } from './dialect.ts'
import type { Path } from '../tools/json-edit.ts'

type Make = (choices: readonly unknown[], more?: JsonObject) => Made

const DONE: Made = { data: '[DONE]' }

/** Usage when it was asked for, then the end of the stream. */
export function lastFrames(made: Make, usage: Usage | undefined): readonly Made[] {
  return usage === undefined ? [DONE] : [made([], { usage: toUsage(usage) }), DONE]
}

export function errorFrames(message: string): readonly Made[] {
  const error = { message, type: 'upstream_error', code: 'upstream_failed' }
  return [{ data: JSON.stringify({ error }) }, DONE]
}

function toUsage({ promptTokens, completionTokens }: Usage): JsonObject {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

const ENVELOPE = ['id', 'created', 'model', 'system_fingerprint', 'service_tier'] as const

/** Frames of our own carry what the provider's frames carry. */
export function noteEnvelope(envelope: Record<string, unknown>, json: JsonObject): void {
  for (const key of ENVELOPE) if (json[key] !== undefined) envelope[key] = json[key]
}

/** Where in the list the choice of that number stands. */
export function placeOf(json: JsonObject, choice: number): number {
  return objects(json['choices']).findIndex((one, at) => count(one['index'], at) === choice)
}

/** The members of a choice that would give edited text away. */
export function leaksOf(entry: JsonObject, root: Path): readonly Path[] {
  const keys = ['logprobs', 'token_ids', 'routed_experts']
  return keys
    .filter((key) => entry[key] !== undefined && entry[key] !== null)
    .map((key) => [...root, key])
}
