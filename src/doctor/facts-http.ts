/** Finds out what doctor judges: asks the upstream, the sidecar and the socket, each within a limit. */
import { credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { service as healthService } from 'grpc-health-check'
import { existsSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StepStatus } from '../model/status.ts'
import { isSettling } from './diagnose.ts'
import type { Facts, Tried } from './diagnose.ts'
import { askPython } from './python-process.ts'

export type DoctorSettings = {
  readonly socket: string
  readonly backend: string
  /** Where the sidecar itself listens, for its admin routes. */
  readonly sidecarUrl: string
  /** Models that the upstream serves; rejects when it does not answer. */
  readonly models: () => Promise<readonly string[]>
  readonly timeoutMs: number
  /** A Python to look for the plugin in, and the step protocol that it should speak. */
  readonly python?: { readonly path: string; readonly protocolMajor: number } | undefined
}

const CANARY_MS = 90_000
/** Programs compile and travel within seconds; what is missing later is missing. */
const SETTLE_MS = 8_000
const SETTLE_EVERY_MS = 250

export async function gatherFacts(settings: DoctorSettings): Promise<Facts> {
  const { socket, backend, sidecarUrl, timeoutMs } = settings
  const { python } = settings
  const [models, health, stepStatus, plugin] = await Promise.all([
    attempt(settings.models),
    attempt(() => askHealth(socket, timeoutMs)),
    attempt(() => askStatus(settings)),
    python === undefined ? undefined : attempt(() => askPython(python.path, timeoutMs)),
  ])
  const isAttached = stepStatus.ok && stepStatus.value.engines.length > 0
  const canary: Facts['canary'] = isAttached
    ? await attempt(() => ask(new URL('/admin/canary', sidecarUrl), 'POST', CANARY_MS))
    : { ok: false, error: 'not run' }
  const facts = { socket, backend, sidecarUrl, models, health, status: stepStatus, canary }
  if (python === undefined || plugin === undefined) return facts
  return { ...facts, python: { ...python, plugin } }
}

async function askStatus({ sidecarUrl, timeoutMs }: DoctorSettings): Promise<StepStatus> {
  const until = Date.now() + SETTLE_MS
  for (;;) {
    const told = await ask<StepStatus>(new URL('/admin/status', sidecarUrl), 'GET', timeoutMs)
    if (!isSettling(told) || Date.now() > until) return told
    await sleep(SETTLE_EVERY_MS)
  }
}

async function attempt<T>(act: () => Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: true, value: await act() }
  } catch (error) {
    return { ok: false, error: reason(error) }
  }
}

/** fetch hides why it failed in `cause`. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  const why = cause instanceof Error ? cause.message : ''
  return error.message.includes(why) ? error.message : `${error.message}: ${why}`
}

async function ask<T>(url: URL, method: 'GET' | 'POST', timeoutMs: number): Promise<T> {
  const answer = await fetch(url, { method, signal: AbortSignal.timeout(timeoutMs) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`HTTP ${answer.status}: ${text.slice(0, 300).trim()}`)
  // Our own sidecar's answer: its shape is model/status.ts.
  return JSON.parse(text) as T
}

type Answer = { readonly status: string }
type Check = (
  request: { readonly service: string },
  options: { readonly deadline: number },
  done: (error: ServiceError | null, answer?: Answer) => void,
) => void

function askHealth(socket: string, timeoutMs: number): Promise<string> {
  if (!existsSync(socket)) return Promise.reject(new Error('there is no such file'))
  if (!statSync(socket).isSocket()) return Promise.reject(new Error('the file is not a socket'))
  const Client = makeGenericClientConstructor(healthService, 'Health')
  const client = new Client(`unix:${socket}`, credentials.createInsecure())
  const check = client['check'] as unknown as Check
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + timeoutMs
    check.call(client, { service: '' }, { deadline }, (error, answer) => {
      client.close()
      if (error === null) resolve(answer?.status ?? 'UNKNOWN')
      else if (error.code === status.UNAVAILABLE) reject(new Error('nobody listens on it'))
      else reject(new Error(error.details))
    })
  })
}
