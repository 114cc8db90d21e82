/** The embedded engine says what PyTorch said with the same weights (training/demo-lm/export.py). */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/engine/assemble.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { UNGUARDED } from '../../src/engine/hooks.ts'
import { parseChatRequest, parseCompletionRequest } from '../../src/engine/requests.ts'

const MODEL = join(import.meta.dirname, '../../models/demo-lm')

type Case = {
  readonly prompt: string | Readonly<Record<string, unknown>>
  readonly prompt_ids: readonly number[]
  readonly output_ids: readonly number[]
}

function greedy(engine: Engine, prompt: readonly number[], tokens: number): Promise<number[]> {
  const body = { prompt, max_tokens: tokens, temperature: 0, ignore_eos: true }
  const running = engine.complete(parseCompletionRequest(body), 'golden')
  const out: number[] = []
  return new Promise((resolve) => {
    running.start((delta) => {
      out.push(...delta.tokenIds)
      if (delta.finish !== undefined) resolve(out)
    })
  })
}

describe.skipIf(!existsSync(MODEL))('the golden file', () => {
  let engine: Engine
  let cases: readonly Case[]

  beforeAll(async () => {
    const golden = JSON.parse(readFileSync(join(MODEL, 'golden.json'), 'utf8')) as {
      readonly cases: readonly Case[]
    }
    cases = golden.cases
    const made = await createEngine({
      model: MODEL,
      name: 'demo-lm',
      threads: 1,
      hooks: () => UNGUARDED,
      onFailure: (error) => {
        throw error
      },
      now: () => 0,
    })
    engine = made.engine
  })

  it('is repeated token by token, all twenty prompts in one batch', async () => {
    expect(cases.length).toBe(20)
    const outputs = await Promise.all(cases.map((one) => greedy(engine, one.prompt_ids, 100)))
    expect(outputs).toEqual(cases.map((one) => one.output_ids))
  })

  it('is repeated by a request that is alone', async () => {
    const [first] = cases
    expect(await greedy(engine, first?.prompt_ids ?? [], 100)).toEqual(first?.output_ids)
  })

  it('says what the demo needs, when it is greedy and unguarded', async () => {
    const { prompts } = JSON.parse(readFileSync(join(MODEL, 'prompts.json'), 'utf8')) as {
      readonly prompts: readonly { readonly says: string; readonly messages: unknown }[]
    }
    const texts = await Promise.all(
      prompts.map(({ says: _says, ...prompt }) => {
        const request = parseChatRequest({ ...prompt, temperature: 0, max_tokens: 120 })
        const running = engine.chat(request, 'demo')
        return new Promise<string>((resolve) => {
          let text = ''
          running.start((delta) => {
            text += delta.text
            if (delta.finish !== undefined) resolve(text)
          })
        })
      }),
    )
    for (const [i, prompt] of prompts.entries()) expect(texts[i]).toContain(prompt.says)
  })

  it('has the prompts that our tokenizer and chat template make', () => {
    const made = cases.map((one) => {
      if (typeof one.prompt === 'string') return engine.tokenize(one.prompt)
      const request = parseChatRequest({ ...one.prompt, return_token_ids: true })
      return engine.chat(request, 'golden').answer.open()[0]?.['prompt_token_ids']
    })
    expect(made).toEqual(cases.map((one) => one.prompt_ids))
  })
})
