/** How values and names of a call are spelled in each raw format, as far as a mask has to know it. */
import type { ToolFormat } from '../model/tool-format.ts'

/** What ends a name; undefined where a control token does, which has no text. */
export const NAME_END: Readonly<Record<ToolFormat, string | undefined>> = {
  hermes: '"',
  llama3_json: '"',
  pythonic: '(',
  qwen3_xml: '>',
  mistral: undefined,
  deepseek_v3: undefined,
  kimi_k2: undefined,
  glm45: undefined,
  openai: undefined,
}

/** Spellings of a whole text value up to its end; `quote` is the one that opened it. */
export function spellings(format: ToolFormat, value: string, quote: string): readonly string[] {
  if (format === 'qwen3_xml') return [`\n${value}\n</parameter>`, `${value}</parameter>`]
  if (format === 'glm45') return [`${value}</arg_value>`, `\n${value}\n</arg_value>`]
  if (format === 'pythonic' && quote === "'") return [`${escaped(value)}'`]
  return [JSON.stringify(value).slice(1)]
}

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')
