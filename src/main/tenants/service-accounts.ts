/**
 * Kubernetes service accounts, from the projected token that a pod sends: the signature is checked
 * against the cluster's keys, then issuer, audience and time. Nothing is asked of the API server but
 * its public keys, and those may lie in a file.
 */
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { createLocalJWKSet, decodeJwt, errors, importSPKI, jwtVerify } from 'jose'
import type { CryptoKey, JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { GuardError } from '../../model/errors.ts'
import type { AccountsConfig } from '../../policy/tenants.ts'
import { ClusterKeys, KeysError } from './cluster-keys.ts'
import type { KeyTimes } from './cluster-keys.ts'

/** Kubernetes signs with these; symmetric ones and `none` are never taken. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 30

export type AccountResult =
  /** Not a token of this cluster: perhaps an API key. */
  | { readonly kind: 'other' }
  | { readonly kind: 'verified'; readonly account: string }
  | { readonly kind: 'invalid'; readonly reason: string }
  /** Nobody knows: the keys of the cluster cannot be read. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export type Accounts = (bearer: string | undefined) => Promise<AccountResult>

/**
 * Throws `config_invalid` when keys in a file cannot be read. Those of a server are read when they are
 * needed: a server that is down then is no reason not to start. `times` for tests.
 */
export async function createAccounts(
  config: AccountsConfig | undefined,
  times?: Partial<KeyTimes>,
): Promise<Accounts> {
  if (config === undefined) return () => Promise.resolve({ kind: 'other' })
  const keys = await openKeys(config, times)
  const { issuer, audience } = config
  const expected = { issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_TOLERANCE_S }
  return async (bearer) => {
    if (bearer === undefined || issuerOf(bearer) !== issuer) return { kind: 'other' }
    try {
      const { payload } = await jwtVerify(bearer, keys, { ...expected, requiredClaims: ['exp'] })
      const account = payload.sub ?? ''
      if (/^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$/.test(account)) {
        return { kind: 'verified', account }
      }
      return { kind: 'invalid', reason: 'the token names no service account' }
    } catch (error) {
      if (error instanceof KeysError || error instanceof GuardError) {
        const reason = `the keys of the cluster cannot be read (${error.message})`
        return { kind: 'unavailable', reason }
      }
      return { kind: 'invalid', reason: reasonOf(error) }
    }
  }
}

/** Unverified: only tells whose token it claims to be. */
function issuerOf(bearer: string): string | undefined {
  if (bearer.split('.').length !== 3) return undefined
  try {
    return decodeJwt(bearer).iss
  } catch {
    return undefined // no token at all, so an API key
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired'
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token has another ${error.claim}`
  return 'the token cannot be verified'
}

type Keys = JWTVerifyGetKey

async function openKeys(config: AccountsConfig, times?: Partial<KeyTimes>): Promise<Keys> {
  const { keys_file: file, jwks_url: url } = config
  if (file !== undefined) return readKeys(file)
  if (url === undefined) throw new GuardError('config_invalid', 'service_account: no keys')
  const { ca_file: ca, token_file: token } = config
  const keys = new ClusterKeys({
    url,
    ca: ca === undefined ? undefined : readText(ca),
    token: () => (token === undefined ? undefined : readText(token).trim()),
    now: () => performance.now(),
    ...(times === undefined ? {} : { times }),
  })
  return keys.find
}

async function readKeys(file: string): Promise<Keys> {
  const text = readText(file)
  try {
    if (text.trimStart().startsWith('{')) {
      return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
    }
    const key = await importAny(text)
    return () => key
  } catch (error) {
    const message = `${file}: expected a JWKS or a public key in PEM: ${String(error)}`
    throw new GuardError('config_invalid', message, { cause: error })
  }
}

async function importAny(pem: string): Promise<CryptoKey> {
  for (const algorithm of ['RS256', 'ES256', 'ES384', 'EdDSA']) {
    try {
      return await importSPKI(pem, algorithm)
    } catch {
      // A key of another kind; the last one tells the mistake.
    }
  }
  return importSPKI(pem, 'ES512')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new GuardError('config_invalid', `${file}: expected a readable file`, { cause: error })
  }
}
