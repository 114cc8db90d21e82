/**
 * What the engine is told of a request beside its text. Engines tell logits processors neither
 * request ids nor headers, so identity travels in `vllm_xargs`; what a client put there under our
 * names is dropped. Values are strings and numbers only: vLLM refuses anything nested.
 */
import type { Body } from './requests.ts'
import type { Dialect } from './routes.ts'

/** By whom, under which policy and program a request runs. */
export type Binding = {
  readonly tenant: string
  readonly policy: string
  /** Hex digest of the pinned token program; empty = the engine's default. */
  readonly program: string
  /** The reserved id that a forced stop samples, or undefined when the vocabulary has none. */
  readonly stopToken: number | undefined
  /** What the engine writes for a token that it shows; default: for its end token. */
  readonly spell: (token?: number) => string
  /** The policy may change how the request is sampled while it runs. */
  readonly mayAdapt: boolean
  /** Ids that the site wants denied one by one: biased away, and no guarantee. */
  readonly deniedTokens?: readonly number[]
}

const PREFIX = 'checkstream_'

/** The body for the engine. `binding` undefined: an upstream that knows nothing of us. */
export function toEngineBody(
  body: Body,
  dialect: Dialect,
  requestId: string,
  binding: Binding | undefined,
): Body {
  const capped = capInterval(body)
  const own = withoutOurs(body['vllm_xargs'])
  if (binding === undefined) {
    return own === undefined || body['vllm_xargs'] === undefined
      ? capped
      : { ...capped, vllm_xargs: own }
  }
  const owned = binding.mayAdapt && dialect !== 'messages' ? ownedTopP(body) : undefined
  return {
    ...capped,
    ...(owned === undefined ? {} : { top_p: 1 }),
    ...stopStrings(body, binding.stopToken),
    ...stopTokens(body, dialect, binding.stopToken),
    ...deniedTokens(body, dialect, binding.deniedTokens ?? []),
    vllm_xargs: { ...own, ...identity(requestId, binding), ...owned },
  }
}

function identity(requestId: string, binding: Binding): Record<string, string | number> {
  return {
    checkstream_rid: requestId,
    checkstream_tenant: binding.tenant,
    checkstream_policy: binding.policy,
    ...(binding.program === '' ? {} : { checkstream_program: binding.program }),
    ...(binding.stopToken === undefined ? {} : { checkstream_stop: binding.stopToken }),
  }
}

/** The client's arguments without those that only we may set, whatever their case. */
function withoutOurs(xargs: unknown): Record<string, unknown> | undefined {
  if (typeof xargs !== 'object' || xargs === null) return undefined
  const kept = Object.entries(xargs).filter(([key]) => !key.toLowerCase().startsWith(PREFIX))
  return Object.fromEntries(kept)
}

/**
 * The client's top_p for the plugin, while the engine's is switched off: cut off twice, at the
 * policy's value and then at the client's, would be less than either. The engine's other values can
 * stay: a temperature is scaled exactly, and top_k and min_p find nothing more to cut.
 */
function ownedTopP(body: Body): Record<string, number> | undefined {
  const asked = body['top_p']
  return typeof asked === 'number' && asked < 1 ? { [`${PREFIX}top_p`]: asked } : undefined
}

/**
 * With both of these the engine would show the text of the reserved token. What the client's own stop
 * strings and tokens spell is put back where the answer ends (`outcomeMapper`).
 */
export function showsStopToken(body: Body): boolean {
  return body['include_stop_str_in_output'] === true && body['skip_special_tokens'] === false
}

function stopStrings(body: Body, stopToken: number | undefined): Body {
  const isHidden = stopToken !== undefined && showsStopToken(body)
  return isHidden ? { include_stop_str_in_output: false } : {}
}

/** Adds the reserved stop id. `/v1/messages` has no such field: the plugin samples an end token there. */
function stopTokens(body: Body, dialect: Dialect, stopToken: number | undefined): Body {
  if (stopToken === undefined || dialect === 'messages') return {}
  const asked = Array.isArray(body['stop_token_ids']) ? (body['stop_token_ids'] as number[]) : []
  return { stop_token_ids: [...asked.filter((id) => id !== stopToken), stopToken] }
}

/** vLLM clamps a bias to ±100; the client's own bias for these ids is replaced. */
function deniedTokens(body: Body, dialect: Dialect, tokens: readonly number[]): Body {
  if (tokens.length === 0 || (dialect !== 'chat' && dialect !== 'completions')) return {}
  const asked = body['logit_bias']
  const denied = Object.fromEntries(tokens.map((id) => [String(id), -100]))
  return { logit_bias: { ...(typeof asked === 'object' ? asked : {}), ...denied } }
}

/** One token a chunk at most: what is held back is counted in tokens. */
function capInterval(body: Body): Body {
  const interval = body['stream_interval']
  return typeof interval === 'number' && interval > 1 ? { ...body, stream_interval: 1 } : body
}

/** True when the engine runs the request under a grammar, which a forced stop would violate. */
export function hasGrammar(body: Body): boolean {
  const format = body['response_format'] as { readonly type?: unknown } | null | undefined
  const choice = body['tool_choice']
  return (
    (format?.type !== undefined && format.type !== 'text') ||
    (typeof body['structured_outputs'] === 'object' && body['structured_outputs'] !== null) ||
    choice === 'required' ||
    (typeof choice === 'object' && choice !== null) ||
    (['guided_json', 'guided_regex', 'guided_choice', 'guided_grammar'] as const).some(
      (key) => body[key] !== undefined && body[key] !== null,
    )
  )
}
