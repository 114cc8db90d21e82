/**
 * Evidence as configured: `telemetry.decisions` names `stdout` or a file for the decision log, or is
 * `off`; `telemetry.notices_file` says who may be told of what a `notify` wants told. Spans are told as
 * offsets and commitments; text only with `telemetry.mode: full_evidence`.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { commit } from '../audit/decision-log.ts'
import { createDecisionTap } from '../audit/decision-tap.ts'
import { createDecisionLog, decisionDestination } from '../audit/log.ts'
import type { DecisionLog } from '../audit/log.ts'
import { noticesSchema } from '../audit/notice.ts'
import type { NoticesConfig } from '../audit/notice.ts'
import { createNotifier } from '../audit/notify-http.ts'
import type { NoticeCounts } from '../audit/notify-http.ts'
import type { Config } from '../config/schema.ts'
import type { GuardEvent } from '../model/event.ts'
import type { Log } from '../telemetry/log.ts'
import { readDocument } from './site/site-document.ts'

export type EvidenceCounts = { readonly droppedRecords: number; readonly notices: NoticeCounts }

export type Decisions = {
  readonly observe: (event: GuardEvent) => void
  readonly counts: () => EvidenceCounts
  /** Names and addresses that policies may tell. */
  readonly destinations: readonly string[]
  /** Salted commitment to a value of a request, for logs. */
  readonly commit: (requestId: string, value: string) => string
  readonly close: () => Promise<void>
}

export type DecisionParts = {
  readonly telemetry: Config['telemetry']
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly revisionOf: (policy: string) => string
}

const SALT_BYTES = 32
/** How long the end of the sidecar waits for notices that are on their way. */
const GRACE_MS = 2_000

export function openDecisions(parts: DecisionParts): Decisions {
  const { telemetry, env } = parts
  const config = readNotices(telemetry.notices_file)
  const salt = saltOf(telemetry.salt_env, env)
  const notifier = createNotifier({
    config,
    env,
    newId: randomUUID,
    now: () => Date.now(),
    random: Math.random,
    failed: (destination, reason) => parts.log.warn({ destination, reason }, 'notice'),
  })
  const log = telemetry.decisions === 'off' ? undefined : openLog(telemetry.decisions)
  const observe = createDecisionTap({
    write: (record) => log?.write(record),
    notify: (to, record) => notifier.send(to, record),
    revisionOf: parts.revisionOf,
    now: () => Date.now(),
    options: {
      evidence: telemetry.mode === 'full_evidence' ? 'full' : 'offsets',
      salt,
    },
  })
  const names = destinationsOf(config)
  const isNeeded = log !== undefined || names.length > 0
  return {
    observe: isNeeded ? observe : () => undefined,
    counts: () => ({ droppedRecords: log?.dropped ?? 0, notices: notifier.counts }),
    destinations: names,
    commit: (requestId, value) => commit(salt, requestId, value),
    close: async () => {
      await log?.close()
      await notifier.close(GRACE_MS)
    },
  }
}

const openLog = (target: string): DecisionLog => createDecisionLog(decisionDestination(target))

/** Names and addresses that a `notify` may tell. */
export const destinationsOf = ({ destinations }: NoticesConfig): readonly string[] =>
  Object.entries(destinations).flatMap(([name, { url }]) => [name, url])

/** Throws `config_invalid` with the place of a mistake. */
export function readNotices(file: string): NoticesConfig {
  if (file === '') return noticesSchema.parse({ destinations: {} })
  return readDocument(readFileSync(file, 'utf8'), file, noticesSchema).data
}

/** Without a secret of the site, commitments can be compared while this process lives. */
function saltOf(name: string, env: DecisionParts['env']): Uint8Array {
  const secret = name === '' ? undefined : env[name]
  return secret === undefined || secret === '' ? randomBytes(SALT_BYTES) : Buffer.from(secret)
}
