import { describe, expect, it } from 'vitest'
import { checkTenants, keyDigest, resolveTenant, tenantsSchema } from '../../src/policy/tenants.ts'

const ACCOUNT = 'system:serviceaccount:bank:assistant'
const config = (more: object = {}) =>
  tenantsSchema.parse({
    tenants: {
      bank: {
        policy: 'strict',
        mode: 'enforce',
        api_keys: [keyDigest('k-bank')],
        service_accounts: [ACCOUNT],
        paths: ['/bank'],
      },
      shop: { policy: 'loose', api_keys: [keyDigest('k-shop')], paths: ['/bank/shop', '/shop'] },
    },
    ...more,
  })
const facts = (more: object = {}) => ({
  path: '/v1/chat/completions',
  headers: {},
  apiKey: undefined,
  serviceAccount: undefined,
  ...more,
})

describe('resolveTenant', () => {
  it('binds by key and by service account', () => {
    const byKey = resolveTenant(config(), facts({ apiKey: 'k-shop' }))
    expect(byKey).toMatchObject({
      kind: 'bound',
      binding: { tenant: 'shop', policy: 'loose', by: 'api_key' },
    })
    const byAccount = resolveTenant(config(), facts({ serviceAccount: ACCOUNT }))
    expect(byAccount).toMatchObject({
      binding: { tenant: 'bank', mode: 'enforce', by: 'service_account' },
    })
  })

  it('does not believe a header or a path unless the deployment says so', () => {
    const asked = facts({ headers: { 'x-checkstream-tenant': 'shop' }, path: '/shop/v1/x' })
    expect(resolveTenant(config(), asked)).toEqual({
      kind: 'refused',
      reason: 'the tenant is not known',
      isKnown: false,
    })
    const trusting = config({ trust_header: 'trusted' })
    expect(resolveTenant(trusting, asked)).toMatchObject({
      binding: { tenant: 'shop', by: 'header' },
    })
  })

  it("refuses a client that states another tenant than its key's", () => {
    const trusting = config({ trust_header: 'trusted', trust_path: 'trusted' })
    const headers = { 'x-checkstream-tenant': 'shop' }
    expect(resolveTenant(trusting, facts({ apiKey: 'k-bank', headers })).kind).toBe('refused')
    expect(resolveTenant(trusting, facts({ apiKey: 'k-bank', path: '/shop/x' })).kind).toBe(
      'refused',
    )
  })

  it('takes the longest path, and a path ends at a slash', () => {
    const trusting = config({ trust_path: 'trusted' })
    const at = (path: string) => resolveTenant(trusting, facts({ path }))
    expect(at('/bank/shop/x')).toMatchObject({ binding: { tenant: 'shop' } })
    expect(at('/bank/x')).toMatchObject({ binding: { tenant: 'bank' } })
    expect(at('/bankrupt')).toMatchObject({ kind: 'refused' })
  })

  it('gives unknown clients what the deployment says', () => {
    const open = config({ unknown: { policy: 'strict', mode: 'monitor' } })
    expect(resolveTenant(open, facts({ apiKey: 'wrong' }))).toMatchObject({
      binding: { policy: 'strict', mode: 'monitor', by: 'default' },
    })
  })
})

describe('checkTenants', () => {
  it('refuses a policy that does not exist and a key that two tenants claim', () => {
    expect(() => checkTenants(config(), ['strict', 'lose'])).toThrow(
      /no policy is called loose; did you mean lose/,
    )
    const twice = tenantsSchema.parse({
      tenants: {
        a: { policy: 'p', api_keys: [keyDigest('k')] },
        b: { policy: 'p', api_keys: [keyDigest('k')] },
      },
    })
    expect(() => checkTenants(twice, ['p'])).toThrow(/already claimed by a/)
  })
})
