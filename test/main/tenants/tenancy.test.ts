import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/file.ts'
import { startSidecar } from '../../../src/main.ts'
import { createAccounts } from '../../../src/main/tenants/service-accounts.ts'
import { keyDigest } from '../../../src/policy/tenants.ts'
import { completionOf, json, startUpstream, temp } from '../../proxy/upstream.ts'
import { naiveKit } from '../fake-engine.ts'
import { siteFlags } from '../site.ts'

const open: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

const POLICIES = `name: strict
rules:
  - name: secret
    phase: ingress
    trigger: { type: keywords, any: [xyzzy] }
    actions: [{ type: stop, message: No. }]
`
const ISSUER = 'https://kubernetes.default.svc'
const ACCOUNT = 'system:serviceaccount:bank:assistant'

async function keys() {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }] }
  const file = temp('jwks.json')
  writeFileSync(file, JSON.stringify(jwks))
  const token = (claims: { sub?: string; aud?: string; exp?: number; iss?: string } = {}) =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(claims.iss ?? ISSUER)
      .setSubject(claims.sub ?? ACCOUNT)
      .setAudience(claims.aud ?? 'checkstream')
      .setExpirationTime(claims.exp ?? Math.floor(Date.now() / 1_000) + 600)
      .sign(privateKey)
  return { file, token }
}

async function start(tenants: object, more: Record<string, string> = {}) {
  const upstream = await startUpstream((response) => json(response, completionOf('hello')))
  open.push(upstream.close)
  const folder = join(dirname(temp('x')), 'policies')
  mkdirSync(folder)
  writeFileSync(join(folder, 'strict.yaml'), POLICIES)
  const tenantsFile = temp('tenants.yaml')
  writeFileSync(tenantsFile, JSON.stringify(tenants))
  const flags = siteFlags({
    mode: 'proxy',
    'backend.url': upstream.url,
    'policies.path': folder,
    'policies.tenants_file': tenantsFile,
    ...more,
  })
  const sidecar = await startSidecar(loadConfig({ flags, env: {} }), naiveKit())
  open.push(sidecar.stop)
  const ask = (key: string, content = 'hi', body: object = {}): Promise<Response> =>
    fetch(`${sidecar.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }], ...body }),
    })
  return { ask, url: sidecar.url, upstream, sidecar, tenantsFile, folder }
}

/** Waits until it holds; a change on the disk is noticed in its own time. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not happen within 15 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const bank = (...named: string[]) => ({
  tenants: { bank: { policy: 'strict', api_keys: named.map(keyDigest) } },
})

const errorOf = async (answer: Response): Promise<{ type: string; code: string }> =>
  ((await answer.json()) as { error: { type: string; code: string } }).error

describe('tenants of a running sidecar', () => {
  it('refuses who is not known, and past a limit says when to come back', async () => {
    const { ask, url } = await start({
      tenants: {
        bank: { policy: 'strict', api_keys: [keyDigest('k1')], limits: { requests_per_minute: 2 } },
      },
    })
    const stranger = await ask('k2')
    expect(stranger.status).toBe(401)
    expect(await errorOf(stranger)).toMatchObject({ code: 'invalid_api_key' })
    for (let i = 0; i < 2; i++) expect((await ask('k1')).status).toBe(200)
    const third = await ask('k1')
    expect(third.status).toBe(429)
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await errorOf(third)).toMatchObject({
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('checkstream_tenant_limited_total{limit="requests_per_minute"} 1')
  })

  it('gives a concurrent place back when a request ends, and caps what it may ask for', async () => {
    const limits = { concurrent_requests: 1, max_tokens: 50 }
    const { ask, upstream } = await start({
      tenants: { bank: { policy: 'strict', api_keys: [keyDigest('k1')], limits } },
    })
    for (let i = 0; i < 3; i++) expect((await ask('k1')).status).toBe(200)
    expect((await ask('k1', 'xyzzy')).status).toBe(403)
    expect((await ask('k1', 'hi', { max_tokens: 500 })).status).toBe(200)
    expect((await ask('k1', 'hi', { max_tokens: 5 })).status).toBe(200)
    const asked = upstream.seen.map(({ body }) => body['max_tokens'])
    expect(asked).toEqual([50, 50, 50, 50, 5])
  })

  it('enforces for one tenant what it only notes for another, and logs both alike', async () => {
    const decisions = temp('decisions.jsonl')
    const { ask } = await start(
      {
        tenants: {
          bank: { policy: 'strict', api_keys: [keyDigest('k1')] },
          trial: { policy: 'strict', mode: 'monitor', api_keys: [keyDigest('k2')] },
        },
      },
      { 'telemetry.decisions': decisions },
    )
    expect((await ask('k1', 'say xyzzy')).status).toBe(403)
    expect((await ask('k2', 'say xyzzy')).status).toBe(200)
    await open.pop()?.()
    const records = readFileSync(decisions, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records.map((r) => [r['tenant'], r['rule'], r['phase'], r['mode']])).toEqual([
      ['bank', 'secret', 'ingress', 'enforce'],
      ['trial', 'secret', 'ingress', 'monitor'],
    ])
    expect(records[0]?.['span']).toEqual(records[1]?.['span'])
    for (const record of records) {
      expect(record).toMatchObject({ policy: 'strict', model: 'm', action: 'stop' })
      expect(String(record['revision'])).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  it('binds a pod by the token of its service account', async () => {
    const { file, token } = await keys()
    const { ask } = await start({
      tenants: { bank: { policy: 'strict', service_accounts: [ACCOUNT] } },
      service_account: { issuer: ISSUER, audience: 'checkstream', keys_file: file },
    })
    expect((await ask(await token())).status).toBe(200)
    expect((await ask(await token({ sub: 'system:serviceaccount:bank:other' }))).status).toBe(401)
    expect((await ask(await token({ aud: 'vault' }))).status).toBe(401)
  })

  it('starts while the key server is down, and says so instead of refusing the token', async () => {
    const { token } = await keys()
    const { ask } = await start({
      tenants: {
        bank: { policy: 'strict', service_accounts: [ACCOUNT], api_keys: [keyDigest('k1')] },
      },
      service_account: {
        issuer: ISSUER,
        audience: 'checkstream',
        jwks_url: 'http://127.0.0.1:9/openid/v1/jwks',
      },
    })
    expect((await ask('k1')).status).toBe(200)
    const answer = await ask(await token())
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await errorOf(answer)).toMatchObject({ code: 'keys_unavailable' })
  })
})

describe('the tenants file of a running sidecar', () => {
  it('takes effect when it is saved, and again when its mistake is put right', async () => {
    const { ask, url, tenantsFile } = await start(bank('k1'))
    const status = async (key: string): Promise<number> => (await ask(key)).status
    expect([await status('k1'), await status('k2')]).toEqual([200, 401])
    writeFileSync(tenantsFile, JSON.stringify(bank('k2')))
    await until(async () => (await status('k2')) === 200)
    expect(await status('k1')).toBe(401)

    writeFileSync(tenantsFile, JSON.stringify(bank('k3')).replace('strict', 'strct'))
    const ready = async () => (await fetch(`${url}/health/ready`)).text()
    await until(async () => (await ready()).includes('did you mean strict?'))
    expect(await ready()).toContain('the last good ones are in force')
    expect([await status('k2'), await status('k3')]).toEqual([200, 401])
    const admin = (await (await fetch(`${url}/admin/status`)).json()) as { tenantsError?: string }
    expect(admin.tenantsError).toContain('tenants.bank.policy: no policy is called strct')
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('checkstream_tenants_loads_total{outcome="loaded"} 1')
    expect(metrics).toContain('checkstream_tenants_loads_total{outcome="refused"} 1')

    writeFileSync(tenantsFile, JSON.stringify(bank('k3')))
    await until(async () => (await status('k3')) === 200)
    expect(await ready()).not.toContain('did you mean')
  })

  it('follows the symlink swap of a Kubernetes Secret', async () => {
    const volume = dirname(temp('x'))
    const version = (name: string, ...named: string[]): void => {
      mkdirSync(join(volume, name))
      writeFileSync(join(volume, name, 'tenants.yaml'), JSON.stringify(bank(...named)))
      symlinkSync(name, join(volume, '..data_tmp'))
      renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
    }
    version('..2026_1', 'k1')
    const file = join(volume, 'tenants.yaml')
    symlinkSync('..data/tenants.yaml', file)
    const { ask } = await start(bank('unused'), { 'policies.tenants_file': file })
    expect((await ask('k1')).status).toBe(200)
    version('..2026_2', 'k2')
    await until(async () => (await ask('k2')).status === 200)
    expect((await ask('k1')).status).toBe(401)
  })

  it('is read at once when somebody asks, also where nothing is followed', async () => {
    const { url, ask, tenantsFile, sidecar } = await start(bank('k1'), {
      'policies.hot_reload': 'false',
    })
    const reload = () => fetch(`${url}/admin/policies/reload`, { method: 'POST' })
    writeFileSync(tenantsFile, JSON.stringify(bank('k2')))
    expect((await ask('k2')).status).toBe(401)
    expect((await reload()).status).toBe(200)
    expect((await ask('k2')).status).toBe(200)
    writeFileSync(tenantsFile, 'tenants: [')
    const refused = await reload()
    expect(refused.status).toBe(422)
    expect(await refused.text()).toContain(tenantsFile)
    rmSync(tenantsFile)
    // As SIGHUP does.
    expect((await sidecar.reload()).error).toContain('expected a readable file')
    expect((await ask('k2')).status).toBe(200)
  })

  it('may name a policy that comes with it, in either order', async () => {
    const { ask, tenantsFile, folder, sidecar } = await start(bank('k1'), {
      'policies.hot_reload': 'false',
    })
    const next = { tenants: { bank: { policy: 'stricter', api_keys: [keyDigest('k2')] } } }
    writeFileSync(tenantsFile, JSON.stringify(next))
    writeFileSync(join(folder, 'strict.yaml'), POLICIES.replace('name: strict', 'name: stricter'))
    // The policies alone are refused, for the old tenants name the one that goes; both together hold.
    const { error } = await sidecar.reload()
    expect(error).toContain('no policy is called')
    writeFileSync(join(folder, 'more.yaml'), POLICIES)
    expect((await sidecar.reload()).error).toBeUndefined()
    expect((await ask('k2')).status).toBe(200)
    rmSync(join(folder, 'more.yaml'))
    expect((await sidecar.reload()).error).toBeUndefined()
    expect((await ask('k2', 'xyzzy')).status).toBe(403)
  })

  it('changes limits without forgetting what runs, and keys that lie in a file', async () => {
    const first = await keys()
    const second = await keys()
    const config = {
      tenants: { bank: { policy: 'strict', service_accounts: [ACCOUNT] } },
      service_account: { issuer: ISSUER, audience: 'checkstream', keys_file: first.file },
    }
    const { ask, tenantsFile, sidecar } = await start(config, { 'policies.hot_reload': 'false' })
    expect((await ask(await first.token())).status).toBe(200)
    expect((await ask(await second.token())).status).toBe(401)
    writeFileSync(first.file, readFileSync(second.file))
    expect((await sidecar.reload()).error).toBeUndefined()
    expect((await ask(await first.token())).status).toBe(401)
    expect((await ask(await second.token())).status).toBe(200)
    const limited = structuredClone(config) as { tenants: { bank: object } }
    Object.assign(limited.tenants.bank, { limits: { requests_per_minute: 1 } })
    writeFileSync(tenantsFile, JSON.stringify(limited))
    expect((await sidecar.reload()).error).toBeUndefined()
    expect((await ask(await second.token())).status).toBe(200)
    expect((await ask(await second.token())).status).toBe(429)
  })
})

describe('createAccounts', () => {
  it('verifies signature, issuer, audience, time and subject', async () => {
    const { file, token } = await keys()
    const other = await keys()
    const config = { issuer: ISSUER, audience: 'checkstream', keys_file: file }
    const accounts = await createAccounts(config)
    expect(await accounts(await token())).toEqual({ kind: 'verified', account: ACCOUNT })
    expect(await accounts('an-api-key')).toEqual({ kind: 'other' })
    expect(await accounts(await token({ iss: 'https://another' }))).toEqual({ kind: 'other' })
    const reasons = [
      [await token({ aud: 'vault' }), 'the token has another aud'],
      [await token({ exp: 1_000 }), 'the token has expired'],
      [await token({ sub: 'alice' }), 'the token names no service account'],
      [await other.token(), 'the token cannot be verified'],
      [`${(await token()).slice(0, -4)}AAAA`, 'the token cannot be verified'],
    ] as const
    for (const [bearer, reason] of reasons) {
      expect(await accounts(bearer)).toEqual({ kind: 'invalid', reason })
    }
    // Signed with nothing, as tokens that claim `alg: none` are.
    const [, payload = ''] = (await token()).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    expect((await accounts(`${none}.${payload}.`)).kind).toBe('invalid')
  })
})
