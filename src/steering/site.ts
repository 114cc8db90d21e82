/**
 * What the step plane is told of a request's tools when it is admitted: which are offered, how the model
 * spells calls, and who asks. Forgotten with the request.
 */
import type { ToolFormat } from '../model/tool-format.ts'
import type { DecideContext } from '../policy/compiled.ts'
import type { ToolContext } from '../tools/decide.ts'

/** The value that a row was made to say at a path of a call. */
export type ForcedValue = { readonly name: string; readonly path: string; readonly value: string }

/** What the step plane asks and tells of the calls of one request. */
export type CallFacts = {
  readonly facts: () => ToolContext
  /** The engine plays the value in this choice of the answer. */
  readonly forced: (choice: number, value: ForcedValue) => void
}

export type ToolSite = {
  readonly offered: readonly string[]
  /** The engine runs a grammar, which a mask of ours could leave without a token. */
  readonly isConstrained: boolean
  readonly context: DecideContext
  readonly tools: () => ToolContext
  readonly forced: CallFacts['forced']
}

/** Formats by what is in the model's name (vLLM's own advice for `--tool-call-parser`). */
const FORMATS: readonly (readonly [RegExp, ToolFormat])[] = [
  [/qwen3?[-_.]?(coder|3\.5)/i, 'qwen3_xml'],
  [/qwen|hermes/i, 'hermes'],
  [/llama-?4|llama4/i, 'pythonic'],
  [/llama/i, 'llama3_json'],
  [/mistral|mixtral|ministral|devstral/i, 'mistral'],
  [/deepseek/i, 'deepseek_v3'],
  [/kimi/i, 'kimi_k2'],
  [/glm/i, 'glm45'],
  [/gpt-oss/i, 'openai'],
]

/** The format as configured, or by the model's name; undefined: it is seen in the text. */
export function formatOf(configured: ToolFormat | 'auto', model: string): ToolFormat | undefined {
  if (configured !== 'auto') return configured
  return FORMATS.find(([pattern]) => pattern.test(model))?.[1]
}
