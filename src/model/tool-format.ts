/** How a model spells tool calls in its text, by the names of vLLM's tool parsers. */
export const TOOL_FORMATS = [
  'hermes',
  'llama3_json',
  'mistral',
  'pythonic',
  'qwen3_xml',
  'deepseek_v3',
  'kimi_k2',
  'glm45',
  'openai',
] as const
export type ToolFormat = (typeof TOOL_FORMATS)[number]
