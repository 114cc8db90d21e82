/**
 * What a client asked, from unknown JSON to options of an answer. Unknown keys pass, as in vLLM;
 * what this engine cannot do (grammars, forced tool choice) is refused and never silently dropped.
 */
import { z } from 'zod'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'

const MAX_CHOICES = 16
const MAX_LOGPROBS = 20

const text = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
])

const toolCall = z.looseObject({
  id: z.string().nullish(),
  function: z.looseObject({ name: z.string(), arguments: z.unknown() }),
})

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: text.nullish(),
  tool_calls: z.array(toolCall).nullish(),
})

const tool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z.string(),
    description: z.string().nullish(),
    parameters: z.looseObject({}).nullish(),
  }),
})

const common = {
  model: z.string().nullish(),
  n: z.int().min(1).max(MAX_CHOICES).nullish(),
  seed: z.int().nullish(),
  temperature: z.number().min(0).max(10).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  max_tokens: z.int().min(1).nullish(),
  min_tokens: z.int().min(0).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(64)]).nullish(),
  stop_token_ids: z.array(z.int().min(0)).max(256).nullish(),
  ignore_eos: z.boolean().nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  skip_special_tokens: z.boolean().nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100)).nullish(),
  vllm_xargs: z.record(z.string(), z.unknown()).nullish(),
  return_token_ids: z.boolean().nullish(),
  return_tokens_as_token_ids: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_interval: z.int().min(1).nullish(),
  stream_options: z
    .looseObject({
      include_usage: z.boolean().nullish(),
      continuous_usage_stats: z.boolean().nullish(),
    })
    .nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
}

const chatShape = z.looseObject({
  ...common,
  messages: z.array(message).min(1).max(1024),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z.unknown().optional(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
})

const ids = z.array(z.int().min(0)).min(1)
const completionShape = z.looseObject({
  ...common,
  prompt: z.union([z.string(), z.array(z.string()).min(1), ids, z.array(ids).min(1)]),
  logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
  echo: z.boolean().nullish(),
})

export type ChatRequest = z.infer<typeof chatShape>
export type CompletionRequest = z.infer<typeof completionShape>
export type CommonRequest = z.infer<z.ZodObject<typeof common>>
export type Message = ChatRequest['messages'][number]

export function parseChatRequest(body: unknown): ChatRequest {
  const request = parse(chatShape, body)
  refuseGrammar(request)
  const choice = request.tool_choice ?? 'auto'
  if (choice !== 'auto' && choice !== 'none') {
    throw refused('tool_choice', '"auto" or "none" (the embedded engine has no grammars)', choice)
  }
  return request
}

export function parseCompletionRequest(body: unknown): CompletionRequest {
  const request = parse(completionShape, body)
  refuseGrammar(request)
  if (request.echo === true) throw refused('echo', 'false', true)
  return request
}

/** The prompts of a completion, each as text or as token ids. */
export function promptsOf(prompt: CompletionRequest['prompt']): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt]
  return prompt.every((part) => typeof part === 'number')
    ? [prompt]
    : (prompt as (string | number[])[])
}

export function textOf(content: Message['content']): string {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return content
  for (const part of content) {
    if (part.type !== 'text') throw refused('messages.content', 'parts of type text', part.type)
  }
  return content.map((part) => part.text ?? '').join('')
}

function refuseGrammar(request: Readonly<Record<string, unknown>>): void {
  const format = request['response_format'] as { readonly type: string } | null | undefined
  if (format !== null && format !== undefined && format.type !== 'text') {
    throw refused('response_format', '"text" (the embedded engine has no grammars)', format.type)
  }
  for (const key of ['structured_outputs', 'guided_json', 'guided_regex', 'guided_choice']) {
    if (request[key] !== undefined && request[key] !== null) {
      throw refused(key, 'nothing (the embedded engine has no grammars)', request[key])
    }
  }
}

function refused(place: string, wanted: string, got: unknown): GuardError {
  return new GuardError(
    'request_invalid',
    `${place}: expected ${wanted}, got ${JSON.stringify(got)}`,
  )
}

function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const result = shape.safeParse(body, { reportInput: true })
  if (result.success) return result.data
  const { path, told } = firstMistake(result.error)
  throw new GuardError('request_invalid', `${path === '' ? 'body' : path}: ${told}`)
}
