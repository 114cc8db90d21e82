/** Messages to the prompt that the model was trained on, by the model's own Jinja template. */
import { Template } from '@huggingface/jinja'
import { GuardError } from '../model/errors.ts'
import { textOf, type ChatRequest } from './requests.ts'

export class ChatTemplate {
  readonly #template: Template

  constructor(source: string) {
    try {
      this.#template = new Template(source)
    } catch (error) {
      const reason = GuardError.from(error, 'model_invalid').message
      throw new GuardError('model_invalid', `chat template: ${reason}`)
    }
  }

  render(request: ChatRequest): string {
    const messages = request.messages.map((message) => ({
      role: message.role === 'developer' ? 'system' : message.role,
      content: textOf(message.content),
      tool_calls: message.tool_calls?.map((call) => ({
        type: 'function',
        function: { name: call.function.name, arguments: parsed(call.function.arguments) },
      })),
    }))
    const tools = request.tools ?? []
    return this.#template.render({
      messages,
      tools: tools.length > 0 && request.tool_choice !== 'none' ? tools : null,
      add_generation_prompt: true,
    })
  }
}

/** Arguments travel as JSON text; templates want the value (vLLM parses them likewise). */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    // Not JSON: the template writes the text as it is.
    return value
  }
}
