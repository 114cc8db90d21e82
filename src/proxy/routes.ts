/**
 * What happens to a request by its method and path alone. The rule: a route is open only if it
 * stands in the table; everything else is closed, and the answer says why.
 */

/** The bodies that carry a generation; each has its own shape. */
export type Dialect = 'chat' | 'completions' | 'responses' | 'messages'

export type Route =
  | { readonly kind: 'generate'; readonly dialect: Dialect }
  | { readonly kind: 'pass' }
  | { readonly kind: 'own'; readonly name: 'health' | 'live' | 'ready' | 'metrics' }
  | {
      readonly kind: 'closed'
      readonly status: 403 | 404 | 405
      readonly reason: string
      /** Methods of the path, with 405. */
      readonly allow?: readonly string[]
    }

const GENERATE: Readonly<Record<string, Dialect>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completions',
  '/v1/responses': 'responses',
  '/v1/messages': 'messages',
}

const OWN: Readonly<Record<string, 'health' | 'live' | 'ready' | 'metrics'>> = {
  '/health': 'health',
  '/healthz': 'health',
  '/health/live': 'live',
  '/health/ready': 'ready',
  '/ping': 'health',
  '/metrics': 'metrics',
}

const PASS: readonly (readonly [method: string, path: RegExp])[] = [
  ['GET', /^\/v1\/models(\/[\w.:/-]{1,256})?$/],
  ['POST', /^\/v1\/embeddings$/],
  ['POST', /^\/v1\/messages\/count_tokens$/],
  ['GET', /^\/version$/],
]

/** Routes of vLLM that are closed on purpose. */
const CLOSED: readonly (readonly [path: RegExp, reason: string])[] = [
  [
    /^\/(sleep|wake_up|is_sleeping|collective_rpc|reset_\w+|start_profile|stop_profile|server_info|scale_elastic_ep|is_scaling_elastic_ep|pause|resume|is_paused|update_weights|init_weight\w*|abort_requests|load)$/,
    'is an administrative route of the engine; send it to the engine itself',
  ],
  [
    /^\/v1\/(un)?load_lora_adapter$/,
    'changes the models that are served; send it to the engine itself',
  ],
  [/^\/inference\//, 'takes and gives token ids, which the stream plane cannot check'],
  [/^\/invocations$/, 'is a second door to the generation routes; use those'],
  [/^\/v1\/responses\/.+/, 'reads stored responses, which are not checked when they are read'],
  [/^\/v1\/(audio|images|realtime)/, 'is not covered by any policy'],
  [/^\/(docs|redoc|openapi\.json)/, 'shows the routes of the engine'],
  [/^\/(tokenize|detokenize|tokenizer_info)$/, 'is not needed for generation'],
]

/** A path that another server could read as a different one. */
const DISGUISED = /\/\.{1,2}(\/|$)|\/\/|%2e|%2f|%5c|\\|[^\x21-\x7e]/i

/** `extra`: `METHOD /path` pairs that the deployment opens, exactly as they are written. */
export function toRoute(method: string, path: string, extra: readonly string[] = []): Route {
  if (DISGUISED.test(path)) return refuse(404, `${path.slice(0, 200)}: expected a plain path`)
  const own = OWN[path]
  if (own !== undefined) return only(method, ['GET', 'HEAD'], { kind: 'own', name: own })
  const dialect = GENERATE[path]
  if (dialect !== undefined) return only(method, ['POST'], { kind: 'generate', dialect })
  if (extra.includes(`${method} ${path}`)) return { kind: 'pass' }
  if (PASS.some(([verb, pattern]) => verb === method && pattern.test(path))) return { kind: 'pass' }
  const known = PASS.filter(([, pattern]) => pattern.test(path)).map(([verb]) => verb)
  if (known.length > 0) return only(method, known, { kind: 'pass' })
  const closed = CLOSED.find(([pattern]) => pattern.test(path))
  if (closed !== undefined) return refuse(403, `${path} is closed here: it ${closed[1]}`)
  return refuse(
    404,
    `${path}: no such route; open are ${Object.keys(GENERATE).join(', ')}, /v1/models`,
  )
}

function only(method: string, allowed: readonly string[], route: Route): Route {
  if (allowed.includes(method)) return route
  return { ...refuse(405, `expected ${allowed.join(' or ')}, got ${method}`), allow: allowed }
}

const refuse = (status: 403 | 404 | 405, reason: string): Extract<Route, { kind: 'closed' }> => ({
  kind: 'closed',
  status,
  reason,
})
