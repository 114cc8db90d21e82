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
import { alignEdits, tokensOf } from './align.ts'
import type { Span } from './align.ts'

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
  readonly client: Client
  /** What the guard would have let through, where the client is not guarded. */
  readonly shadow?: Client | undefined
}

type Client = {
  push(chunk: Uint8Array): readonly Uint8Array[]
  end(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
  /** For what a late verdict releases between two chunks. */
  connect?(write: (pieces: readonly Uint8Array[]) => void): void
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
      /** What the model wanted there, of a mask. */
      readonly wanted?: string
    }
  /** Known at the end: which tokens the guard took out, and what the client reads in their place. */
  | {
      readonly t: 'edits'
      readonly side: Side
      readonly tokens: readonly Span[]
      readonly text: readonly Span[]
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

export type SideParts = {
  readonly side: Side
  readonly ask: Ask
  /** The request samples nothing by chance. */
  readonly isGreedy: boolean
  readonly now: () => number
}

/** The events of one side, to its end; a failure is an event, never an exception. */
export async function* runSide(parts: SideParts): AsyncGenerator<RunEvent> {
  const { side, ask, now } = parts
  const started = now()
  const trace = new TokenTrace(parts)
  const engine = new TextReader()
  const client = new ClientReader(ask.client)
  const shadow = ask.shadow === undefined ? undefined : new ClientReader(ask.shadow)
  try {
    for await (const bytes of ask.bytes) {
      for (const chunk of engine.read(bytes)) {
        if (chunk.error !== undefined) {
          yield { t: 'error', side, message: chunk.error.message ?? 'the engine failed' }
        }
        yield* trace.push(chunk).flatMap((event) => withMaskDecisions(event, ask.walk))
      }
      yield* toText(side, client.push(bytes))
      shadow?.push(bytes)
    }
    yield* toText(side, await client.end())
    await shadow?.end()
    const { removed, inserted } = alignEdits(engine.text, (shadow ?? client).reader.text)
    const tokens = tokensOf(trace.texts, engine.text, removed)
    if (removed.length + inserted.length > 0) yield { t: 'edits', side, tokens, text: inserted }
    const reason = client.reader.reason
    yield { t: 'end', side, reason, tokens: trace.texts.length, ms: Math.round(now() - started) }
  } catch (error) {
    yield { t: 'error', side, message: error instanceof Error ? error.message : String(error) }
  }
}

function* toText(side: Side, text: string): Generator<RunEvent> {
  if (text !== '') yield { t: 'text', side, text }
}

/** A steered token and its part of the decision log: the engine masks, so no step's decision tells it. */
function withMaskDecisions(event: TokenEvent, walk: Walk | undefined): RunEvent[] {
  if (event.fate !== 'steered') return [event]
  const denied = event.alternatives.filter((wish) => wish.denied)
  const wanted = new Map(denied.toReversed().map((wish) => [wish.rule ?? 'a ban', wish.text]))
  const rows = [...wanted].map(([rule, text]) => ({
    t: 'decision' as const,
    side: 'guarded' as const,
    at: event.position,
    rule,
    phase: 'mask',
    mode: 'enforce',
    action: 'deny',
    regulation: regulationsOf(rule, walk),
    wanted: text,
  }))
  return [event, ...rows]
}

/** Of rules that deny the same token, as they are named together. */
function regulationsOf(rules: string, walk: Walk | undefined): string | undefined {
  const named = rules.split(', ').flatMap((rule) => walk?.regulationOf(rule) ?? [])
  return named.length === 0 ? undefined : [...new Set(named)].join(', ')
}

/** The chunks of a stream as its reader understands them: text, tool calls, and why it ended. */
class TextReader {
  readonly #parser = createSseParser(MAX_FRAME_BYTES)
  text = ''
  reason = 'cut off'

  read(bytes: Uint8Array): ChatChunk[] {
    const chunks = this.#parser.push(bytes).flatMap(({ data }) => parseChunk(data) ?? [])
    for (const chunk of chunks) {
      const choice = chunk.choices?.[0]
      this.reason = choice?.finish_reason ?? this.reason
      const text = `${choice?.delta?.content ?? ''}${toolText(choice?.delta?.tool_calls)}`
      this.text += this.text === '' ? text.replace(/^\n/, '') : text
    }
    return chunks
  }
}

/** What a client reads behind a transform; each call gives the text that is new. */
class ClientReader {
  readonly reader = new TextReader()
  readonly #client: Client
  readonly #late: Uint8Array[] = []

  constructor(client: Client) {
    this.#client = client
    client.connect?.((pieces) => this.#late.push(...pieces))
  }

  push(bytes: Uint8Array): string {
    return this.#read([...this.#late.splice(0), ...this.#client.push(bytes)])
  }

  async end(): Promise<string> {
    const last = await this.#client.end()
    return this.#read([...this.#late.splice(0), ...last])
  }

  #read(pieces: readonly Uint8Array[]): string {
    const before = this.reader.text.length
    for (const piece of pieces) this.reader.read(piece)
    return this.reader.text.slice(before)
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

/** What the step plane reported of the guarded request; `asked` is the request's own temperature. */
export function toRunEvents(event: GuardEvent, asked: number): RunEvent[] {
  if (event.kind === 'tokens') {
    const { position, addedUs, risk } = event
    const temperature = event.adapt?.temperature ?? asked
    return [{ t: 'curve', position, risk, temperature, addedUs }]
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
