import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { DecisionRecord } from '../../src/audit/decision-log.ts'
import { backoffMs, isLinkLocal, noticesSchema, parseSecret } from '../../src/audit/notice.ts'
import { createNotifier } from '../../src/audit/notify-http.ts'
import type { Notifier } from '../../src/audit/notify-http.ts'

const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSBzaXRl'
const record: DecisionRecord = {
  kind: 'decision',
  time: '2026-01-01T00:00:00.000Z',
  request_id: 'q1',
  tenant: 'acme',
  policy: 'p',
  revision: 'r',
  model: 'm',
  position: 4,
  rule: 'threat',
  phase: 'midstream',
  mode: 'alert',
  action: 'notify',
  priority: 50,
  span: [3, 9],
  text: 'never sent',
}

type Heard = { readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

/** Answers with each status in turn, then with 204. */
async function receiver(...statuses: readonly number[]) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const status = statuses[heard.length] ?? 204
      heard.push({ headers: request.headers, body })
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
    })
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  open.push(() => new Promise((done) => server.close(done)))
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}

function notifier(url: string, more: object = {}): { notifier: Notifier; failures: string[] } {
  const failures: string[] = []
  let ids = 0
  const made = createNotifier({
    config: noticesSchema.parse({ destinations: { soc: { url, secret_env: 'HOOK' } }, ...more }),
    env: { HOOK: SECRET },
    newId: () => `n${++ids}`,
    now: () => Date.now(),
    random: () => 0,
    failed: (_, reason) => failures.push(reason),
  })
  open.push(() => made.close(0))
  return { notifier: made, failures }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5)
}

describe('createNotifier', () => {
  it('sends what a rule wants told, signed as Standard Webhooks, and no text', async () => {
    const { heard, url } = await receiver()
    const { notifier: made } = notifier(url)
    made.send('soc', record)
    await until(() => made.counts.sent === 1)
    const [notice] = heard
    const {
      'webhook-id': id,
      'webhook-timestamp': at,
      'webhook-signature': signature,
    } = notice?.headers ?? {}
    const signed = `${String(id)}.${String(at)}.${notice?.body ?? ''}`
    const mac = createHmac('sha256', 'secret of the site').update(signed).digest('base64')
    expect(signature).toBe(`v1,${mac}`)
    expect(Math.abs(Number(at) - Date.now() / 1_000)).toBeLessThan(60)
    expect(JSON.parse(notice?.body ?? '')).toMatchObject({
      kind: 'notice',
      id: 'n1',
      rule: 'threat',
    })
    expect(notice?.body).not.toContain('never sent')
  })

  it('tries again with the same id after what may pass, and finds a destination by its URL', async () => {
    const { heard, url } = await receiver(503, 429)
    const { notifier: made } = notifier(url)
    made.send(url, record)
    await until(() => made.counts.sent === 1)
    expect(heard.map(({ headers }) => headers['webhook-id'])).toEqual(['n1', 'n1', 'n1'])
  })

  it.each([
    ['a refusal', 400],
    ['a redirect, which is not followed', 302],
  ])('gives up at once after %s', async (_, status) => {
    const { heard, url } = await receiver(status)
    const { notifier: made, failures } = notifier(url)
    made.send('soc', record)
    await until(() => made.counts.failed === 1)
    expect(heard).toHaveLength(1)
    expect(failures).toEqual([`HTTP ${status}`])
  })

  it('gives up at its deadline', async () => {
    const { url } = await receiver(500, 500, 500)
    const { notifier: made, failures } = notifier(url, { deadline_s: 1 })
    made.send('soc', record)
    await until(() => made.counts.failed === 1)
    expect(failures).toEqual(['late: HTTP 500'])
  })

  it('drops past its bound and what nobody is configured for, and counts both', async () => {
    const { url } = await receiver()
    const { notifier: made } = notifier(url, { max_queued: 2 })
    for (let i = 0; i < 5; i++) made.send('soc', record)
    made.send('https://evil.example/', record)
    // The first is on its way, two wait.
    expect(made.counts).toMatchObject({ dropped: 2, unknown: 1 })
    await until(() => made.counts.sent === 3)
  })

  it.each([
    'http://169.254.169.254/x',
    'http://2852039166/',
    'http://[fe80::1]/',
    'ftp://a.example',
  ])('is never configured to speak to %s', (url) =>
    expect(noticesSchema.safeParse({ destinations: { soc: { url } } }).success).toBe(false),
  )
})

describe('isLinkLocal', () => {
  it.each([
    ['169.254.169.254', true],
    ['::ffff:169.254.169.254', true],
    ['fe80::1', true],
    ['febf::1', true],
    ['fec0::1', false],
    ['169.255.0.1', false],
    ['127.0.0.1', false],
    ['name.example', false],
  ])('%s: %s', (address, wanted) => expect(isLinkLocal(address)).toBe(wanted))
})

describe('backoffMs', () => {
  it('doubles up to its bound, in the upper half at random', () => {
    expect([1, 2, 3, 99].map((tries) => backoffMs(tries, 0))).toEqual([250, 500, 1_000, 15_000])
    expect(backoffMs(1, 0.999)).toBeLessThanOrEqual(500)
  })
})

describe('parseSecret', () => {
  it('reads the keys of Standard Webhooks, and any other text as it stands', () => {
    expect(Buffer.from(parseSecret(SECRET)).toString()).toBe('secret of the site')
    expect(Buffer.from(parseSecret('plain')).toString()).toBe('plain')
  })
})
