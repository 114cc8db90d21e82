/**
 * Checks a generation request before the engine sees it: the engine answers a rejected streaming
 * request with HTTP 200 and an error event, which clients take for an empty answer.
 *
 * Unknown fields pass untouched; the fields that are named here must have the right type and range.
 */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { firstMistake } from '../model/mistakes.ts'
import { RequestError } from './answers.ts'
import type { Dialect } from './routes.ts'

export type Body = Readonly<Record<string, unknown>>

const text = z.string()
const flag = z.boolean().nullish()
const real = z.number().nullish()
const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.number().int().min(least).max(most).nullish()
const argument = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.union([z.string(), z.number()])),
])

const sampling = {
  model: text.nullish(),
  stream: flag,
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: whole(-1),
  min_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  n: whole(1, 128),
  seed: real,
  stop: z.union([text, z.array(text).max(64)]).nullish(),
  stop_token_ids: z.array(z.number().int().min(0)).max(1024).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  min_tokens: whole(0),
  stream_interval: whole(1),
  prompt_logprobs: whole(-1),
  stream_options: z.looseObject({ include_usage: flag }).nullish(),
  vllm_xargs: z.record(z.string(), argument).nullish(),
  use_beam_search: z
    .literal(false, 'beam search picks tokens from unmasked probabilities, so no ban would hold')
    .nullish(),
}

const content = z.union([text, z.array(z.union([text, z.looseObject({})])), z.null()]).optional()
const messages = z
  .array(z.looseObject({ role: text.min(1), content }))
  .min(1)
  .max(100_000)
const tokens = z.array(z.number().int().min(0))

const SCHEMAS = {
  chat: z.looseObject({
    ...sampling,
    messages,
    max_tokens: whole(0),
    max_completion_tokens: whole(0),
    logprobs: flag,
    top_logprobs: whole(-1),
    tools: z.array(z.looseObject({})).nullish(),
  }),
  completions: z.looseObject({
    ...sampling,
    prompt: z.union([text, z.array(text), tokens, z.array(tokens)]).nullish(),
    max_tokens: whole(0),
    logprobs: whole(-1),
    echo: flag,
  }),
  responses: z.looseObject({
    ...sampling,
    input: z.union([text, z.array(z.looseObject({}))]),
    max_output_tokens: whole(1),
    top_logprobs: whole(0),
    background: z
      .literal(false, 'responses in the background would be read where nothing checks them')
      .nullish(),
  }),
  messages: z.looseObject({
    ...sampling,
    messages,
    max_tokens: z.number().int().min(1),
    system: z.union([text, z.array(z.looseObject({}))]).nullish(),
  }),
}

const hasShape = (dialect: Dialect, key: string): boolean =>
  Object.hasOwn(SCHEMAS[dialect].shape, key)

type Look = (value: unknown) => boolean
const within = (least: number, most: number): Look => {
  return (value) => typeof value === 'number' && value >= least && value <= most
}
const wholeFrom = (least: number): Look => {
  return (value) => Number.isSafeInteger(value) && Number(value) >= least
}
const isText: Look = (value) => typeof value === 'string'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isMessage: Look = (value) => {
  if (!isObject(value)) return false
  const { role, content: said } = value
  return typeof role === 'string' && role !== '' && (said === undefined || isText(said))
}
const MAX_LOOKED_AT = 1_000

/** Fields as nearly all requests have them; what these accept every schema accepts. */
const ORDINARY: ReadonlyMap<string, Look> = new Map<string, Look>([
  ['model', isText],
  ['stream', (value) => typeof value === 'boolean'],
  ['temperature', within(0, Number.MAX_VALUE)],
  ['top_p', within(Number.MIN_VALUE, 1)],
  ['presence_penalty', within(-2, 2)],
  ['frequency_penalty', within(-2, 2)],
  ['n', (value) => value === 1],
  ['seed', within(-Number.MAX_VALUE, Number.MAX_VALUE)],
  ['stop', isText],
  ['stream_options', (value) => isObject(value) && typeof value['include_usage'] === 'boolean'],
  ['max_tokens', wholeFrom(1)],
  ['max_completion_tokens', wholeFrom(0)],
  ['system', isText],
  ['prompt', isText],
  ['input', isText],
  ['tools', (value) => Array.isArray(value) && value.every(isObject)],
  [
    'messages',
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= MAX_LOOKED_AT &&
      value.every(isMessage),
  ],
])
const REQUIRED: Readonly<Record<Dialect, readonly string[]>> = {
  chat: ['messages'],
  completions: [],
  responses: ['input'],
  messages: ['messages', 'max_tokens'],
}

/**
 * Whether a plain look suffices: then the schema, which takes ten times as long, would accept the body
 * too. False says nothing.
 */
export function isOrdinary(body: Body, dialect: Dialect): boolean {
  for (const key of Object.keys(body)) {
    const look = ORDINARY.get(key)
    if (look === undefined ? hasShape(dialect, key) : !look(body[key])) return false
  }
  return REQUIRED[dialect].every((key) => Object.hasOwn(body, key))
}

/** The parsed body, or a RequestError with the field that is wrong. */
export function parseRequest(bytes: Uint8Array, dialect: Dialect): Body {
  const body = parseJson(bytes)
  if (!isOrdinary(body, dialect)) checkRequest(body, dialect)
  return body
}

/** Throws a RequestError with the field that is wrong. */
export function checkRequest(body: Body, dialect: Dialect): void {
  const result = SCHEMAS[dialect].safeParse(body, { reportInput: true })
  if (result.success) return
  const { path: param, told } = firstMistake(result.error)
  throw new RequestError({
    status: 400,
    message: param === '' ? told : `${param}: ${told}`,
    param,
    code: 'invalid_value',
  })
}

/** Throws for anything but UTF-8; a byte order mark is skipped. */
function decode(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Error('not UTF-8')
  const decoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  return decoded.charCodeAt(0) === 0xfeff ? decoded.slice(1) : decoded
}

function parseJson(bytes: Uint8Array): Body {
  let value: unknown
  try {
    value = JSON.parse(decode(bytes))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new RequestError({
      status: 400,
      message: `the body is not JSON: ${why}`,
      code: 'invalid_json',
    })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Body
  throw new RequestError({ status: 400, message: 'the body must be a JSON object' })
}
