/** Which headers travel. Hop-by-hop ones never do (RFC 9110 §7.6.1), ours cannot be forged. */
import type { IncomingHttpHeaders } from 'node:http'

type Headers = Record<string, string | string[]>

const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Set by us towards the upstream: it must not compress what is read on the way back. */
const OWN_REQUEST = new Set(['host', 'content-length', 'accept-encoding', 'expect', 'x-request-id'])

/** `body`: a changed body, whose length then counts; undefined for none. */
export function toUpstreamHeaders(
  headers: IncomingHttpHeaders,
  requestId: string,
  body: Uint8Array | undefined,
): Headers {
  const kept = copy(headers, (name) => OWN_REQUEST.has(name) || name.startsWith('x-checkstream-'))
  kept['x-request-id'] = requestId
  if (body !== undefined) kept['content-length'] = String(body.length)
  return kept
}

/** `changed`: the body may change, so its length and digests no longer hold. */
export function toClientHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  requestId: string,
  changed: boolean,
): Headers {
  const stale = new Set(changed ? ['content-length', 'etag', 'content-md5', 'digest'] : [])
  const kept = copy(headers, (name) => stale.has(name) || name === 'x-request-id')
  kept['x-request-id'] = requestId
  return kept
}

function copy(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  drops: (name: string) => boolean,
): Headers {
  const named = String(headers['connection'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
  const kept: Headers = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP.has(name) || named.includes(name) || drops(name)) continue
    kept[name] = value
  }
  return kept
}

/** The client's request id when it is a plain token of bounded length. */
export function requestIdOf(headers: IncomingHttpHeaders): string | undefined {
  const id = headers['x-request-id']
  return typeof id === 'string' && /^[\w.:@/+=-]{1,128}$/.test(id) ? id : undefined
}
