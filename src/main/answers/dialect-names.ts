/** The proxy names dialects by route, the stream plane by whose shape they are. */
import type { Dialect } from '../../proxy/routes.ts'
import type { DialectName } from '../../stream/guard-options.ts'

export const DIALECTS: Readonly<Record<Dialect, DialectName>> = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
}
