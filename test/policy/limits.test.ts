import { describe, expect, it } from 'vitest'
import { TenantLimiter } from '../../src/policy/limits.ts'

const MINUTE = 60_000

describe('TenantLimiter', () => {
  it('admits a minute of requests at once, then one at a time as time passes', () => {
    const limiter = new TenantLimiter()
    const limits = { requests_per_minute: 3 }
    const admit = (id: string, nowMs: number) => limiter.admit(id, 't', limits, nowMs)
    for (const id of ['a', 'b', 'c']) expect(admit(id, 0).kind).toBe('admitted')
    expect(admit('d', 0)).toEqual({
      kind: 'refused',
      limit: 'requests_per_minute',
      retryAfterS: 20,
    })
    expect(admit('e', 19_000).kind).toBe('refused')
    expect(admit('f', 20_000).kind).toBe('admitted')
    expect(admit('g', 20_000).kind).toBe('refused')
    expect(limiter.refused.get('requests_per_minute')).toBe(3)
  })

  it('lets as many run at once as it says, each tenant for itself', () => {
    const limiter = new TenantLimiter()
    const limits = { concurrent_requests: 1 }
    expect(limiter.admit('a', 't', limits, 0).kind).toBe('admitted')
    expect(limiter.admit('b', 't', limits, 0)).toMatchObject({ limit: 'concurrent_requests' })
    expect(limiter.admit('c', 'u', limits, 0).kind).toBe('admitted')
    limiter.finish('a')
    limiter.finish('a')
    expect(limiter.admit('d', 't', limits, 0).kind).toBe('admitted')
    expect(limiter.admit('e', 't', limits, 0).kind).toBe('refused')
  })

  it('charges tokens when they are known, also after the end, and waits until they are paid', () => {
    const limiter = new TenantLimiter()
    const limits = { tokens_per_minute: 600 }
    const admit = (id: string, nowMs: number) => limiter.admit(id, 't', limits, nowMs)
    expect(admit('a', 0).kind).toBe('admitted')
    limiter.charge('a', 500, 0)
    limiter.finish('a')
    limiter.charge('a', 700, 0)
    limiter.charge('nobody', 1_000_000, 0)
    expect(admit('b', 0)).toEqual({ kind: 'refused', limit: 'tokens_per_minute', retryAfterS: 61 })
    expect(admit('c', 61_000).kind).toBe('admitted')
    limiter.charge('c', 1, 61_000)
    expect(admit('d', 100 * MINUTE).kind).toBe('admitted')
  })

  it('limits nothing that is not limited', () => {
    const limiter = new TenantLimiter()
    for (let i = 0; i < 1_000; i++) {
      expect(limiter.admit(`r${i}`, 't', {}, 0).kind).toBe('admitted')
      limiter.charge(`r${i}`, 1_000, 0)
    }
  })
})
