/**
 * The canary: proof that masks bind in this engine, by trying to break one.
 *
 * A program that bans one letter is pinned to a request whose logit bias drives the model to say
 * nothing but that letter. A control without the program must say it (so the drive works); under the
 * program it must not appear. Used by readiness and by `checkstream doctor`.
 */
import type { Ban } from '../model/ban.ts'

/** Every vocabulary has this letter as a token of its own, so no model is needed to choose it. */
export const CANARY_LETTER = 'e'
export const CANARY_POLICY = 'checkstream.canary'
export const CANARY_BANS: readonly Ban[] = [
  {
    id: CANARY_POLICY,
    kind: 'phrase',
    text: CANARY_LETTER,
    match: 'substring',
    folds: [],
    pending: 'deny',
  },
]
const TOKENS = 4
/** vLLM clamps logit_bias to this. */
const DRIVE = 100

export type CanaryVocabulary = {
  readonly size: number
  readonly offsets: Uint32Array
  readonly data: Uint8Array
}

export type CanaryParts = {
  readonly vocabulary: CanaryVocabulary
  /** Hex digest of the program compiled from CANARY_BANS for this vocabulary. */
  readonly program: string
  readonly requestId: string
  /** Model name that the upstream serves. */
  readonly model: () => Promise<string>
  /** Sends a /v1/completions body to the engine, around the proxy; gives the text that came. */
  readonly complete: (body: Readonly<Record<string, unknown>>) => Promise<string>
}

export type CanaryResult = { readonly bound: boolean; readonly detail: string }

export async function runCanary(parts: CanaryParts): Promise<CanaryResult> {
  const token = letterToken(parts.vocabulary)
  if (token === undefined) {
    return failed(`the vocabulary has no token that is the letter ${CANARY_LETTER} alone`)
  }
  const base = {
    model: await parts.model(),
    prompt: CANARY_LETTER,
    max_tokens: TOKENS,
    temperature: 0,
    logit_bias: { [String(token)]: DRIVE },
  }
  const identity = { checkstream_policy: CANARY_POLICY, checkstream_tenant: '' }
  const driven = await parts.complete({
    ...base,
    vllm_xargs: { ...identity, checkstream_rid: `${parts.requestId}-control` },
  })
  if (!driven.includes(CANARY_LETTER)) {
    return failed(`without the program the engine said ${show(driven)}: the drive has no effect`)
  }
  const guarded = await parts.complete({
    ...base,
    vllm_xargs: {
      ...identity,
      checkstream_rid: parts.requestId,
      checkstream_program: parts.program,
    },
  })
  if (guarded.includes(CANARY_LETTER)) {
    return failed(`under the program the engine still said ${show(guarded)}: masks do not bind`)
  }
  return { bound: true, detail: `driven to ${show(driven)}, under the program ${show(guarded)}` }
}

const failed = (detail: string): CanaryResult => ({ bound: false, detail })
const show = (text: string): string => JSON.stringify(text.slice(0, 80))

function letterToken({ size, offsets, data }: CanaryVocabulary): number | undefined {
  const letter = CANARY_LETTER.charCodeAt(0)
  for (let id = 0; id < size; id++) {
    const at = offsets[id] ?? 0
    if ((offsets[id + 1] ?? 0) - at === 1 && data[at] === letter) return id
  }
  return undefined
}
