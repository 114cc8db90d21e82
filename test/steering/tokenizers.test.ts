/** Calls steered through real tokenizers, whose markers are control tokens; left out where the data is not there. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { toVocabulary } from '../../src/vocabulary/tokenizer.ts'
import type { TokenizerOptions } from '../../src/vocabulary/tokenizer.ts'
import type { ToolFormat } from '../../src/model/tool-format.ts'
import { run, toWords } from './scripted.ts'

const DATA = process.env['CHECKSTREAM_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data')
const FOLDER = join(DATA, 'tokenizers')

/** The control tokens of o200k_harmony (openai/harmony, src/tiktoken_ext): ids of gpt-oss. */
const HARMONY = {
  '<|startoftext|>': 199_998,
  '<|endoftext|>': 199_999,
  '<|return|>': 200_002,
  '<|constrain|>': 200_003,
  '<|channel|>': 200_005,
  '<|start|>': 200_006,
  '<|end|>': 200_007,
  '<|message|>': 200_008,
  '<|call|>': 200_012,
}

type Case = {
  readonly tokenizer: string
  readonly file: string
  readonly format: ToolFormat
  readonly options?: TokenizerOptions
  readonly call: (name: string, args: string) => string
  /** What the model says that is kept from `delete_all`, where that is not `send_email`. */
  readonly led?: string
}

const CASES: readonly Case[] = [
  {
    tokenizer: 'Mistral v3, the older list',
    file: 'tok_mistral/mistral_instruct_tokenizer_240323.model.v3.gz',
    format: 'mistral',
    call: (name, args) => `[TOOL_CALLS][{"name": "${name}", "arguments": ${args}}]`,
  },
  {
    tokenizer: 'Mistral v3, named',
    file: 'tok_mistral/mistral_instruct_tokenizer_240323.model.v3.gz',
    format: 'mistral',
    call: (name, args) => `[TOOL_CALLS]${name}${args}`,
    led: '[TOOL_CALLS][{}',
  },
  {
    tokenizer: 'o200k with the tokens of harmony',
    file: 'tok_openai/o200k_base.tiktoken.gz',
    format: 'openai',
    options: { special: HARMONY, width: 201_088 },
    call: (name, args) =>
      `<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>${args}<|call|>`,
  },
  {
    tokenizer: 'Qwen3',
    file: 'tok_qwen3/tokenizer.json.gz',
    format: 'hermes',
    call: (name, args) => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`,
  },
]

describe.each(CASES)('a call through $tokenizer', ({ file, format, options, call, led }) => {
  const path = join(FOLDER, file)
  const isThere = existsSync(path)
  const make = (): ReturnType<typeof toWords> =>
    (words ??= toWords(toVocabulary(gunzipSync(readFileSync(path)), options)))
  let words: ReturnType<typeof toWords> | undefined
  const after = (from: string): string => call('NAME', 'ARGS').split(from)[1] ?? ''
  const asked = { name: '', says: '', format }

  it.runIf(isThere)('has a refused name steered away', () => {
    const rest = after('NAME').replace('ARGS', '{}')
    const offered = ['send_email', 'delete_all']
    const { text, told } = run(
      { ...asked, offered, wants: call('delete_all', '{}'), rest },
      {},
      make(),
    )
    expect(text).toBe(led ?? call('send_email', '{}'))
    expect(new Set(told)).toEqual(new Set(['tools.name=deny']))
  })

  it.runIf(isThere)('has the one good value forced', () => {
    const wants = call('send_email', '{"to": "mallory@evil.example"}')
    const rest = `}${after('ARGS')}`
    const { text, played } = run({ ...asked, offered: ['send_email'], wants, rest }, {}, make())
    expect(text).toBe(call('send_email', '{"to": "safe@bank.example"}'))
    expect(played).toEqual([{ name: 'send_email', path: 'to', value: 'safe@bank.example' }])
  })

  it.runIf(isThere)('leaves a good call as it is', () => {
    const wants = call('pay', '{"to": "bob"}')
    const offered = ['pay', 'delete_all']
    expect(run({ ...asked, offered, wants, rest: '' }, {}, make()).text).toBe(wants)
  })
})
