import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { createAccounts } from '../../../src/main/tenants/service-accounts.ts'
import type { KeyTimes } from '../../../src/main/tenants/cluster-keys.ts'
import { temp } from '../../proxy/upstream.ts'
import { writeFileSync } from 'node:fs'

const ISSUER = 'https://kubernetes.default.svc'
const ACCOUNT = 'system:serviceaccount:bank:assistant'
const CERT = resolve(import.meta.dirname, '../../data/main/localhost-cert.pem')
const KEY = resolve(import.meta.dirname, '../../data/main/localhost-key.pem')

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function signer(kid: string, algorithm: 'RS256' | 'ES256' = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' }
  const token = (): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: algorithm, kid })
      .setIssuer(ISSUER)
      .setSubject(ACCOUNT)
      .setAudience('checkstream')
      .setExpirationTime('10m')
      .sign(privateKey)
  return { jwk, token }
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void

const jwks =
  (...keys: object[]): Answer =>
  (response) =>
    response
      .writeHead(200, { 'content-type': 'application/jwk-set+json' })
      .end(JSON.stringify({ keys }))

/** A key server whose answer can be changed; counts what it is asked. */
async function serve(first: Answer, isSecure = false, port = 0) {
  const state = { answer: first, asked: 0, headers: {} as IncomingMessage['headers'] }
  const listener: RequestListener = (request, response) => {
    state.asked++
    state.headers = request.headers
    state.answer(response, request)
  }
  const server: Server = isSecure
    ? createSecureServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, listener)
    : createServer(listener)
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done())
      server.closeAllConnections()
    })
  open.push(close)
  const { port: given } = server.address() as AddressInfo
  const url = `${isSecure ? 'https://localhost' : 'http://127.0.0.1'}:${given}/openid/v1/jwks`
  return { state, url, close, port: given }
}

const accountsOf = (jwks_url: string, times?: Partial<KeyTimes>, more: object = {}) =>
  createAccounts({ issuer: ISSUER, audience: 'checkstream', jwks_url, ...more }, times)

const VERIFIED = { kind: 'verified', account: ACCOUNT }
const REFUSED = { kind: 'invalid', reason: 'the token cannot be verified' }
const unavailable = (reason: string) => ({
  kind: 'unavailable',
  reason: expect.stringContaining(reason) as string,
})
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

describe('the keys of a cluster', () => {
  it('are read once for everybody, also when all ask at once', async () => {
    const a = await signer('a')
    const { state, url } = await serve(jwks(a.jwk))
    const accounts = await accountsOf(url)
    expect(state.asked).toBe(0)
    const tokens = await Promise.all(Array.from({ length: 50 }, () => a.token()))
    const results = await Promise.all(tokens.map(accounts))
    expect(results.every(({ kind }) => kind === 'verified')).toBe(true)
    expect(state.asked).toBe(1)
  })

  it('come over TLS from a server whose certificate is known, with the token that it wants', async () => {
    const a = await signer('a', 'RS256')
    const { state, url } = await serve(jwks(a.jwk), true)
    const tokenFile = temp('token')
    writeFileSync(tokenFile, 'first\n')
    const accounts = await accountsOf(
      url,
      { cooldownMs: 0 },
      { ca_file: CERT, token_file: tokenFile },
    )
    expect(await accounts(await a.token())).toEqual(VERIFIED)
    expect(state.headers['authorization']).toBe('Bearer first')
    // Projected tokens are exchanged while we run.
    writeFileSync(tokenFile, 'second\n')
    const b = await signer('b', 'RS256')
    state.answer = jwks(a.jwk, b.jwk)
    expect(await accounts(await b.token())).toEqual(VERIFIED)
    expect(state.headers['authorization']).toBe('Bearer second')
    const stranger = await accountsOf(url)
    expect(await stranger(await a.token())).toEqual(unavailable('keys_unreachable: DEPTH_ZERO'))
  })

  it('follow a rotation, and ask for an unknown key id no more often than agreed', async () => {
    const [a, b, forged] = await Promise.all([signer('a'), signer('b'), signer('x')])
    const { state, url } = await serve(jwks(a.jwk))
    const accounts = await accountsOf(url, { cooldownMs: 1_500 })
    expect(await accounts(await a.token())).toEqual(VERIFIED)
    for (let i = 0; i < 20; i++) expect(await accounts(await forged.token())).toEqual(REFUSED)
    expect(state.asked).toBe(1)
    await wait(1_600)
    state.answer = jwks(a.jwk, b.jwk)
    expect(await accounts(await b.token())).toEqual(VERIFIED)
    expect(await accounts(await a.token())).toEqual(VERIFIED)
    for (let i = 0; i < 20; i++) expect(await accounts(await forged.token())).toEqual(REFUSED)
    expect(state.asked).toBe(2)
    // The old key is taken back.
    await wait(1_600)
    state.answer = jwks(b.jwk)
    expect(await accounts(await forged.token())).toEqual(REFUSED)
    expect(await accounts(await a.token())).toEqual(REFUSED)
    expect(await accounts(await b.token())).toEqual(VERIFIED)
  })

  it('of another key under a known id verify nothing', async () => {
    const [a, imposter] = await Promise.all([signer('a'), signer('a')])
    const { url } = await serve(jwks(a.jwk))
    const accounts = await accountsOf(url)
    expect(await accounts(await imposter.token())).toEqual(REFUSED)
  })

  it.each<[string, string, Answer]>([
    ['a server that never answers', 'keys_timeout', () => undefined],
    [
      'a body that never ends',
      'keys_timeout',
      (response) => response.writeHead(200).write('{"keys": ['),
    ],
    [
      'a body that drips',
      'keys_timeout',
      (response) => {
        response.writeHead(200)
        const drip = setInterval(() => response.write(' '), 20)
        response.once('close', () => clearInterval(drip))
      },
    ],
    [
      'a body without end',
      'keys_too_large: more than 262144 bytes',
      (response) => {
        response.writeHead(200)
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        }
        response.on('drain', more)
        more()
      },
    ],
    [
      'too many keys',
      'keys_too_large: at most 256 keys, got 300',
      jwks(...Array.from({ length: 300 }, () => ({ kty: 'EC' }))),
    ],
    ['no JSON', 'keys_invalid: expected a JWKS, got no JSON', (response) => response.end('<html>')],
    ['no keys', 'keys_invalid: expected a JWKS with at least one key', jwks()],
    ['keys that are none', 'keys_invalid', (response) => response.end('{"keys": [1]}')],
    ['an error', 'keys_status: expected 200, got 500', (response) => response.writeHead(500).end()],
    [
      'a redirect',
      'keys_status: expected 200, got 302',
      (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    ],
    ['a connection that is cut', 'keys_unreachable', (response) => response.destroy()],
    [
      'an answer that is cut',
      'keys_unreachable',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{')
        setTimeout(() => response.destroy(), 20)
      },
    ],
  ])('told by name, in bounded time: %s', async (_, reason, answer) => {
    const a = await signer('a')
    const { state, url } = await serve(answer)
    const accounts = await accountsOf(url, { timeoutMs: 500, retryMs: 100 })
    const bearer = await a.token()
    const start = performance.now()
    const results = await Promise.all([accounts(bearer), accounts(bearer)])
    expect(performance.now() - start).toBeLessThan(5_000)
    expect(results).toEqual([unavailable(reason), unavailable(reason)])
    expect(state.asked).toBe(1)
    // It comes back, and is asked again after the pause.
    state.answer = jwks(a.jwk)
    await wait(150)
    expect(await accounts(bearer)).toEqual(VERIFIED)
  })

  it('are asked for again later and later while the server is down, and held meanwhile', async () => {
    const [a, b] = await Promise.all([signer('a'), signer('b')])
    const { state, url } = await serve(jwks(a.jwk))
    const times = { maxAgeMs: 0, maxStaleMs: 4_000, retryMs: 10_000, cooldownMs: 10_000 }
    const accounts = await accountsOf(url, times)
    expect(await accounts(await a.token())).toEqual(VERIFIED)
    state.answer = (response) => response.writeHead(503).end()
    await wait(5)
    for (let i = 0; i < 20; i++) expect(await accounts(await a.token())).toEqual(VERIFIED)
    expect(await accounts(await b.token())).toEqual(REFUSED)
    expect(state.asked).toBeLessThanOrEqual(2)
    await wait(4_200)
    expect(await accounts(await a.token())).toEqual(unavailable('keys_status'))
    expect(state.asked).toBe(2)
  })

  it('of a server that is down at the start come when it is up', async () => {
    const a = await signer('a')
    const gone = await serve(jwks(a.jwk))
    await gone.close()
    const accounts = await accountsOf(gone.url, { retryMs: 50, cooldownMs: 100 })
    expect(await accounts(await a.token())).toEqual(unavailable('keys_unreachable: ECONNREFUSED'))
    expect(await accounts('an-api-key')).toEqual({ kind: 'other' })
    await serve(jwks(a.jwk), false, gone.port)
    await wait(150)
    expect(await accounts(await a.token())).toEqual(VERIFIED)
  })
})
