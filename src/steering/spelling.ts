/** How values of a call are spelled in each raw format, as far as a mask has to know it. */
import type { ToolFormat } from '../model/tool-format.ts'

/** A text value up to its end; `ends` are what may follow, where that has to be seen to. */
export type ValueSpelling = { readonly text: string; readonly ends: readonly string[] }

/**
 * Spellings of a whole text value; `quote` is the one that opened it. The closing quote is spelled with
 * what follows it, as the model's own tokens have it: led to a quote alone, a model may go on as if it
 * were still inside the value.
 */
export function spellings(
  format: ToolFormat,
  value: string,
  quote: string,
): readonly ValueSpelling[] {
  if (format === 'qwen3_xml') return [`\n${value}\n</parameter>`, `${value}</parameter>`].map(whole)
  if (format === 'glm45') return [`${value}</arg_value>`, `\n${value}\n</arg_value>`].map(whole)
  const isSingle = format === 'pythonic' && quote === "'"
  const text = isSingle ? escaped(value) : JSON.stringify(value).slice(1, -1)
  return [{ text, ends: afterValue(format).map((next) => (isSingle ? "'" : '"') + next) }]
}

/** What may stand after a value's closing quote; nothing where values have none. */
export function afterValue(format: ToolFormat): readonly string[] {
  if (format === 'qwen3_xml' || format === 'glm45') return []
  return format === 'pythonic' ? [',', ')'] : [',', '}']
}

const whole = (text: string): ValueSpelling => ({ text, ends: [] })

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')
