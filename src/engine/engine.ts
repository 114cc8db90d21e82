/** The engine in one object: a model, its scheduler, and requests made into answers. */
import { randomBytes, randomInt } from 'node:crypto'
import { GuardError } from '../model/errors.ts'
import { Answer, type AnswerOptions } from './answer.ts'
import { ChatTemplate } from './chat-template.ts'
import type { ModelFolder } from './model-file.ts'
import type { ChatRequest, CommonRequest, CompletionRequest } from './requests.ts'
import { promptsOf } from './requests.ts'
import type { Scheduler } from './scheduler.ts'
import { Sequence, type Delta, type SequenceOptions } from './sequence.ts'
import type { Tokenizer } from './tokenizer.ts'

export type EngineParts = {
  readonly folder: ModelFolder
  readonly tokenizer: Tokenizer
  readonly scheduler: Scheduler
  readonly modelName: string
  /** Seconds since 1970. */
  readonly now: () => number
}

/** A request under way: start it, and abort it when the client goes. */
export type Running = {
  readonly answer: Answer
  start(deliver: (delta: Delta) => void): void
  abort(): void
}

type Wanted = Pick<AnswerOptions, 'kind' | 'logprobs' | 'parseTools'> & {
  readonly prompts: readonly (readonly number[])[]
  readonly maxTokens: number | undefined
}

export class Engine {
  readonly #parts: EngineParts
  readonly #template: ChatTemplate

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#template = new ChatTemplate(parts.folder.chatTemplate)
  }

  get modelName(): string {
    return this.#parts.modelName
  }

  get contextLength(): number {
    return this.#parts.folder.shape.contextLength
  }

  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#parts.scheduler.live, waiting: this.#parts.scheduler.waiting }
  }

  tokenize(text: string): number[] {
    return this.#parts.tokenizer.encode(text)
  }

  chat(request: ChatRequest, requestId: string): Running {
    const prompt = this.#parts.tokenizer.encode(this.#template.render(request))
    const tools = (request.tools ?? []).length > 0 && request.tool_choice !== 'none'
    return this.#run(request, requestId, {
      kind: 'chat',
      prompts: [prompt],
      parseTools: tools,
      logprobs: request.logprobs === true ? (request.top_logprobs ?? 0) : undefined,
      maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    })
  }

  complete(request: CompletionRequest, requestId: string): Running {
    const prompts = promptsOf(request.prompt).map((prompt) =>
      typeof prompt === 'string' ? this.#parts.tokenizer.encode(prompt) : prompt,
    )
    return this.#run(request, requestId, {
      kind: 'completion',
      prompts,
      parseTools: false,
      logprobs: request.logprobs ?? undefined,
      maxTokens: request.max_tokens ?? 16, // OpenAI's default
    })
  }

  #run(request: CommonRequest, requestId: string, wanted: Wanted): Running {
    const { scheduler, tokenizer } = this.#parts
    this.#checkModel(request.model)
    const n = request.n ?? 1
    const prompts = wanted.prompts.flatMap((ids) => Array.from({ length: n }, () => ids))
    const seed = request.seed ?? randomInt(2 ** 47)
    const options = prompts.map((ids, index) =>
      this.#options(request, wanted, ids, { seed, index }),
    )
    const answer = this.#answer(request, requestId, wanted, prompts)
    let sequences: Sequence[] = []
    return {
      answer,
      start: (deliver) => {
        sequences = options.map((one) => new Sequence(one, tokenizer, deliver))
        for (const sequence of sequences) scheduler.submit(sequence)
      },
      abort: () => {
        for (const sequence of sequences) sequence.aborted = true
      },
    }
  }

  #checkModel(model: string | null | undefined): void {
    const { modelName } = this.#parts
    if (model === null || model === undefined || model === '' || model === modelName) return
    throw new GuardError('model_invalid', `The model \`${model}\` does not exist.`)
  }

  #options(
    request: CommonRequest,
    wanted: Wanted,
    promptIds: readonly number[],
    which: { readonly seed: number; readonly index: number },
  ): SequenceOptions {
    const { shape } = this.#parts.folder
    const room = shape.contextLength - promptIds.length
    const size = shape.vocabularySize
    if (room < 1) {
      throw new GuardError(
        'request_invalid',
        `This model's maximum context length is ${shape.contextLength} tokens. However, your request has ${promptIds.length} input tokens.`,
      )
    }
    const outside = [...promptIds, ...(request.stop_token_ids ?? [])].find((id) => id >= size)
    if (promptIds.length === 0 || outside !== undefined) {
      const got = outside === undefined ? 'an empty prompt' : `token id ${outside}`
      throw new GuardError(
        'request_invalid',
        `prompt: expected token ids under ${size}, got ${got}`,
      )
    }
    const stop = request.stop ?? []
    return {
      promptIds,
      ...which,
      sampling: {
        temperature: request.temperature ?? this.#parts.folder.defaults.temperature,
        topP: request.top_p ?? this.#parts.folder.defaults.topP,
        topK: request.top_k ?? 0,
        minP: request.min_p ?? 0,
        presencePenalty: request.presence_penalty ?? 0,
        frequencyPenalty: request.frequency_penalty ?? 0,
        repetitionPenalty: request.repetition_penalty ?? 1,
      },
      maxTokens: Math.min(room, wanted.maxTokens ?? room),
      minTokens: request.min_tokens ?? 0,
      stop: (typeof stop === 'string' ? [stop] : stop).filter((text) => text !== ''),
      keepStop: request.include_stop_str_in_output === true,
      stopTokenIds: [
        ...(request.stop_token_ids ?? []),
        ...(request.ignore_eos === true ? [] : shape.stopTokenIds),
      ],
      endTokenId: shape.endTokenId,
      ignoreEnd: request.ignore_eos === true,
      showSpecial: request.skip_special_tokens === false,
      logprobs: wanted.logprobs,
      bias: new Map(Object.entries(request.logit_bias ?? {}).map(([id, by]) => [Number(id), by])),
      extra: request.vllm_xargs ?? {},
    }
  }

  #answer(
    request: CommonRequest,
    requestId: string,
    wanted: Wanted,
    promptIds: readonly (readonly number[])[],
  ): Answer {
    const prefix = wanted.kind === 'chat' ? 'chatcmpl' : 'cmpl'
    return new Answer({
      kind: wanted.kind,
      head: {
        id: `${prefix}-${requestId}`,
        created: Math.floor(this.#parts.now()),
        model: this.#parts.modelName,
      },
      choices: promptIds.length,
      promptIds,
      naming: {
        tokenizer: this.#parts.tokenizer,
        asIds: request.return_tokens_as_token_ids === true,
      },
      logprobs: wanted.logprobs,
      parseTools: wanted.parseTools,
      returnTokenIds: request.return_token_ids === true,
      includeUsage: request.stream_options?.include_usage === true,
      continuousUsage: request.stream_options?.continuous_usage_stats === true,
      interval: request.stream_interval ?? 1,
      newCallId: () => `chatcmpl-tool-${randomBytes(16).toString('hex')}`,
    })
  }
}
