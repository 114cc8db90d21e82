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
/** Set by us towards the client; of an answer that may change also what tells its length or digest. */
const NOT_OURS = new Set(['x-request-id'])
const STALE = new Set(['x-request-id', 'content-length', 'etag', 'content-md5', 'digest'])

/** `body`: a changed body, whose length then counts; undefined for none. */
export function toUpstreamHeaders(
  headers: IncomingHttpHeaders,
  requestId: string,
  body: Uint8Array | undefined,
): Headers {
  const kept = copy(headers, OWN_REQUEST, 'x-checkstream-')
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
  const kept = copy(headers, changed ? STALE : NOT_OURS)
  kept['x-request-id'] = requestId
  return kept
}

function copy(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  dropped: ReadonlySet<string>,
  prefix?: string,
): Headers {
  const named = hopsOf(headers['connection'])
  const kept: Headers = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (value === undefined || HOP.has(name) || dropped.has(name) || named.includes(name)) continue
    if (prefix === undefined || !name.startsWith(prefix)) kept[name] = value
  }
  return kept
}

/** What the sender's `connection` names as between the two of them only. */
function hopsOf(connection: string | string[] | undefined): readonly string[] {
  if (connection === undefined || connection === 'keep-alive') return []
  return String(connection)
    .split(',')
    .map((name) => name.trim().toLowerCase())
}

/** The client's request id when it is a plain token of bounded length. */
export function requestIdOf(headers: IncomingHttpHeaders): string | undefined {
  const id = headers['x-request-id']
  return typeof id === 'string' && /^[\w.:@/+=-]{1,128}$/.test(id) ? id : undefined
}
