/**
 * One prompt on two sides at once: what the engine streams, turned into the page's events.
 *
 * Everything reaches the page through one bounded queue; a page that does not read pauses the
 * engine's streams (back-pressure), it never grows memory. Pure but for the streams it is given.
 */
import type { GuardEvent } from '../model/event.ts'
import { createSseParser } from '../stream/sse.ts'
import { TokenTrace } from './tokens.ts'
import type { Chunk, TokenEvent, Walk } from './tokens.ts'

export type Side = 'plain' | 'guarded'

/** An answer of the engine under way. */
export type Ask = {
  readonly requestId: string
  /** The engine's own server-sent events, with token ids and raw logprobs. */
  readonly bytes: AsyncIterable<Uint8Array>
  readonly textOf: (token: number) => string
  /** The program that this side runs under; undefined without the guard. */
  readonly walk: Walk | undefined
  /** What the client would receive of these bytes: the stream plane, or the identity. */
  readonly client: {
    push(chunk: Uint8Array): readonly Uint8Array[]
    end(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
    /** For what a late verdict releases between two chunks. */
    connect?(write: (pieces: readonly Uint8Array[]) => void): void
  }
}

export type RunEvent =
  | TokenEvent
  | { readonly t: 'text'; readonly side: Side; readonly text: string }
  | {
      readonly t: 'curve'
      readonly position: number
      readonly risk: number | undefined
      readonly temperature: number | undefined
      readonly addedUs: number
    }
  | {
      readonly t: 'decision'
      readonly side: 'guarded'
      readonly at: number
      readonly rule: string
      readonly phase: string
      readonly mode: string
      readonly action: string
      readonly regulation: string | undefined
    }
  | {
      readonly t: 'end'
      readonly side: Side
      readonly reason: string
      readonly tokens: number
      readonly ms: number
    }
  | { readonly t: 'error'; readonly side: Side; readonly message: string }

const MAX_FRAME_BYTES = 1 << 20
const OVER = -1

type ChatChunk = Chunk & {
  readonly error?: { readonly message?: string }
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: string | null
      readonly tool_calls?: readonly { readonly function?: ToolDelta }[] | null
    }
    readonly finish_reason?: string | null
  }[]
}
type ToolDelta = { readonly name?: string; readonly arguments?: string }

/** The events of one side, to its end; a failure is an event, never an exception. */
export async function* runSide(side: Side, ask: Ask, now: () => number): AsyncGenerator<RunEvent> {
  const started = now()
  const trace = new TokenTrace(side, ask.textOf, ask.walk)
  const engine = createSseParser(MAX_FRAME_BYTES)
  const client = createSseParser(MAX_FRAME_BYTES)
  let reason = 'cut off'
  const late: Uint8Array[] = []
  ask.client.connect?.((released) => late.push(...released))
  try {
    for await (const bytes of ask.bytes) {
      for (const { data } of engine.push(bytes)) {
        const chunk = parseChunk(data)
        if (chunk === undefined) continue
        if (chunk.error !== undefined) {
          yield { t: 'error', side, message: chunk.error.message ?? 'the engine failed' }
        }
        yield* trace.push(chunk)
      }
      for (const out of [...late.splice(0), ...ask.client.push(bytes)]) yield* received(out)
    }
    for (const out of [...late.splice(0), ...(await ask.client.end())]) yield* received(out)
    yield { t: 'end', side, reason, tokens: trace.tokens, ms: Math.round(now() - started) }
  } catch (error) {
    yield { t: 'error', side, message: error instanceof Error ? error.message : String(error) }
  }

  function* received(out: Uint8Array): Generator<RunEvent> {
    for (const { data } of client.push(out)) {
      const choice = parseChunk(data)?.choices?.[0]
      reason = choice?.finish_reason ?? reason
      const text = `${choice?.delta?.content ?? ''}${toolText(choice?.delta?.tool_calls)}`
      if (text !== '') yield { t: 'text', side, text }
    }
  }
}

function parseChunk(data: string | undefined): ChatChunk | undefined {
  if (data === undefined || data === '[DONE]') return undefined
  try {
    return JSON.parse(data) as ChatChunk
  } catch {
    return undefined // the page shows what the engine sent; a broken frame has nothing to show
  }
}

function toolText(calls: readonly { readonly function?: ToolDelta }[] | null | undefined): string {
  return (calls ?? [])
    .map(
      (call) =>
        `${call.function?.name === undefined ? '' : `\n⚙ ${call.function.name} `}${call.function?.arguments ?? ''}`,
    )
    .join('')
}

/** What the step plane reported of the guarded request, as the page's events. */
export function toRunEvents(event: GuardEvent): RunEvent[] {
  if (event.kind === 'tokens') {
    const { position, addedUs } = event
    return [
      { t: 'curve', position, risk: event.risk, temperature: event.adapt?.temperature, addedUs },
    ]
  }
  if (event.kind !== 'decision') return []
  return event.firings.map((firing) => ({
    t: 'decision',
    side: 'guarded',
    at: event.position,
    rule: firing.rule,
    phase: firing.phase,
    mode: firing.mode,
    action: firing.action,
    regulation: firing.regulation,
  }))
}

/**
 * Interleaves several sources as their events come. Ends when the first `until` of them have ended
 * and `grace` has passed, in which the others may still tell of the last steps.
 */
export async function* merge<T>(
  sources: readonly AsyncIterable<T>[],
  until: number,
  grace: () => Promise<void>,
): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  const next = async (index: number): Promise<{ index: number; result: IteratorResult<T> }> => ({
    index,
    result: (await iterators[index]?.next()) ?? { done: true, value: undefined },
  })
  const over = async (): Promise<{ index: number; result: IteratorResult<T> }> => {
    await grace()
    return { index: OVER, result: { done: true, value: undefined } }
  }
  const waiting = new Map(iterators.map((_, index) => [index, next(index)]))
  let open = until
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values())
      if (result.done === true) {
        waiting.delete(index)
        if (index === OVER) break
        if (index < until && --open === 0) waiting.set(OVER, over())
        continue
      }
      yield result.value
      waiting.set(index, next(index))
    }
  } finally {
    for (const iterator of iterators) void iterator.return?.()
  }
}
