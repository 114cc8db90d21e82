/**
 * Translates how the engine ended into what a client understands: our forced stop becomes
 * `content_filter`. vLLM reports a stop by token id as finish_reason `stop` with `stop_reason` the
 * id (vllm/v1/core/sched/utils.py, check_stop); a grammar that refuses the id is an error there.
 */
import type { MapValue } from './frames.ts'
import type { Dialect } from './routes.ts'

export type OutcomeRules = {
  readonly dialect: Dialect
  readonly stopToken: number | undefined
  /**
   * The client wants to see what ended the text, and the engine was told to leave it out: spells the
   * token that did, by default the end token. Undefined: the text is as the client wants it.
   */
  readonly spellEnd: ((token?: number) => string) | undefined
  /** The request runs under a grammar, so a stop of ours arrives as an engine error. */
  readonly grammar: boolean
  /** True once the step plane has directed a stop for this request. */
  readonly wasStopped: () => boolean
  /** Said to the client where a choice was stopped. */
  readonly message: () => string | undefined
  /** Told once per choice that a stop of ours ended. */
  readonly onStop: () => void
}

type Json = Record<string, unknown>

/** Cheap look at an event's text: is anything in it for `outcomeMapper`? */
export const mayEnd = (text: string): boolean =>
  /stop_reason":\s*[^n\s]|"error"|response\.completed/.test(text)

export function outcomeMapper(rules: OutcomeRules): MapValue {
  return (value) => {
    if (isObject(value['error'])) return toStopped(value, rules)
    if (isObject(value['response'])) return toIncomplete(value, rules)
    if (value['object'] === 'response') return incomplete(value, rules) ?? value
    const choices = value['choices']
    if (!Array.isArray(choices)) return value
    const mapped = choices.map((choice) => toFiltered(choice, rules))
    return mapped.some((choice, index) => choice !== choices[index])
      ? { ...value, choices: mapped }
      : value
  }
}

function toFiltered(choice: unknown, rules: OutcomeRules): unknown {
  if (!isObject(choice) || rules.stopToken === undefined) return choice
  const reason = choice['stop_reason']
  if (reason !== rules.stopToken) {
    const end = endOf(choice, rules)
    return end === '' ? choice : withText(choice, end, '')
  }
  rules.onStop()
  const stopped = { ...choice, finish_reason: 'content_filter', stop_reason: null }
  const message = rules.message()
  const gap = isObject(choice['delta']) || hasText(choice) ? '\n\n' : ''
  return message === undefined || message === '' ? stopped : withText(stopped, message, gap)
}

/** The text of what ended a choice, where it is to be put back. */
function endOf(choice: Json, { spellEnd }: OutcomeRules): string {
  if (spellEnd === undefined || choice['finish_reason'] !== 'stop') return ''
  const reason = choice['stop_reason']
  return typeof reason === 'string'
    ? reason
    : spellEnd(typeof reason === 'number' ? reason : undefined)
}

/** `more` after what was said: in the last delta, or at the end of the whole text. */
function withText(choice: Json, more: string, gap: string): Json {
  for (const place of ['delta', 'message'] as const) {
    const said = choice[place]
    if (isObject(said)) {
      return { ...choice, [place]: { ...said, content: `${textOf(said['content'])}${gap}${more}` } }
    }
  }
  return 'text' in choice ? { ...choice, text: `${textOf(choice['text'])}${gap}${more}` } : choice
}

function hasText(choice: Json): boolean {
  const said = isObject(choice['message']) ? choice['message']['content'] : choice['text']
  return textOf(said) !== ''
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** An engine error that our own stop caused ends the stream like any other stop. */
function toStopped(value: Json, rules: OutcomeRules): Json {
  if (!rules.grammar || !rules.wasStopped()) return value
  rules.onStop()
  const choice = { index: 0, logprobs: null, finish_reason: 'content_filter' }
  return rules.dialect === 'completions'
    ? { id: 'stopped', object: 'text_completion', choices: [{ ...choice, text: '' }] }
    : { id: 'stopped', object: 'chat.completion.chunk', choices: [{ ...choice, delta: {} }] }
}

/** A whole answer in place of the engine's error, for a request that was not streamed. */
export function stoppedBody(dialect: Dialect, requestId: string, model: unknown): Json {
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  const common = { id: requestId, model: typeof model === 'string' ? model : '' }
  const choice = { index: 0, logprobs: null, finish_reason: 'content_filter' }
  if (dialect === 'completions') {
    return { ...common, object: 'text_completion', choices: [{ ...choice, text: '' }], usage }
  }
  if (dialect === 'responses') {
    const incomplete_details = { reason: 'content_filter' }
    return { ...common, object: 'response', status: 'incomplete', incomplete_details, output: [] }
  }
  if (dialect === 'messages') {
    return { ...common, type: 'message', role: 'assistant', content: [], stop_reason: 'refusal' }
  }
  const message = { role: 'assistant', content: '', refusal: null }
  return { ...common, object: 'chat.completion', choices: [{ ...choice, message }], usage }
}

/** `response.completed` of the Responses API. */
function toIncomplete(event: Json, rules: OutcomeRules): Json {
  if (event['type'] !== 'response.completed') return event
  const response = incomplete(event['response'] as Json, rules)
  return response === undefined ? event : { ...event, type: 'response.incomplete', response }
}

function incomplete(response: Json, rules: OutcomeRules): Json | undefined {
  if (response['status'] !== 'completed' || !rules.wasStopped()) return undefined
  rules.onStop()
  return {
    ...response,
    status: 'incomplete',
    incomplete_details: { reason: 'content_filter' },
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
