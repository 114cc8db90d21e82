/** How the name of a call is spelled where the text stands: what a mask has to know of a raw format. */
export type NameForm = {
  /** What may stand before the name. */
  readonly before: readonly string[]
  /** What ends it: text, or the name of a control token where the vocabulary has one. */
  readonly ends: readonly string[]
  /** Words that stand in its place and name no tool. */
  readonly words: readonly string[]
  /** What may follow here instead of a name. */
  readonly others: readonly string[]
}

const form = (ends: readonly string[], more: Partial<NameForm> = {}): NameForm => ({
  before: [''],
  ends,
  words: [],
  others: [],
  ...more,
})

export const JSON_NAME = form(['"'])
export const PYTHON_NAME = form(['('])
export const QWEN_NAME = form(['>'])
export const GLM_NAME = form(['\n', '<arg_key>', '</tool_call>'])
/** The older form is a list of objects. */
export const MISTRAL_NAME = form(['[ARGS]', '[CALL_ID]', '{'], { others: ['['] })
export const DEEPSEEK_SEPARATOR = '<｜tool▁sep｜>'
/** The name, or the word `function`, after which the name follows. */
export const DEEPSEEK_HEAD = form([DEEPSEEK_SEPARATOR], { words: ['function'] })
export const DEEPSEEK_LINE = form(['\n'])
/** The arguments of a call that is named already. A parser of the older form would read a line here. */
export const DEEPSEEK_BODY = form(['\n'], { others: ['{'] })
export const KIMI_NAME = form([':', '<|tool_call_argument_begin|>'], { before: ['functions.', ''] })
export const HARMONY_NAME = form([' ', '<|channel|>', '<|constrain|>', '<|message|>'], {
  before: ['functions.', ''],
  words: ['assistant'],
})
