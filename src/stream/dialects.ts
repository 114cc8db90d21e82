/** The dialects by name. Another API dialect is one more file and one more line here. */
import { createAnthropicMessages } from './anthropic-messages.ts'
import type { Dialect } from './dialect.ts'
import type { DialectName } from './guard-options.ts'
import { createOpenAiChat } from './openai-chat.ts'
import { createOpenAiCompletions } from './openai-completions.ts'
import { createOpenAiResponses } from './openai-responses.ts'

const DIALECTS: Readonly<Record<DialectName, () => Dialect>> = {
  'openai-chat': createOpenAiChat,
  'openai-completions': createOpenAiCompletions,
  'openai-responses': createOpenAiResponses,
  'anthropic-messages': createAnthropicMessages,
}

export function createDialect(name: DialectName): Dialect {
  return DIALECTS[name]()
}
