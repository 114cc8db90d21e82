/**
 * Sends notices to the destinations of the configuration: one bounded queue and one sender each, so a
 * dead one delays nobody else. Whoever decides hands a notice over and never waits; whatever is not
 * delivered is counted.
 *
 * Destinations come from the configuration alone. Redirects are not followed, and addresses of the
 * machine's own metadata service (link-local) are refused wherever a name leads.
 */
import { lookup } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { DecisionRecord } from './decision-log.ts'
import { backoffMs, isLinkLocal, noticeHeaders, parseSecret, toNotice } from './notice.ts'
import type { Notice, NoticesConfig } from './notice.ts'

export type NoticeCounts = {
  sent: number
  /** The destination refused it, or it was given up. */
  failed: number
  /** The queue was full, or the sidecar ended. */
  dropped: number
  /** No destination of that name or URL is configured. */
  unknown: number
}

export type Notifier = {
  /** Never throws, never waits. `to` is a name or a URL of the configuration. */
  send(to: string, record: DecisionRecord): void
  readonly counts: Readonly<NoticeCounts>
  /** Waits for what is queued, at most `graceMs`. */
  close(graceMs: number): Promise<void>
}

export type NotifierParts = {
  readonly config: NoticesConfig
  readonly env: Readonly<Record<string, string | undefined>>
  readonly newId: () => string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly random: () => number
  /** Told of notices that were given up. Must not throw. */
  readonly failed: (destination: string, reason: string) => void
}

export function createNotifier(parts: NotifierParts): Notifier {
  const counts: NoticeCounts = { sent: 0, failed: 0, dropped: 0, unknown: 0 }
  const agent = new Agent({ connect: { lookup: lookupOutside } })
  const senders = new Map<string, Sender>()
  for (const [name, { url, secret_env }] of Object.entries(parts.config.destinations)) {
    const secret = secret_env === undefined ? undefined : (parts.env[secret_env] ?? '')
    if (secret === '') parts.failed(name, `${secret_env ?? ''} is not set: notices are not signed`)
    const key = secret === undefined || secret === '' ? undefined : parseSecret(secret)
    const sender = new Sender({ ...parts, name, url, key, agent, counts })
    senders.set(name, sender)
    senders.set(url, sender)
  }
  return {
    counts,
    send: (to, record) => {
      const sender = senders.get(to)
      if (sender === undefined) counts.unknown++
      else sender.push(toNotice(parts.newId(), record))
    },
    close: async (graceMs) => {
      const open = [...new Set(senders.values())]
      await Promise.race([
        Promise.all(open.map((sender) => sender.idle)),
        sleep(graceMs, undefined, { ref: false }),
      ])
      for (const sender of open) sender.close()
      await agent.destroy()
    },
  }
}

type SenderParts = NotifierParts & {
  readonly name: string
  readonly url: string
  readonly key: Uint8Array | undefined
  readonly agent: Dispatcher
  readonly counts: NoticeCounts
}

type Queued = { readonly notice: Notice; readonly sinceMs: number }

/** One try: undefined when it was taken, else why not, and whether to try again. */
type Failure = { readonly reason: string; readonly isFinal: boolean; readonly waitMs?: number }

class Sender {
  readonly #parts: SenderParts
  readonly #queue: Queued[] = []
  readonly #closed = new AbortController()
  #running: Promise<void> | undefined

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  push(notice: Notice): void {
    const { config, counts, now } = this.#parts
    if (this.#closed.signal.aborted || this.#queue.length >= config.max_queued) {
      counts.dropped++
      return
    }
    this.#queue.push({ notice, sinceMs: now() })
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  get idle(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  close(): void {
    this.#closed.abort()
    this.#parts.counts.dropped += this.#queue.length
    this.#queue.length = 0
  }

  async #run(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const failure = await this.#deliver(next)
      if (failure === undefined) this.#parts.counts.sent++
      else {
        this.#parts.counts.failed++
        this.#parts.failed(this.#parts.name, failure)
      }
    }
  }

  async #deliver({ notice, sinceMs }: Queued): Promise<string | undefined> {
    const { config, now, random } = this.#parts
    for (let tries = 1; ; tries++) {
      const failure = await this.#try(notice)
      if (failure === undefined) return undefined
      if (failure.isFinal || tries >= config.attempts) return failure.reason
      const waitMs = Math.max(backoffMs(tries, random()), failure.waitMs ?? 0)
      if (now() + waitMs - sinceMs > config.deadline_s * 1_000) return `late: ${failure.reason}`
      try {
        await sleep(waitMs, undefined, { ref: false, signal: this.#closed.signal })
      } catch {
        return 'the sidecar ended' // the only thing that aborts the wait
      }
    }
  }

  async #try(notice: Notice): Promise<Failure | undefined> {
    const { url, key, agent, config, now } = this.#parts
    try {
      const answer = await request(url, {
        method: 'POST',
        // Signed anew for every try: receivers refuse timestamps that are old.
        headers: noticeHeaders(notice, Math.floor(now() / 1_000), key),
        body: notice.body,
        dispatcher: agent,
        signal: AbortSignal.any([
          this.#closed.signal,
          AbortSignal.timeout(config.timeout_s * 1_000),
        ]),
      })
      await answer.body.dump()
      const { statusCode } = answer
      if (statusCode >= 200 && statusCode < 300) return undefined
      const isFinal = statusCode < 500 && statusCode !== 429 && statusCode !== 408
      const after = Number(answer.headers['retry-after'])
      const waitMs = Number.isFinite(after) ? { waitMs: after * 1_000 } : {}
      return { reason: `HTTP ${statusCode}`, isFinal, ...waitMs }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { reason, isFinal: reason.includes(LINK_LOCAL) }
    }
  }
}

const LINK_LOCAL = 'link-local addresses are refused'

type Found = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void

function lookupOutside(host: string, options: LookupOptions, done: Found): void {
  lookup(host, options, (error, address, family) => {
    const found = Array.isArray(address) ? address.map((a) => a.address) : [address]
    if (error === null && found.some((a) => isLinkLocal(a))) {
      done(new Error(`${host}: ${LINK_LOCAL}`), '')
    } else done(error, address, family)
  })
}
