/**
 * The public keys of a cluster, from where it serves its JWKS. Whoever waits for them waits a bounded
 * time, and the server is asked a bounded number of times, whatever it answers and whoever asks:
 *
 * - keys are read when they are first needed, and again, beside the requests, when they are old;
 * - a key id that is not among them makes it ask again, at most once in `cooldownMs`;
 * - after a failure it waits before it asks again, longer each time; the keys that it has go on
 *   meanwhile, until they are older than `maxStaleMs`.
 */
import { createLocalJWKSet, errors } from 'jose'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { Agent, fetch } from 'undici'

/** Why there are no keys. */
export type KeysCode =
  'keys_timeout' | 'keys_unreachable' | 'keys_status' | 'keys_too_large' | 'keys_invalid'

export class KeysError extends Error {
  readonly code: KeysCode

  constructor(code: KeysCode, message: string, options?: { readonly cause?: unknown }) {
    super(`${code}: ${message}`, options)
    this.name = 'KeysError'
    this.code = code
  }
}

export type KeyTimes = {
  /** Of one answer, from the first byte sent to the last one read; the longest that anybody waits. */
  readonly timeoutMs: number
  /** Between two questions for a key id that is not known. */
  readonly cooldownMs: number
  /** Age at which keys are read again. */
  readonly maxAgeMs: number
  /** Age past which keys that cannot be read again are not believed any more. */
  readonly maxStaleMs: number
  /** After the first failure; twice as long after each further one, up to the cooldown. */
  readonly retryMs: number
}

export const KEY_TIMES: KeyTimes = {
  timeoutMs: 3_000,
  cooldownMs: 10_000,
  maxAgeMs: 600_000,
  maxStaleMs: 3_600_000,
  retryMs: 500,
}

/** Bytes of a JWKS; those of clusters have a few thousand. */
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 256

export type KeyServer = {
  readonly url: string
  /** Certificate of the server, in PEM. */
  readonly ca: string | undefined
  /** The token that it wants to see; read for every question, as projected tokens are exchanged. */
  readonly token: () => string | undefined
  readonly times?: Partial<KeyTimes>
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

type Held = { readonly find: JWTVerifyGetKey; readonly atMs: number }

export class ClusterKeys {
  readonly #server: KeyServer
  readonly #times: KeyTimes
  readonly #dispatcher: Agent
  #held: Held | undefined
  #pending: Promise<void> | undefined
  #failure:
    { readonly error: KeysError; readonly untilMs: number; readonly waitMs: number } | undefined
  #askedMs = -Infinity

  constructor(server: KeyServer) {
    this.#server = server
    this.#times = { ...KEY_TIMES, ...server.times }
    const connect = server.ca === undefined ? {} : { ca: server.ca }
    this.#dispatcher = new Agent({ connect, connections: 1, keepAliveTimeout: 1_000 })
  }

  /** Rejects with KeysError, or as jose does where no key fits. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const { now } = this.#server
    const { maxAgeMs, maxStaleMs, cooldownMs } = this.#times
    if (this.#held === undefined || now() - this.#held.atMs > maxStaleMs) await this.#load()
    else if (now() - this.#held.atMs > maxAgeMs) void this.#load().catch(() => undefined)
    const held = this.#held
    if (held === undefined) throw this.#failure?.error ?? new KeysError('keys_invalid', 'no keys')
    try {
      return await held.find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      const isRecent = this.#pending === undefined && now() - this.#askedMs < cooldownMs
      if (isRecent) throw error
      await this.#load()
      const { find } = this.#held ?? held
      return find(header, token)
    }
  }

  async #load(): Promise<void> {
    const { now } = this.#server
    if (this.#pending === undefined && this.#failure !== undefined) {
      if (now() < this.#failure.untilMs) throw this.#failure.error
    }
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #ask(): Promise<void> {
    const { now } = this.#server
    this.#askedMs = now()
    try {
      const find = createLocalJWKSet(await this.#read())
      this.#held = { find, atMs: now() }
      this.#failure = undefined
    } catch (error) {
      const { retryMs, cooldownMs } = this.#times
      const last = this.#failure?.waitMs ?? retryMs / 2
      const waitMs = Math.min(cooldownMs, last * 2)
      const named = toKeysError(error)
      this.#failure = { error: named, untilMs: now() + waitMs, waitMs }
      throw named
    }
  }

  async #read(): Promise<JSONWebKeySet> {
    const { url, token } = this.#server
    const { timeoutMs } = this.#times
    const signal = AbortSignal.timeout(timeoutMs)
    const own = token()
    try {
      const answer = await fetch(url, {
        signal,
        dispatcher: this.#dispatcher,
        redirect: 'manual',
        headers: {
          accept: 'application/jwk-set+json, application/json',
          ...(own === undefined ? {} : { authorization: `Bearer ${own}` }),
        },
      })
      if (answer.status !== 200) {
        await answer.body?.cancel()
        throw new KeysError('keys_status', `expected 200, got ${answer.status}`)
      }
      return toKeySet(await bounded(answer.body))
    } catch (error) {
      if (signal.aborted) {
        const message = `no whole answer within ${timeoutMs} ms`
        throw new KeysError('keys_timeout', message, { cause: error })
      }
      throw error
    }
  }
}

async function bounded(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new KeysError('keys_too_large', `more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function toKeySet(text: string): JSONWebKeySet {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new KeysError('keys_invalid', 'expected a JWKS, got no JSON', { cause: error })
  }
  const keys: unknown = (value as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new KeysError('keys_invalid', 'expected a JWKS with at least one key')
  }
  if (keys.length > MAX_KEYS) {
    throw new KeysError('keys_too_large', `at most ${MAX_KEYS} keys, got ${keys.length}`)
  }
  // jose looks at each key when it uses it.
  return value as JSONWebKeySet
}

function toKeysError(error: unknown): KeysError {
  if (error instanceof KeysError) return error
  if (error instanceof errors.JOSEError) {
    return new KeysError('keys_invalid', error.message, { cause: error })
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: unknown } | null)?.code
  const message = typeof code === 'string' ? code : 'no connection'
  return new KeysError('keys_unreachable', message, { cause: error })
}
