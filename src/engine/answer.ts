/**
 * The answer to one request, of one or several choices: frames while it grows, or one body at the
 * end. Chat and completions differ in the shape of a choice and in nothing else.
 */
import { chatLogprobs, chunk, completionLogprobs, finishOf, merged, usage } from './frames.ts'
import type { Head, Json, Naming } from './frames.ts'
import type { Delta } from './sequence.ts'
import { ToolCallParser, type ToolDelta } from './tool-calls.ts'

export type AnswerOptions = {
  readonly kind: 'chat' | 'completion'
  readonly head: Head
  readonly choices: number
  /** Prompt of each choice. */
  readonly promptIds: readonly (readonly number[])[]
  readonly naming: Naming
  /** Alternatives to list; undefined = no logprobs. */
  readonly logprobs: number | undefined
  readonly parseTools: boolean
  readonly returnTokenIds: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  /** Tokens a frame. */
  readonly interval: number
  /** A fresh id for a tool call. */
  readonly newCallId: () => string
}

type Choice = {
  readonly deltas: Delta[]
  readonly tools: ToolCallParser | undefined
  pending: Delta[]
  textLength: number
  over: boolean
}

export class Answer {
  readonly #options: AnswerOptions
  readonly #choices: Choice[]
  #tokens = 0

  constructor(options: AnswerOptions) {
    this.#options = options
    this.#choices = Array.from({ length: options.choices }, () => ({
      deltas: [],
      tools: options.parseTools ? new ToolCallParser() : undefined,
      pending: [],
      textLength: 0,
      over: false,
    }))
  }

  get isOver(): boolean {
    return this.#choices.every((choice) => choice.over)
  }

  /** Whether an answer ended because the engine failed. */
  get failed(): boolean {
    return this.#choices.some((choice) => choice.deltas.at(-1)?.finish?.reason === 'error')
  }

  // ------------------------------------------------------------ as a stream

  /** Chat begins with the role, before any token. */
  open(): Json[] {
    if (this.#options.kind === 'completion') return []
    return this.#choices.map((_, index) => {
      const delta = { role: 'assistant', content: '' }
      const choice = { index, delta, logprobs: null, finish_reason: null }
      const ids = this.#options.returnTokenIds ? this.#options.promptIds[index] : null
      const frame = { ...chunk('chat', this.#options.head, [choice]), prompt_token_ids: ids }
      return this.#options.continuousUsage ? { ...frame, usage: this.#usageOf(0) } : frame
    })
  }

  /** The frames that a delta completes. */
  stream(delta: Delta): Json[] {
    const choice = this.#take(delta)
    if (choice === undefined) return []
    choice.pending.push(delta)
    const first = choice.deltas.length === 1
    const due = choice.pending.length >= this.#options.interval || first
    if (!due && delta.finish === undefined) return []
    const whole = merged(choice.pending)
    choice.pending = []
    const frames = this.#frames(choice, whole, first)
    choice.textLength += whole.text.length
    if (!this.#options.continuousUsage) return frames
    const count = choice.deltas.reduce((sum, one) => sum + one.tokenIds.length, 0)
    return frames.map((frame) => ({ ...frame, usage: this.#usageOf(count) }))
  }

  /** After all choices are over: the usage frame, if it was asked for. */
  close(): Json[] {
    if (!this.#options.includeUsage) return []
    const { kind, head } = this.#options
    return [{ ...chunk(kind, head, []), usage: this.#usageOf(this.#tokens) }]
  }

  #frames(choice: Choice, delta: Delta, first: boolean): Json[] {
    const { kind, head, naming, returnTokenIds, logprobs } = this.#options
    const ids = { token_ids: returnTokenIds ? delta.tokenIds : null }
    if (kind === 'completion') {
      const listed =
        logprobs === undefined
          ? null
          : completionLogprobs(delta.logprobs, naming, choice.textLength)
      const prompt = first && returnTokenIds ? this.#options.promptIds[delta.index] : null
      const body = { index: delta.index, text: delta.text, logprobs: listed }
      const stop = { stop_reason: null, ...finishOf(delta, false), prompt_token_ids: prompt }
      return [chunk(kind, head, [{ ...body, ...stop, ...ids }])]
    }
    const listed = logprobs === undefined ? null : chatLogprobs(delta.logprobs, naming, logprobs)
    const messages = this.#messages(choice, delta)
    return messages.map((message, i) => {
      const last = i === messages.length - 1
      const finish = last ? finishOf(delta, choice.tools?.called === true) : { finish_reason: null }
      const rest = last ? { logprobs: listed, ...finish, ...ids } : { logprobs: null, ...finish }
      return chunk(kind, head, [{ index: delta.index, delta: message, ...rest }])
    })
  }

  /** What a chat delta says; usually one message, more where a tool call begins. */
  #messages(choice: Choice, delta: Delta): Json[] {
    if (choice.tools === undefined) return [{ content: delta.text }]
    const parts = choice.tools.push(delta.text)
    if (delta.finish !== undefined) parts.push(...choice.tools.flush())
    const messages = parts.map((part) => this.#toolMessage(part))
    // As vLLM: the end is a frame of its own after a tool call, and token ids are never lost.
    const quiet =
      messages.length === 0 && (this.#options.returnTokenIds || delta.logprobs.length > 0)
    const ends = delta.finish !== undefined && (messages.length === 0 || choice.tools.called)
    return quiet || ends ? [...messages, {}] : messages
  }

  #toolMessage(part: ToolDelta): Json {
    if (part.kind === 'content') return { content: part.text }
    if (part.kind === 'arguments') {
      return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] }
    }
    const id = this.#options.newCallId()
    const call = { id, type: 'function', index: part.index, function: { name: part.name } }
    return { tool_calls: [call] }
  }

  // ------------------------------------------------------------ as one body

  collect(delta: Delta): void {
    this.#take(delta)
  }

  body(): Json {
    const { kind, head } = this.#options
    const chat = kind === 'chat'
    const choices = this.#choices.map((choice, index) =>
      chat ? this.#chatChoice(choice, index) : this.#completionChoice(choice, index),
    )
    const object = chat ? 'chat.completion' : 'text_completion'
    const ids = this.#options.returnTokenIds ? this.#options.promptIds[0] : null
    return {
      id: head.id,
      object,
      created: head.created,
      model: head.model,
      choices,
      usage: this.#usageOf(this.#tokens),
      ...(chat ? { prompt_token_ids: ids } : {}),
    }
  }

  #chatChoice(choice: Choice, index: number): Json {
    const { naming, logprobs, returnTokenIds } = this.#options
    const whole = merged(choice.deltas)
    const listed = logprobs === undefined ? null : chatLogprobs(whole.logprobs, naming, logprobs)
    const parts =
      choice.tools === undefined ? [] : [...choice.tools.push(whole.text), ...choice.tools.flush()]
    const calls = choice.tools?.called === true ? this.#calls(parts) : undefined
    const content = calls === undefined ? whole.text : parts.map(contentOf).join('')
    const message = {
      role: 'assistant',
      content: calls !== undefined && content === '' ? null : content,
      refusal: null,
      tool_calls: calls ?? [],
    }
    const ids = returnTokenIds ? whole.tokenIds : null
    return {
      index,
      message,
      logprobs: listed,
      ...finishOf(whole, calls !== undefined),
      token_ids: ids,
    }
  }

  #calls(parts: readonly ToolDelta[]): Json[] {
    const calls: { name: string; text: string }[] = []
    for (const part of parts) {
      if (part.kind === 'name') calls.push({ name: part.name, text: '' })
      const last = calls.at(-1)
      if (part.kind === 'arguments' && last !== undefined) last.text += part.text
    }
    return calls.map(({ name, text }) => {
      const id = this.#options.newCallId()
      return { id, type: 'function', function: { name, arguments: text } }
    })
  }

  #completionChoice(choice: Choice, index: number): Json {
    const { naming, logprobs, returnTokenIds, promptIds } = this.#options
    const whole = merged(choice.deltas)
    const listed = logprobs === undefined ? null : completionLogprobs(whole.logprobs, naming, 0)
    return {
      index,
      text: whole.text,
      logprobs: listed,
      ...finishOf(whole, false),
      token_ids: returnTokenIds ? whole.tokenIds : null,
      prompt_token_ids: returnTokenIds ? promptIds[index] : null,
    }
  }

  #take(delta: Delta): Choice | undefined {
    const choice = this.#choices[delta.index]
    if (choice === undefined || choice.over) return undefined
    choice.deltas.push(delta)
    choice.over = delta.finish !== undefined
    this.#tokens += delta.tokenIds.length
    return choice
  }

  #usageOf(tokens: number): Json {
    const { promptIds, kind, choices } = this.#options
    // Choices of one prompt share it; a list of prompts is counted in full.
    const prompts = kind === 'chat' ? promptIds.slice(0, 1) : [...new Set(promptIds)]
    const count = prompts.reduce((sum, ids) => sum + ids.length, 0)
    return usage(choices === 0 ? 0 : count, tokens)
  }
}

function contentOf(part: ToolDelta): string {
  return part.kind === 'content' ? part.text : ''
}
