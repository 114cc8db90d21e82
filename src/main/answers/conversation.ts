/**
 * What a request tells about its tool calls: whose words are in it, which calls came before, who calls.
 * Provenance is read when the first call is decided: most answers have none.
 */
import type { AdmissionRequest } from '../../proxy/parts.ts'
import { callsBefore } from '../../stream/ingress.ts'
import type { IngressPiece } from '../../stream/ingress.ts'
import { CallMemory, conversationCalls } from '../../tools/memory.ts'
import type { MadeCall } from '../../tools/decide.ts'
import { Taint } from '../../tools/taint.ts'
import { DIALECTS } from './dialect-names.ts'

export type Conversation = {
  readonly agent: string
  readonly taint: () => Taint
  /** Calls of the conversation before this answer. */
  readonly history: () => readonly MadeCall[]
  /** Calls that count towards rates. */
  readonly recent: () => readonly MadeCall[]
  /** A call goes out. */
  readonly made: (call: MadeCall) => void
}

/** Callers and sessions remembered. */
const MAX_CALLERS = 10_000

/** `x-checkstream-agent` and `x-checkstream-session` are told by whatever stands in front. */
export function createConversations(): (
  request: AdmissionRequest,
  who: { readonly tenant: string; readonly user: string },
  pieces: () => readonly IngressPiece[],
) => Conversation {
  const memory = new CallMemory(MAX_CALLERS)
  return ({ headers, body, dialect }, { tenant, user }, pieces) => {
    const agent = headerOf(headers, 'x-checkstream-agent')
    const session = headerOf(headers, 'x-checkstream-session')
    const caller = (): string => JSON.stringify([tenant, agent, user])
    const key = (): string | undefined =>
      session === '' ? undefined : JSON.stringify([tenant, agent, user, session])
    let taint: Taint | undefined
    return {
      agent,
      taint: () => (taint ??= taintOf(pieces())),
      history: () => {
        const known = key()
        const remembered = known === undefined ? [] : memory.made(known)
        return conversationCalls(callsBefore(DIALECTS[dialect], body), remembered)
      },
      recent: () => memory.made(key() ?? caller()),
      made: (call) => {
        memory.add(caller(), call)
        const known = key()
        if (known !== undefined) memory.add(known, call)
      },
    }
  }
}

function taintOf(pieces: readonly IngressPiece[]): Taint {
  const taint = new Taint()
  for (const { standing, source, text } of pieces) {
    if (standing === 'trusted') taint.trust(source, text)
    else if (standing === 'untrusted') taint.distrust(source, text)
  }
  return taint
}

const MAX_NAME = 256

function headerOf(headers: AdmissionRequest['headers'], name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value.slice(0, MAX_NAME) : ''
}
