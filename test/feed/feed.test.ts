import { describe, expect, it } from 'vitest'
import { createFeed } from '../../src/feed/feed.ts'

async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const out: T[] = []
  for await (const event of source) {
    out.push(event)
    if (out.length === count) break
  }
  return out
}

describe('createFeed', () => {
  it('delivers events in order to every subscriber that wants them', async () => {
    const feed = createFeed<number>()
    const all = feed.subscribe(10)
    const even = feed.subscribe(10, (n) => n % 2 === 0)
    for (let n = 0; n < 4; n++) feed.publish(n)
    expect(await take(all, 4)).toEqual([0, 1, 2, 3])
    expect(await take(even, 2)).toEqual([0, 2])
    expect(feed.subscribers).toBe(0)
  })

  it('drops the oldest events of a slow subscriber and says how many', async () => {
    const feed = createFeed<number>()
    const slow = feed.subscribe(3)
    for (let n = 0; n < 10; n++) feed.publish(n)
    expect(await take(slow, 4)).toEqual([{ kind: 'lost', count: 7 }, 7, 8, 9])
  })

  it('wakes a waiting subscriber and ends it on close', async () => {
    const feed = createFeed<string>()
    const waiting = feed.subscribe(1)
    const seen = take(waiting, 1)
    await Promise.resolve()
    feed.publish('late')
    expect(await seen).toEqual(['late'])
    const closed = feed.subscribe(1)
    const ended = take(closed, 1)
    closed.close()
    expect(await ended).toEqual([])
  })
})
